import type { MetricPoint } from "../api/schema";
import { Series } from "./series";

/** Fields of a point that say which it is; the others were measured. */
const PLACE = new Set(["seq", "job_id", "attempt", "step", "epoch"]);

/** All that was measured in one run, by the measure's name. Who watches is told once for a batch of points. */
export class Curves {
  private readonly series = new Map<string, Series>();
  private readonly watchers = new Set<() => void>();
  private known: readonly string[] = [];

  add(points: readonly MetricPoint[]): void {
    if (points.length === 0) return;
    for (const point of points) {
      for (const [name, value] of Object.entries(point)) {
        if (typeof value === "number" && !PLACE.has(name)) this.of(name).put(point.step, value, point.seq);
      }
    }
    for (const watcher of this.watchers) watcher();
  }

  get(name: string): Series | undefined {
    return this.series.get(name);
  }

  /** The names of what was measured so far; the same array until one is added. */
  names = (): readonly string[] => this.known;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  private of(name: string): Series {
    let series = this.series.get(name);
    if (series === undefined) {
      series = new Series();
      this.series.set(name, series);
      this.known = [...this.series.keys()];
    }
    return series;
  }
}
