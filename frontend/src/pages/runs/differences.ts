/** A setting, and its value in each run. */
export interface Difference {
  name: string;
  values: unknown[];
}

/** Settings that are not the same in all of them, in the order of the first. */
export function differing(configs: readonly Readonly<Record<string, unknown>>[]): Difference[] {
  const names = new Set(configs.flatMap((config) => Object.keys(config)));
  return [...names]
    .map((name) => ({ name, values: configs.map((config) => config[name] ?? null) }))
    .filter(({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1);
}
