import { expect, it } from "vitest";
import { askable, sidesOf, type Trained } from "./sides";

const TRAINED: Trained = {
  key: "model-3",
  job: "train_1",
  base: "starter",
  task: "text-generation",
  end: { key: "end", label: "lamps", target: { model_id: 3 } },
};

it("asks in the order of the training", () =>
  expect(sidesOf(TRAINED, { base: true, steps: [20, 5] })).toEqual([
    { key: "base", label: "starter (before)", target: { model_id: 3, base: true } },
    { key: "step-5", label: "Step 5", target: { job_id: "train_1", checkpoint: 5 } },
    { key: "step-20", label: "Step 20", target: { job_id: "train_1", checkpoint: 20 } },
    TRAINED.end,
  ]));

it("asks the model alone unless more is wanted", () => expect(sidesOf(TRAINED, {})).toEqual([TRAINED.end]));

it("asks no broken checkpoint, and no reward model", () => {
  const whole = { created_at: "2024-01-15T10:34:00Z", size_mb: 1, fault: null, path: "/x", valid: true };
  const all = [
    { ...whole, step: 1, stage: null },
    { ...whole, step: 2, stage: "reward" },
    { ...whole, step: 3, stage: "policy" },
    { ...whole, step: 4, stage: null, valid: false, fault: "manifest.json is missing" },
  ];
  expect(askable(all).map(({ step }) => step)).toEqual([1, 3]);
});
