import { describe, expect, it } from "vitest";
import type { JobDetail } from "../../api/schema";
import { fixesOf } from "./fixes";

const config = {
  task: "text-generation",
  model_name: "modelforge-starter",
  dataset: "it's.jsonl",
  per_device_train_batch_size: 8,
  gradient_accumulation_steps: 2,
  gradient_checkpointing: false,
  max_seq_length: 1024,
  learning_rate: 0.003,
};

function ended(cause: JobDetail["cause"], changes: object = {}, status = "failed"): JobDetail {
  return {
    status,
    cause,
    dataset: config.dataset,
    config: { ...config, ...changes },
  } as unknown as JobDetail;
}

const kinds = (job: JobDetail) => fixesOf(job).map((fix) => fix.kind);

describe("what can be done about a run that ended", () => {
  it("nothing where it did not end early", () => expect(fixesOf(ended(null, {}, "completed"))).toEqual([]));

  it.each(["oom_gpu", "oom_host"] as const)("%s: less at once, the same examples a step", (cause) => {
    const [first] = fixesOf(ended(cause));
    expect(first).toEqual({
      kind: "batch",
      changes: { per_device_train_batch_size: 4, gradient_accumulation_steps: 4 },
    });
    expect(kinds(ended(cause))).toEqual(["batch", "checkpointing", "length", "resume"]);
  });

  it("offers nothing that cannot be made smaller", () => {
    const least = { per_device_train_batch_size: 1, gradient_checkpointing: true, max_seq_length: 64 };
    expect(kinds(ended("oom_gpu", least))).toEqual(["resume"]);
  });

  it("smaller steps where the numbers went beyond all bounds", () =>
    expect(fixesOf(ended("nan_loss"))[0]).toEqual({ kind: "rate", changes: { learning_rate: 0.001 } }));

  it("the data where it is bad", () => expect(kinds(ended("bad_data"))).toEqual(["data", "resume"]));

  it.each(["killed", "server_restart", "user", "disk_full", "error"] as const)("%s: going on", (cause) =>
    expect(kinds(ended(cause))).toEqual(["resume"]),
  );
});
