import type { Curves } from "./curves";

/** A line for each step, a column for each measure; what was not measured at a step is left empty. */
export function csvOf(curves: Curves): string {
  const names = curves.names();
  const rows = new Map<number, (number | string)[]>();
  for (const [column, name] of names.entries()) {
    const series = curves.get(name);
    for (let at = 0; at < (series?.length ?? 0); at += 1) {
      const step = series?.steps[at] as number;
      let row = rows.get(step);
      if (row === undefined) {
        row = new Array<number | string>(names.length).fill("");
        rows.set(step, row);
      }
      row[column] = series?.values[at] as number;
    }
  }
  const lines = [...rows]
    .sort(([one], [other]) => one - other)
    .map(([step, row]) => [step, ...row].join(","));
  return [["step", ...names].join(","), ...lines, ""].join("\n");
}
