import { describe, expect, it } from "vitest";
import type { JobSummary } from "../../api/schema";
import { type Choice, chosen } from "./choice";
import { differing } from "./differences";

const job = (id: string, more: object = {}): JobSummary =>
  ({
    id,
    name: id,
    model_name: "modelforge-starter",
    dataset: "rows.jsonl",
    strategy: "sft",
    task: "text-generation",
    status: "completed",
    created_at: "2024-01-15T10:30:00Z",
    started_at: null,
    ended_at: null,
    metrics: null,
    eval_loss: null,
    loss: null,
    ...more,
  }) as unknown as JobSummary;

const JOBS = [
  job("a", {
    metrics: { final_loss: 2 },
    started_at: "2024-01-15T10:30:00Z",
    ended_at: "2024-01-15T10:31:00Z",
  }),
  job("b", { status: "failed", dataset: "Other.csv", loss: 3 }),
  job("c", { created_at: "2024-01-16T10:30:00Z", strategy: "dpo", started_at: "2024-01-16T10:30:00Z" }),
];
const NOW = Date.parse("2024-01-16T10:30:05Z");
const ids = (choice: Choice) => chosen(JOBS, choice, NOW).map((each) => each.id);

describe("the table of runs", () => {
  it("begins with the newest", () => expect(ids({})).toEqual(["c", "b", "a"]));
  it("is turned round", () => expect(ids({ sort: "created", up: true })).toEqual(["a", "b", "c"]));
  it("finds every word, whatever its case", () => expect(ids({ search: "other SFT" })).toEqual(["b"]));
  it("keeps a state", () => expect(ids({ state: "failed" })).toEqual(["b"]));
  it.each([true, undefined])("puts what is not known last (up: %s)", (up) => {
    expect(ids({ sort: "loss", up }).at(-1)).toBe("c");
    expect(ids({ sort: "duration", up }).at(-1)).toBe("b");
  });
  it("takes a run that has not ended as long as until now", () =>
    expect(ids({ sort: "duration", up: true })).toEqual(["c", "a", "b"]));
});

describe("comparison", () => {
  it("tells the settings that differ, those that one lacks too", () => {
    const found = differing([
      { lora_r: 8, seed: 42, target_modules: ["q"], beta: null },
      { lora_r: 16, seed: 42, target_modules: ["q"], beta: 0.1 },
      { lora_r: 8, seed: 42, target_modules: ["q"] },
    ]);
    expect(found).toEqual([
      { name: "lora_r", values: [8, 16, 8] },
      { name: "beta", values: [null, 0.1, null] },
    ]);
  });
});
