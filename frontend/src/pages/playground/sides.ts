import type { Checkpoint, GenerateRequest, JobDetail, ModelDetail } from "../../api/schema";
import { text } from "../../text";

/** What the page's address holds: who is asked, and who beside it. */
export interface Search {
  /** A model that was trained here by its id, another by its name. */
  model?: number | string;
  /** What a model that was not trained here is asked to do. */
  task?: string;
  /** Instead of a model: a training. */
  job?: string;
  /** Whether what it was trained from is asked, too. */
  base?: boolean;
  /** The checkpoints of the training that are asked, too. */
  steps?: readonly number[];
}

export type Task = NonNullable<GenerateRequest["task"]>;

export const TASKS: readonly Task[] = ["text-generation", "summarization", "extractive-question-answering"];

export function taskOf(name: unknown): Task {
  return TASKS.find((each) => each === name) ?? "text-generation";
}

/** One who is asked: a column of answers. */
export interface Side {
  key: string;
  label: string;
  target: Pick<GenerateRequest, "model_id" | "model_name" | "task" | "job_id" | "checkpoint" | "base">;
}

/** A training, finished or not, that can be asked at several points. */
export interface Trained {
  /** What is kept of its conversation is kept under this. */
  key: string;
  job: string;
  base: string;
  task: Task;
  /** Its end: the model, or the newest checkpoint where there is none yet. */
  end: Side;
}

export function trainedModel(model: ModelDetail): Trained {
  const end = { key: "end", label: model.name, target: { model_id: model.id } };
  return {
    key: `model-${model.id}`,
    job: model.job_id,
    base: model.base_model,
    task: taskOf(model.task),
    end,
  };
}

export function trainedBy(job: JobDetail): Trained {
  const end = { key: "end", label: text.playground.label.newest(job.name), target: { job_id: job.id } };
  return {
    key: `job-${job.id}`,
    job: job.id,
    base: job.model_name,
    task: taskOf(job.config.task),
    end,
  };
}

/** In the order of the training: what it began with, its checkpoints, its end. */
export function sidesOf(trained: Trained, { base, steps = [] }: Pick<Search, "base" | "steps">): Side[] {
  const words = text.playground.label;
  const start = { ...trained.end.target, base: true };
  return [
    ...(base ? [{ key: "base", label: words.base(trained.base), target: start }] : []),
    ...steps
      .toSorted((one, other) => one - other)
      .map((step) => ({
        key: `step-${step}`,
        label: words.checkpoint(step),
        target: { job_id: trained.job, checkpoint: step },
      })),
    trained.end,
  ];
}

/** Checkpoints that can be asked. A reward model has no words. */
export function askable(checkpoints: readonly Checkpoint[]): Checkpoint[] {
  return checkpoints.filter(({ valid, stage }) => valid && stage !== "reward");
}

/** A model that was not trained here. */
export function sideNamed(name: string, task: Task): Side {
  return { key: "named", label: name, target: { model_name: name, task } };
}
