const numbers = new Intl.NumberFormat("en");
const shortened = new Intl.NumberFormat("en", {
  notation: "compact",
  compactDisplay: "long",
  maximumSignificantDigits: 3,
});
const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const instants = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** 12,345 */
export function count(value: number): string {
  return numbers.format(value);
}

/** 1,234.50, with so many decimals. */
export function fixed(value: number, decimals: number): string {
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** 7.6 billion, 135 million: large numbers as they are spoken. */
export function short(value: number): string {
  return shortened.format(value);
}

/** A measured number with four digits that count: 0.2341, 12.35, 2.0e-4; large ones whole: 12,345. */
export function measured(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  if (Math.abs(value) >= 1000) return count(Math.round(value));
  return Number(value.toPrecision(4)).toString();
}

/** 1.3 % */
export function percent(share: number): string {
  const value = share * 100;
  return `${value === 0 || value >= 10 ? Math.round(value) : value.toPrecision(2)} %`;
}

/** 5.2 MB, in units of 1000. */
export function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** 5.2 MB, of as many millions of bytes. */
export function megabytes(value: number): string {
  return bytes(value * 1_000_000);
}

/** 45 s, 12 min, 3 h 5 min */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 15 Jan 2024, 10:30, where the reader is. */
export function moment(iso: string): string {
  return moments.format(new Date(iso));
}

/** 15 Jan 2024, 10:30:05 */
export function instant(iso: string): string {
  return instants.format(new Date(iso));
}
