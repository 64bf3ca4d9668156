import type { JobDetail, TrainingConfig } from "../../api/schema";
import { isResumable } from "../../api/states";

/** What can be done about a run that ended before it was completed. */
export type Fix =
  | { kind: "resume" }
  | { kind: "data" }
  | { kind: "batch" | "checkpointing" | "length" | "rate"; changes: Partial<TrainingConfig> };

/** Below that many tokens next to nothing of a row is left. */
const SHORTEST = 64;

/** Those that apply, the one that helps first. */
export function fixesOf(job: JobDetail): Fix[] {
  if (!isResumable(job.status)) return [];
  const resume: Fix = { kind: "resume" };
  switch (job.cause) {
    case "oom_gpu":
    case "oom_host":
      return [...smaller(job.config as Partial<TrainingConfig>), resume];
    case "nan_loss":
      return [...slower(job.config as Partial<TrainingConfig>), resume];
    case "bad_data":
      // A file on the server's machine has no report here.
      return /[/\\]/.test(job.dataset) ? [resume] : [{ kind: "data" }, resume];
    default:
      return [resume];
  }
}

function smaller(config: Partial<TrainingConfig>): Fix[] {
  const fixes: Fix[] = [];
  const batch = config.per_device_train_batch_size ?? 1;
  if (batch > 1) {
    const half = Math.floor(batch / 2);
    // About as many examples a step as before, so that it learns the same.
    const steps = Math.round(((config.gradient_accumulation_steps ?? 1) * batch) / half);
    const changes = { per_device_train_batch_size: half, gradient_accumulation_steps: steps };
    fixes.push({ kind: "batch", changes });
  }
  if (config.gradient_checkpointing === false) {
    fixes.push({ kind: "checkpointing", changes: { gradient_checkpointing: true } });
  }
  const length = config.max_seq_length ?? 0;
  if (length >= 2 * SHORTEST) {
    fixes.push({ kind: "length", changes: { max_seq_length: Math.floor(length / 2) } });
  }
  return fixes;
}

function slower(config: Partial<TrainingConfig>): Fix[] {
  if (!config.learning_rate) return [];
  const rate = Number((config.learning_rate / 3).toPrecision(2));
  return [{ kind: "rate", changes: { learning_rate: rate } }];
}
