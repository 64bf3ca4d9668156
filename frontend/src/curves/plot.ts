import { fixed, measured } from "../ui/format";
import type { Curves } from "./curves";
import { smooth } from "./smooth";
import { joined, thin } from "./thin";

/** One line of a chart: a measure of a run. */
export interface LineOf {
  curves: Curves;
  /** The measure's name in the points. */
  measure: string;
  label: string;
}

/** The steps that are looked at; null for all. */
export type Range = readonly [number, number] | null;

export interface View {
  log: boolean;
  /** The weight of what came before, 0 for none. */
  smoothing: number;
  range: Range;
}

/** What a chart of so many pixels draws: the steps, then for each line its values, and after it itself smoothed. */
export type Drawn = [number[], ...(number | null)[][]];

export function drawn(lines: readonly LineOf[], view: View, pixels: number): Drawn {
  const cut = lines.flatMap(({ curves, measure }) => {
    const series = curves.get(measure);
    const kinds = view.smoothing > 0 ? 2 : 1;
    if (series === undefined) return Array.from({ length: kinds }, () => ({ steps: [], values: [] }));
    // One point more on either side, so that the line goes on to the edge.
    const begin = view.range === null ? 0 : Math.max(0, series.find(view.range[0]) - 1);
    const end = view.range === null ? series.length : Math.min(series.length, series.find(view.range[1]) + 1);
    const raw = thin(series, begin, end, pixels);
    if (kinds === 1) return [raw];
    const values = smooth(series.values, series.length, view.smoothing);
    return [raw, thin({ steps: series.steps, values }, begin, end, pixels)];
  });
  const { steps, values } = joined(cut);
  // A logarithm has no place for them.
  if (view.log)
    for (const row of values)
      for (const [at, value] of row.entries()) if (value !== null && value <= 0) row[at] = null;
  return [steps, ...values];
}

/** What stands at the ticks of an axis: as numbers are written elsewhere, with as many digits more as tell them apart. */
export function tickLabels(ticks: readonly (number | null)[]): string[] {
  const labels = ticks.map((tick) => (tick === null ? "" : measured(tick)));
  const shown = ticks.filter((tick) => tick !== null);
  if (new Set(labels.filter(Boolean)).size === shown.length) return labels;
  const gap = Math.min(...shown.slice(1).map((tick, at) => tick - (shown[at] as number)));
  const digits = Math.min(12, Math.max(0, Math.ceil(-Math.log10(gap))));
  return ticks.map((tick) => (tick === null ? "" : fixed(tick, digits)));
}

/** The value at a step, or else the last one before it; null before the first. Without a step the newest. */
export function valueAt({ curves, measure }: LineOf, step: number | null): number | null {
  const series = curves.get(measure);
  if (series === undefined) return null;
  if (step === null) return series.last();
  const at = series.find(step);
  const here = at < series.length && series.steps[at] === step ? at : at - 1;
  return here < 0 ? null : (series.values[here] as number);
}
