import type { ImportRequest } from "../../api/schema";

/** How a file is to be read, where that cannot be seen from it. */
export type Reading = Pick<ImportRequest, "encoding" | "delimiter" | "header" | "sheet" | "field">;
export type ReadOption = keyof Reading;

const ALL: readonly ReadOption[] = ["encoding", "delimiter", "header", "sheet", "field"];
const OF_ENDINGS: readonly (readonly [endings: readonly string[], options: readonly ReadOption[]])[] = [
  [
    ["csv", "tsv", "tab"],
    ["encoding", "delimiter", "header"],
  ],
  [
    ["xlsx", "xlsm", "xls", "ods"],
    ["sheet", "header"],
  ],
  [["json"], ["encoding", "field"]],
  [["jsonl", "ndjson", "txt", "text"], ["encoding"]],
  [["parquet", "pq"], []],
];

/** What can be said of a file of such a name; of folders and archives, which hold files of any kind, all of it. */
export function optionsFor(name: string): readonly ReadOption[] {
  const ending = name.split(".").at(-1)?.toLowerCase() ?? "";
  return OF_ENDINGS.find(([endings]) => endings.includes(ending))?.[1] ?? ALL;
}
