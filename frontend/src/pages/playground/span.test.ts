import { expect, it } from "vitest";
import { split } from "./span";

it.each([
  ["the sky is blue today", 11, "blue", ["the sky is ", "blue", " today"]],
  ["🙂🙂 Grüße aus 東京 👋", 3, "Grüße", ["🙂🙂 ", "Grüße", " aus 東京 👋"]],
  ["a 👩‍🚀 flies", 2, "👩‍🚀", ["a ", "👩‍🚀", " flies"]],
  ["begin", 0, "begin", ["", "begin", ""]],
])("finds in %j from character %i on", (text, start, passage, parts) =>
  expect(split(text, start, passage)).toEqual(parts),
);
