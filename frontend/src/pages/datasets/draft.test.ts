import { describe, expect, it } from "vitest";
import { drafted, isExact, isWritten, rowIn, rowOf } from "./draft";

describe("draft", () => {
  const row = { input: "7", tags: ["a"], gone: null };

  it("comes back as it was", () => expect(rowOf(drafted(row, ["output"]))).toEqual(row));

  it("has the fields of other rows to fill in", () => {
    const filled = drafted({}, ["output"]).map((each) => ({ ...each, typed: "x" }));
    expect(rowOf(filled)).toEqual({ output: "x" });
  });

  it("keeps a text that looks like a number", () => {
    const [field] = drafted({ input: "a" }, []);
    expect(field && rowOf([{ ...field, typed: "42" }])).toEqual({ input: "42" });
  });

  it("knows what is no JSON", () => {
    const [field] = drafted({ input: 42 }, []);
    expect(field && isWritten(field)).toBe(true);
    expect(field && isWritten({ ...field, typed: "forty-two" })).toBe(false);
  });

  it.each([
    [{ id: 2 ** 53, input: "a" }, false],
    [{ messages: [{ id: -(2 ** 60) }] }, false],
    [{ id: 0.1, big: 1234567890, none: null }, true],
  ])("knows whether %s is kept", (value, exact) => expect(isExact(value)).toBe(exact));

  it.each([
    ['{"a": 1}', { a: 1 }],
    ["[1]", null],
    ["null", null],
    ["{", null],
  ])("reads a whole row from %s", (typed, read) => expect(rowIn(typed)).toEqual(read));
});
