import { api, body } from "../../api/client";
import { finished } from "../../api/operations";
import type { DatasetUploaded, TrainingConfig } from "../../api/schema";

const SAMPLE = "demo";
const DATASET = "demo.jsonl";

/** What `modelforge demo` trains with. */
export const DEMO = {
  task: "text-generation",
  model_name: "modelforge-starter",
  dataset: DATASET,
  lora_r: 16,
  lora_alpha: 32,
  lora_dropout: 0,
  learning_rate: 0.003,
  lr_scheduler_type: "cosine",
  per_device_train_batch_size: 16,
  gradient_accumulation_steps: 1,
  num_train_epochs: 20,
  eval_split: 0,
} satisfies TrainingConfig;

/** Bring in the demo's data unless it is there. */
export async function bringData(): Promise<void> {
  const { datasets } = await body(api.GET("/api/datasets"));
  if (!datasets.some((each) => each.filename === DATASET)) {
    await finished<DatasetUploaded>(
      await body(api.POST("/api/datasets/import", { body: { sample: SAMPLE } })),
    );
  }
}
