import { expect, it } from "vitest";
import { numberField } from "./fields";

const DOCUMENT = {
  components: {
    schemas: {
      Asked: {
        properties: {
          top: { type: "number", exclusiveMinimum: 0, maximum: 1, default: 0.9, description: "Of `all`." },
          seed: {
            anyOf: [{ type: "integer", minimum: 0, maximum: 9 }, { type: "null" }],
            description: "Repeats.",
          },
        },
      },
    },
  },
};

it("reads what must be above a bound", () =>
  expect(numberField(DOCUMENT, "Asked", "top", 0.05)).toEqual({
    minimum: 0.05,
    maximum: 1,
    whole: false,
    initial: 0.9,
    about: "Of all.",
  }));

it("reads what may be left out", () =>
  expect(numberField(DOCUMENT, "Asked", "seed", 1)).toEqual({
    minimum: 0,
    maximum: 9,
    whole: true,
    initial: null,
    about: "Repeats.",
  }));

it("misses what the API does not have", () =>
  expect(() => numberField(DOCUMENT, "Asked", "none", 1)).toThrow("Asked.none"));
