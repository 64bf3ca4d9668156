import type { JobSummary } from "../api/schema";

/** What is better the lower it is, and what the higher; of all else, the length of answers say, nobody can tell. */
const LOWER_IS_BETTER = /loss$|^perplexity$|^kl$/;
const HIGHER_IS_BETTER = /accuracy$|^rouge|^f1$|^exact_match$|^reward/;
const BASE = "base_";

/** A measure of a finished model, and the same of what it was trained from where that was measured. */
export interface Measure {
  name: string;
  before: number | null;
  after: number;
  /** Whether the change is for the better; null where there is none, or nobody can tell. */
  better: boolean | null;
}

/** A run's loss in one number: at its end, or else the newest, on held-out rows where there are some. */
export function lossOf(job: JobSummary): number | null {
  return job.metrics?.final_loss ?? job.eval_loss ?? job.loss ?? null;
}

export function measures(metrics: Readonly<Record<string, number>>): Measure[] {
  const ofBase = (name: string) => name.startsWith(BASE) && name.slice(BASE.length) in metrics;
  return (
    Object.entries(metrics)
      // The last evaluation is what the finished model is measured by, too.
      .filter(([name, value]) => !ofBase(name) && !(name === "eval_loss" && value === metrics.final_loss))
      .map(([name, after]) => {
        const before = metrics[BASE + name] ?? null;
        const way = LOWER_IS_BETTER.test(name) ? -1 : HIGHER_IS_BETTER.test(name) ? 1 : 0;
        const better = before === null || before === after || way === 0 ? null : (after - before) * way > 0;
        return { name, before, after, better };
      })
  );
}

/** Whether a training with this configuration was measured on rows that it did not learn from. */
export function holdsOut({ eval_split, eval_dataset }: Readonly<Record<string, unknown>>): boolean {
  return eval_split !== 0 || Boolean(eval_dataset);
}
