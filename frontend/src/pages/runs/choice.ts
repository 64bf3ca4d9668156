import type { JobSummary } from "../../api/schema";
import { lossOf } from "../../measures/measures";

export const COLUMNS = ["name", "state", "model", "data", "strategy", "loss", "created", "duration"] as const;
export type Column = (typeof COLUMNS)[number];

/** Which runs the table shows, as the page's address has it. */
export interface Choice {
  search?: string;
  state?: JobSummary["status"];
  sort?: Column;
  up?: boolean;
}

/** Seconds from its first worker's start to its end, or until now. */
export function seconds(job: JobSummary, now: number): number | null {
  if (!job.started_at) return null;
  const end = job.ended_at ? Date.parse(job.ended_at) : now;
  return Math.max(0, (end - Date.parse(job.started_at)) / 1000);
}

/** Those that the choice asks for, in its order. What is not known stands last, whichever way. */
export function chosen(jobs: readonly JobSummary[], choice: Choice, now: number): JobSummary[] {
  const words = (choice.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  // Lists begin with the oldest: of those that are alike the newest comes first.
  const found = (choice.up ? [...jobs] : jobs.toReversed()).filter((job) => {
    const text = [job.name, job.model_name, job.dataset, job.strategy, job.task, job.id]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word)) && (!choice.state || job.status === choice.state);
  });
  const column = choice.sort ?? "created";
  const way = choice.up ? 1 : -1;
  return found.sort((a, b) => {
    const [one, other] = [value(a, column, now), value(b, column, now)];
    if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1;
    return (
      way * (typeof one === "string" ? one.localeCompare(other as string, "en") : one - (other as number))
    );
  });
}

function value(job: JobSummary, column: Column, now: number): string | number | null {
  switch (column) {
    case "name":
      return job.name;
    case "state":
      return job.status;
    case "model":
      return job.model_name;
    case "data":
      return job.dataset;
    case "strategy":
      return job.strategy;
    case "loss":
      return lossOf(job);
    case "created":
      return Date.parse(job.created_at);
    case "duration":
      return seconds(job, now);
  }
}
