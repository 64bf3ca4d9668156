/** What is better the lower it is; everything else that is compared is better the higher it is. */
const LOWER_IS_BETTER = /loss$|^perplexity$|^kl$/;
const BASE = "base_";

export interface Measure {
  name: string;
  before: number;
  after: number;
  /** Whether the change is for the better; null where there is none. */
  better: boolean | null;
}

type Metrics = Record<string, number>;

/** What was measured of the model and of what it was trained from. */
export function compared(metrics: Metrics): Measure[] {
  return Object.entries(metrics).flatMap(([name, after]) => {
    const before = metrics[BASE + name];
    if (before === undefined) return [];
    const better = before === after ? null : after < before === LOWER_IS_BETTER.test(name);
    return [{ name, before, after, better }];
  });
}

/** What was measured of the model alone. */
export function alone(metrics: Metrics): [string, number][] {
  return Object.entries(metrics).filter(
    ([name]) => !(BASE + name in metrics) && !(name.startsWith(BASE) && name.slice(BASE.length) in metrics),
  );
}
