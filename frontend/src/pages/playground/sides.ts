import type { GenerateRequest, ModelDetail } from "../../api/schema";
import { text } from "../../text";

/** One who is asked: a column of answers. */
export interface Side {
  key: string;
  label: string;
  target: Pick<GenerateRequest, "model_id" | "model_name" | "task">;
}

/** What the page's address holds. */
export interface Search {
  model?: number | string;
  task?: string;
  /** Whether what it was trained from is asked, too. */
  base?: boolean;
}

export type Task = NonNullable<GenerateRequest["task"]>;

export const TASKS: readonly Task[] = ["text-generation", "summarization", "extractive-question-answering"];

export function taskOf(name: string | undefined): Task {
  return TASKS.find((each) => each === name) ?? "text-generation";
}

/** A trained model, and what it was trained from where that is asked for. */
export function sidesOf(model: ModelDetail, base: boolean): Side[] {
  const tuned: Side = { key: "tuned", label: model.name, target: { model_id: model.id } };
  if (!base) return [tuned];
  const target = { model_name: model.base_model, task: taskOf(model.task) };
  return [{ key: "base", label: text.playground.label.base(model.base_model), target }, tuned];
}

/** A model that was not trained here. */
export function sideNamed(name: string, task: Task): Side {
  return { key: "named", label: name, target: { model_name: name, task } };
}
