import type { ApiDocument, Property, Value } from "../../api/fields";
import type { MixPart } from "../../api/schema";
import { text } from "../../text";

/** What a request says; fields that it leaves out are the server's to fill in, and a wrong value is its to refuse. */
export interface Given {
  task?: string;
  dataset?: string;
  model_name?: string;
  strategy?: string;
  mix?: readonly MixPart[];
  [field: string]: Value | undefined;
}

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
      return wholeOr(trimmed);
    case "number":
      return decimalOr(trimmed);
    case "flag":
      return trimmed === "true" || (trimmed === "false" ? false : trimmed);
    case "numbers":
      return trimmed
        .split(/[\s,]+/)
        .filter((part) => part !== "")
        .map(numberOr);
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

/** 1,000 and 1,000,000: no decimal number begins so. */
const THOUSANDS = /^[+-]?[1-9]\d{0,2}(,\d{3})+$/;

function wholeOr(typed: string): number | string {
  if (THOUSANDS.test(typed)) return Number(typed.replaceAll(",", ""));
  // 1.000 is a thousand to some, and one to others.
  return typed.includes(".") ? typed : numberOr(typed);
}

function decimalOr(typed: string): number | string {
  return THOUSANDS.test(typed) ? typed : numberOr(typed.replace(/^([+-]?\d+),(\d+)$/, "$1.$2"));
}

function numberOr(typed: string): number | string {
  const value = Number(typed);
  return Number.isFinite(value) ? value : typed;
}

/** An address as a request. What no field could show is left out; what is shown and wrong the server refuses there. */
export function givenOf(address: Readonly<Record<string, unknown>>, fields: readonly Field[]): Given {
  const entries = fields.map(({ name, kind }) => [name, valueIn(address[name], kind)] as const);
  return changed({}, Object.fromEntries(entries));
}

function valueIn(value: unknown, kind: Kind): Value | undefined {
  if (kind === "other") return isMix(value) ? value : undefined;
  if (Array.isArray(value))
    return (kind === "lines" || kind === "numbers") && value.every(isShown) ? value : undefined;
  if (!isShown(value)) return undefined;
  if (kind === "numbers") return [value];
  return kind === "whole" || kind === "number" || kind === "flag" ? value : String(value);
}

function isShown(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

function isMix(value: unknown): value is MixPart[] {
  return Array.isArray(value) && value.every(isPart);
}

function isPart(value: unknown): value is MixPart {
  if (typeof value !== "object" || value === null) return false;
  const { dataset, weight, version }: Record<string, unknown> = { ...value };
  return (
    typeof dataset === "string" &&
    [weight, version].every((each) => each === undefined || each === null || typeof each === "number")
  );
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
    const value = given[field.name];
    return value !== undefined && value !== null && !same(value, field.preset);
  });
}

/** A job's configuration as the start of another: what it came to, without what the schema says anyway and its name. */
export function settingsOf(config: Readonly<Record<string, unknown>>, fields: readonly Field[]): Given {
  const { name: _, preset: __, ...given } = givenOf(config, fields);
  return changed({}, Object.fromEntries(differing(given, fields).map(({ name }) => [name, given[name]])));
}

/** Fields of a request, and what to set them to. */
export type Changes = Readonly<Record<string, Value | null | undefined>>;

/** With changes; null and undefined take a field out. */
export function changed(given: Given, changes: Changes): Given {
  const entries = Object.entries<Value | null | undefined>({ ...given, ...changes });
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value === undefined || value === null ? [] : [[name, value]])),
  );
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
  return fields.filter(({ name }) => !special.has(name) || taken.has(name) || given[name] !== undefined);
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
