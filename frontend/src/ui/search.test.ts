import { describe, expect, it } from "vitest";
import { whole, words } from "./search";

describe("search", () => {
  it.each([
    ["7", 7],
    [7, 7],
    ["0", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["x", undefined],
    [undefined, undefined],
    [2 ** 60, undefined],
  ])("whole %s", (value, read) => expect(whole(value)).toBe(read));

  it.each([
    ["a b", "a b"],
    [12, "12"],
    ["", undefined],
    [undefined, undefined],
  ])("words %s", (value, read) => expect(words(value)).toBe(read));
});
