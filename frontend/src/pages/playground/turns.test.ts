import { expect, it } from "vitest";
import { newest, type Turn } from "./turns";

const turns: Turn[] = [1, 2, 3].map((id) => ({ id, prompt: "x".repeat(100), context: null, answers: [] }));
const each = JSON.stringify(turns[0]).length;

it.each([
  [each * 3, [1, 2, 3]],
  [each * 3 - 1, [2, 3]],
  [each - 1, []],
])("of %i characters keeps the newest turns", (room, ids) =>
  expect(newest(turns, room).map(({ id }) => id)).toEqual(ids),
);
