import type { ApiDocument, Property, Value } from "../../api/fields";
import type { TrainingConfig } from "../../api/schema";
import { text } from "../../text";

/** What a request says; fields that it leaves out are the server's to fill in. */
export type Given = Partial<TrainingConfig>;

/** How a value is asked for. `lines` is one text, or a list with one entry a line. */
type Kind = "choice" | "flag" | "whole" | "number" | "text" | "lines" | "numbers" | "other";

export interface Field {
  name: string;
  label: string;
  /** What it means, from the docstring under it. */
  about: string;
  group: string;
  /** Not for everybody. */
  advanced: boolean;
  kind: Kind;
  choices: readonly string[];
  /** The value of a request that leaves it out; null where the server chooses. */
  preset: Value | null;
  /** In words, or nothing. */
  bounds: string;
}

/** Every option, in the schema's order. */
export function fieldsOf(document: ApiDocument): Field[] {
  return Object.entries(document.components.schemas.TrainingConfig?.properties ?? {}).map(
    ([name, property]) => {
      const kinds = (property.anyOf ?? [property]).filter((each) => each.type !== "null");
      return {
        name,
        label: property.title ?? name,
        about: (property.description ?? "").replaceAll("``", ""),
        group: property["x-group"] ?? "",
        advanced: property["x-advanced"] ?? true,
        kind: kindOf(kinds),
        choices: kinds.find((each) => each.enum)?.enum ?? [],
        preset: property.default ?? null,
        bounds: boundsOf(kinds),
      };
    },
  );
}

function kindOf(kinds: readonly Property[]): Kind {
  const [first, ...more] = kinds;
  if (first === undefined) return "other";
  if (more.some((each) => each.type === "array")) return "lines";
  if (first.enum) return "choice";
  if (first.type === "boolean") return "flag";
  if (first.type === "integer") return "whole";
  if (first.type === "number") return "number";
  if (first.type === "string") return "text";
  if (first.type === "array" && first.items?.type === "number") return "numbers";
  return "other";
}

/** A limit that nobody comes near is none to read. */
const FAR = 100_000;

function boundsOf(kinds: readonly Property[]): string {
  const words = text.newRun.bounds;
  for (const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } of kinds) {
    const low =
      minimum !== undefined
        ? words.from(minimum)
        : exclusiveMinimum !== undefined && words.above(exclusiveMinimum);
    const high =
      maximum !== undefined
        ? maximum < FAR && words.to(maximum)
        : exclusiveMaximum !== undefined && words.below(exclusiveMaximum);
    if (low) return words.sentence(low, high || "");
  }
  return "";
}

/** What was typed, as the request has it: undefined leaves the field out, and what is no number stays as it is. */
export function parsed(field: Field, typed: string): Value | undefined {
  const trimmed = typed.trim();
  if (trimmed === "") return undefined;
  switch (field.kind) {
    case "whole":
    case "number":
      return numberOr(trimmed);
    case "flag":
      return trimmed === "true";
    case "numbers":
      return trimmed.split(/[\s,]+/).map(numberOr);
    case "lines": {
      const lines = trimmed
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
      return lines.length === 1 ? lines[0] : lines;
    }
    default:
      return trimmed;
  }
}

function numberOr(typed: string): number | string {
  const value = Number(typed.replace(/^([+-]?\d+),(\d+)$/, "$1.$2"));
  return Number.isFinite(value) ? value : typed;
}

/** A value as it is typed; the inverse of `parsed`. */
export function shown(value: unknown, kind: Kind): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.join(kind === "lines" ? "\n" : ", ");
  return String(value);
}

export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The fields that a request sets to something else than a request without them would have. */
export function differing(given: Given, fields: readonly Field[]): Field[] {
  return fields.filter((field) => {
    const value = given[field.name as keyof Given];
    return value !== undefined && value !== null && !same(value, field.preset);
  });
}

/** A job's configuration as the start of another: what it came to, without what the schema says anyway and its name. */
export function settingsOf(config: Record<string, unknown>, fields: readonly Field[]): Given {
  const kept = differing(config as Given, fields).filter(({ name }) => name !== "name" && name !== "preset");
  return Object.fromEntries(kept.map(({ name }) => [name, config[name]])) as Given;
}

/** With changes; null and undefined take a field out. */
export function changed(given: Given, changes: Record<string, unknown>): Given {
  const entries = Object.entries({ ...given, ...changes });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null)) as Given;
}

/** The fields that the chosen task and method take. What was set stays in sight all the same. */
export function takenBy(
  fields: readonly Field[],
  given: Given,
  choices: readonly { name: string; options: readonly string[] }[],
): Field[] {
  const chosen: readonly unknown[] = [given.task, given.strategy];
  const special = new Set(choices.flatMap((each) => each.options));
  const taken = new Set(choices.filter((each) => chosen.includes(each.name)).flatMap((each) => each.options));
  return fields.filter(
    ({ name }) => !special.has(name) || taken.has(name) || given[name as keyof Given] !== undefined,
  );
}

/** The fields whose name, label or explanation has every word. */
export function found(fields: readonly Field[], words: string): Field[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return fields.filter(({ name, label, about }) => {
    const all = `${name} ${label} ${about}`.toLowerCase();
    return wanted.every((word) => all.includes(word));
  });
}

/** Groups in the order in which the schema has them. */
export function grouped(fields: readonly Field[]): [string, Field[]][] {
  const groups = new Map<string, Field[]>();
  for (const field of fields) groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
  return [...groups];
}
