import { expect, it } from "vitest";
import { measures } from "./measures";

const METRICS = {
  final_loss: 1.5,
  eval_loss: 1.5,
  base_final_loss: 3,
  rougeL: 0.2,
  base_rougeL: 0.3,
  f1: 0.5,
  base_f1: 0.5,
  completion_length: 20,
  base_completion_length: 10,
  train_seconds: 12,
  base_only: 1,
};

it("sets what a model was trained from beside what came of it, and keeps what stands alone", () =>
  expect(measures(METRICS)).toEqual([
    { name: "final_loss", before: 3, after: 1.5, better: true },
    { name: "rougeL", before: 0.3, after: 0.2, better: false },
    { name: "f1", before: 0.5, after: 0.5, better: null },
    { name: "completion_length", before: 10, after: 20, better: null },
    { name: "train_seconds", before: null, after: 12, better: null },
    { name: "base_only", before: null, after: 1, better: null },
  ]));
