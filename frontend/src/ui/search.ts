/** What an address says after its question mark, as far as it makes sense: whole numbers from 1, and texts. */
export function whole(value: unknown): number | undefined {
  const number = Number(value);
  return Number.isSafeInteger(number) && number >= 1 ? number : undefined;
}

export function words(value: unknown): string | undefined {
  return value === undefined || value === null || value === "" ? undefined : String(value);
}
