import { describe, expect, it } from "vitest";
import type { BaseModelChoice, DatasetSummary, ShapeChoice } from "../../api/schema";
import { completed, shapeOf, teaches } from "./usual";

const SHAPES: ShapeChoice[] = [
  {
    name: "answers",
    fields: [],
    optional: [],
    uses: [
      { task: "text-generation", strategies: ["sft", "qlora"] },
      { task: "summarization", strategies: ["sft", "qlora"] },
    ],
  },
  {
    name: "pairs",
    fields: [],
    optional: [],
    uses: [{ task: "text-generation", strategies: ["rlhf", "dpo"] }],
  },
];
const KNOWN = {
  shapes: SHAPES,
  datasets: [
    { filename: "a.csv", shape: "answers" },
    { filename: "p.csv", shape: "pairs" },
    { filename: "odd.csv", shape: null },
  ] as DatasetSummary[],
  models: [
    { name: "mine", source: "registry", tasks: ["text-generation"] },
    { name: "starter", source: "bundled", tasks: ["text-generation"] },
  ] as BaseModelChoice[],
};

describe("a request is completed", () => {
  it("by the usual goal of its data, and the model that comes along", () =>
    expect(completed({ dataset: "a.csv" }, KNOWN)).toEqual({
      dataset: "a.csv",
      task: "text-generation",
      model_name: "starter",
    }));

  it("by the first method for pairs, where the data holds them", () =>
    expect(completed({ dataset: "p.csv" }, KNOWN).strategy).toBe("dpo"));

  it("and never against what is chosen", () => {
    const given = { dataset: "p.csv", task: "summarization", strategy: "sft", model_name: "mine" };
    expect(completed(given, KNOWN)).toEqual(given);
  });

  it.each([{}, { dataset: "odd.csv" }, { dataset: "/data/rows.jsonl" }])(
    "not where nothing is known: %j",
    (given) => expect(completed(given, KNOWN)).toEqual(given),
  );

  it("by no model that cannot be taught the goal", () =>
    expect(completed({ task: "summarization" }, KNOWN)).toEqual({ task: "summarization" }));
});

it.each([
  ["a.csv", undefined, undefined, true],
  ["a.csv", "summarization", "sft", true],
  ["a.csv", undefined, "dpo", false],
  ["p.csv", "summarization", undefined, false],
  ["p.csv", "text-generation", "rlhf", true],
])("%s teaches %s by %s: %s", (dataset, task, strategy, expected) => {
  const shape = shapeOf(dataset, KNOWN);
  expect(shape && teaches(shape, task, strategy)).toBe(expected);
});
