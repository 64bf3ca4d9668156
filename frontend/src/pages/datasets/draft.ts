/** A field of a row as it is typed: a text as it is, all else as JSON. */
export interface DraftField {
  name: string;
  json: boolean;
  typed: string;
  /** Left empty, it stays out of the row. */
  absent: boolean;
}

type Row = Record<string, unknown>;

/** A row's fields, and those that other rows have. */
export function drafted(row: Row, fields: readonly string[]): DraftField[] {
  const own = Object.entries(row).map(([name, value]) => {
    const json = typeof value !== "string";
    return { name, json, typed: json ? JSON.stringify(value, null, 1) : value, absent: false };
  });
  const others = fields.filter((name) => !Object.hasOwn(row, name));
  return [...own, ...others.map((name) => ({ name, json: false, typed: "", absent: true }))];
}

/** Whether what is typed can stand in the field. */
export function isWritten({ json, typed }: DraftField): boolean {
  return !json || parsed(typed) !== undefined;
}

/** The row that the fields make. All of them are written. */
export function rowOf(draft: readonly DraftField[]): Row {
  const kept = draft.filter((each) => !each.absent || each.typed !== "");
  return Object.fromEntries(kept.map(({ name, json, typed }) => [name, json ? parsed(typed) : typed]));
}

/** A whole row from the JSON that it is typed as; null where that is no object. */
export function rowIn(typed: string): Row | null {
  const value = parsed(typed);
  return isRow(value) ? value : null;
}

/** Whether a browser keeps what is in it: whole numbers of more than 15 digits come as others. */
export function isExact(value: unknown): boolean {
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  return typeof value !== "object" || value === null || Object.values(value).every(isExact);
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
