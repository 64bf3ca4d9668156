import { expect, it } from "vitest";
import { problemsOf } from "./problems";

const NAMES = new Set(["dataset", "lora_r", "eval_split", "use_4bit", "use_8bit", "strategy", "task"]);
const of = (detail: string, field: string | null = null) =>
  Object.fromEntries(problemsOf(detail, NAMES, field));

it("stands at the field that the server names", () =>
  expect(of("no such dataset", "dataset")).toEqual({ dataset: "no such dataset" }));

it("stands at each of several fields", () =>
  expect(of("lora_r: must be at least 1, not 0; eval_split: must be less than 1; not 2")).toEqual({
    lora_r: "must be at least 1, not 0",
    eval_split: "must be less than 1; not 2",
  }));

it("stands at the first field that a refused combination names", () => {
  const words = "use_4bit and use_8bit exclude each other: set at most one of them";
  expect(of(words)).toEqual({ "": words, use_4bit: words });
});

it("stands at a field that the refusal begins with", () => {
  const words = "strategy 'dpo' needs the task 'text-generation', not 'summarization'";
  expect(of(words)).toEqual({ "": words, strategy: words });
});

it("stands at no field where it names none", () =>
  expect(of("the task is not known here")).toEqual({ "": "the task is not known here" }));
