import classes from "./value.module.css";

/** What stands in a row or in one of its fields, as text. */
export function Value({ value }: { value: unknown }) {
  return <pre className={classes.value}>{shown(value)}</pre>;
}

/** A text as it is; all else as JSON has it. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}
