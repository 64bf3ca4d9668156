import { text } from "../../text";

/** A setting's value as one would write it. */
export function setting(value: unknown): string {
  if (value === null || value === undefined) return text.runs.comparison.unset;
  return typeof value === "string" ? value : JSON.stringify(value);
}
