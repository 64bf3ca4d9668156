import type { BaseModelChoice, DatasetSummary, ShapeChoice } from "../../api/schema";
import { changed, type Given } from "./fields";

interface Known {
  datasets: readonly DatasetSummary[];
  shapes: readonly ShapeChoice[];
  models: readonly BaseModelChoice[];
}

/** The shape of a dataset's rows; nothing where they match none, or the dataset is none that was uploaded. */
export function shapeOf(filename: string | undefined, { datasets, shapes }: Known): ShapeChoice | undefined {
  const dataset = datasets.find((each) => each.filename === filename);
  return shapes.find((each) => each.name === dataset?.shape);
}

/** Whether rows can teach a goal by a method, as far as these are known. */
export function teaches(shape: ShapeChoice, task: string | undefined, strategy: string | undefined): boolean {
  return shape.uses.some(
    (use) =>
      (task === undefined || use.task === task) &&
      (strategy === undefined || use.strategies.some((each) => each === strategy)),
  );
}

/**
 * The request with what it leaves open and follows from the rest: the usual goal and method for the data, and the model
 * that comes along, which needs no download and fits every machine.
 */
export function completed(given: Given, known: Known): Given {
  const uses = shapeOf(given.dataset, known)?.uses ?? [];
  const task = given.task ?? uses[0]?.task;
  // Of the methods for pairs, the one to begin with; without pairs the server has its default.
  const pairs = uses.some((use) => use.task === task && use.strategies.includes("dpo"));
  const strategy = given.strategy ?? (pairs ? "dpo" : undefined);
  const model = known.models.find((each) => each.source === "bundled" && each.tasks.includes(task ?? ""));
  const model_name = given.model_name ?? model?.name;
  return changed(given, { task, strategy, model_name });
}
