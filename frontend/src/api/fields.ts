/** What the OpenAPI document says of a number in a request. */
interface NumberField {
  minimum: number;
  maximum: number;
  whole: boolean;
  initial: number | null;
  about: string;
}

export type Value = string | number | boolean | readonly unknown[];

/** A type of the OpenAPI document, or a field of one. */
export interface Property {
  title?: string;
  type?: string;
  enum?: readonly string[];
  anyOf?: readonly Property[];
  items?: Property;
  $ref?: string;
  description?: string;
  default?: Value | null;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, Property>;
  "x-group"?: string;
  "x-advanced"?: boolean;
}

export type ApiDocument = { components: { schemas: Record<string, Property> } };

/** The bounds, default and hint of a number. What must be above a bound begins at `step` above it. */
export function numberField(document: ApiDocument, type: string, name: string, step: number): NumberField {
  const field = document.components.schemas[type]?.properties?.[name];
  const bounds = field?.anyOf?.find((each) => each.type !== "null") ?? field;
  if (field === undefined || bounds === undefined) throw new Error(`the API has no ${type}.${name}`);
  const above = bounds.exclusiveMinimum;
  return {
    minimum: above === undefined ? (bounds.minimum ?? Number.NEGATIVE_INFINITY) : above + step,
    maximum: bounds.maximum ?? Number.POSITIVE_INFINITY,
    whole: bounds.type === "integer",
    initial: typeof field.default === "number" ? field.default : null,
    about: (field.description ?? "").replaceAll("`", ""),
  };
}
