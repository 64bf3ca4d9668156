import { describe, expect, it } from "vitest";
import type { MetricPoint } from "../api/schema";
import { csvOf } from "./csv";
import { Curves } from "./curves";
import { chartLookOf } from "./look";
import { namesOf } from "./names";
import { tickLabels } from "./plot";
import { Series } from "./series";
import { smooth } from "./smooth";
import { joined, thin } from "./thin";

function point(step: number, seq: number, measured: Partial<MetricPoint>, attempt = 1): MetricPoint {
  return { seq, job_id: "train_1", attempt, step, ...measured } as MetricPoint;
}

function shown(curves: Curves, name: string): [number, number][] {
  const series = curves.get(name) ?? new Series();
  return Array.from({ length: series.length }, (_, at) => [
    series.steps[at] as number,
    series.values[at] as number,
  ]);
}

describe("points of a run", () => {
  it("an evaluation adds to its step and takes nothing away", () => {
    const curves = new Curves();
    curves.add([point(1, 1, { loss: 3 }), point(2, 2, { loss: 2 })]);
    curves.add([point(2, 3, { eval_loss: 2.5 })]);
    expect(shown(curves, "loss")).toEqual([[1, 3], [2, 2]]); // biome-ignore format: pairs
    expect(shown(curves, "eval_loss")).toEqual([[2, 2.5]]);
  });

  it("come in any order, and twice, and are the same curve", () => {
    const points = Array.from({ length: 1000 }, (_, at) => point(at + 1, at + 1, { loss: 1 / (at + 1) }));
    const live = new Curves();
    live.add(points.slice(900));
    live.add(points.slice(0, 950));
    live.add(points.slice(400, 500));
    const whole = new Curves();
    whole.add(points);
    expect(shown(live, "loss")).toEqual(shown(whole, "loss"));
    expect(shown(whole, "loss")).toHaveLength(1000);
  });

  it("what a later attempt measured stands, whichever comes first", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const both = [point(5, 10, { loss: 2 }), point(5, 20, { loss: 1 }, 2)];
      const curves = new Curves();
      for (const at of order) curves.add([both[at] as MetricPoint]);
      expect(shown(curves, "loss")).toEqual([[5, 1]]);
    }
  });

  it("a watcher is told once for a message, and of new names by a new array", () => {
    const curves = new Curves();
    let told = 0;
    curves.watch(() => {
      told += 1;
    });
    curves.add([point(1, 1, { loss: 1 }), point(2, 2, { loss: 1 })]);
    const names = curves.names();
    curves.add([point(3, 3, { loss: 1 })]);
    expect(told).toBe(2);
    expect(curves.names()).toBe(names);
    curves.add([point(3, 4, { eval_loss: 1 })]);
    expect(curves.names()).toEqual(["loss", "eval_loss"]);
  });
});

describe("thinning", () => {
  const count = 100_000;
  const steps = Float64Array.from({ length: count }, (_, at) => at);
  const values = Float64Array.from({ length: count }, (_, at) => Math.sin(at));
  values[54_321] = 99;
  values[77_777] = -99;

  it("keeps peaks, the first and the last, in order, and little else", () => {
    const line = thin({ steps, values }, 0, count, 500);
    expect(line.steps.length).toBeLessThanOrEqual(2000);
    expect(line.values).toContain(99);
    expect(line.values).toContain(-99);
    expect([line.steps[0], line.steps.at(-1)]).toEqual([0, count - 1]);
    for (let at = 1; at < line.steps.length; at += 1) {
      expect(line.steps[at]).toBeGreaterThan(line.steps[at - 1] as number);
    }
  });

  it("leaves a short curve as it is", () => {
    expect(thin({ steps, values }, 10, 14, 500).steps).toEqual([10, 11, 12, 13]);
  });

  it("leaves out no point where steps are far apart", () => {
    const gap = { steps: [1, 2, 3, 4, 5, 6, 1_000_000], values: [7, 6, 5, 4, 3, 2, 1] };
    expect(thin(gap, 0, 7, 1).values).toEqual([7, 1]);
  });

  it("lays lines of different steps beside each other", () => {
    const both = joined([
      { steps: [1, 2, 4], values: [10, 20, 40] },
      { steps: [2, 3], values: [2, 3] },
    ]);
    expect(both.steps).toEqual([1, 2, 3, 4]);
    expect(both.values).toEqual([
      [10, 20, null, 40],
      [null, 2, 3, null],
    ]);
  });
});

describe("smoothing", () => {
  it("leaves what does not change, from the first value on", () => {
    for (const value of smooth([5, 5, 5, 5], 4, 0.9)) expect(value).toBeCloseTo(5);
  });

  it("is the weighted mean of what came before", () => {
    const [first, second] = smooth([4, 8], 2, 0.5);
    expect(first).toBeCloseTo(4);
    expect(second).toBeCloseTo((4 * 0.25 + 8 * 0.5) / 0.75);
  });
});

describe("a table of the points", () => {
  it("has a line for each step and leaves empty what was not measured", () => {
    const curves = new Curves();
    curves.add([point(10, 1, { loss: 2.5 }), point(20, 2, { loss: 2, eval_loss: 2.25 })]);
    curves.add([point(5, 3, { eval_loss: 3 })]);
    expect(csvOf(curves)).toBe("step,loss,eval_loss\n5,,3\n10,2.5,\n20,2,2.25\n");
  });
});

describe("the names of what several runs measure", () => {
  it("are told when a measure comes later, and stay the same array until then", () => {
    const [one, other] = [new Curves(), new Curves()];
    const { watch, names } = namesOf([one, other]);
    one.add([point(1, 1, { loss: 3 })]);
    const before = names();
    let told = 0;
    const unwatch = watch(() => {
      told += 1;
    });
    other.add([point(1, 1, { loss: 3 })]);
    expect(names()).toEqual(["loss"]);
    other.add([point(2, 2, { eval_loss: 3 })]);
    expect(names()).toEqual(["loss", "eval_loss"]);
    expect(names()).toBe(names());
    expect(before).toEqual(["loss"]);
    expect(told).toBe(2);
    unwatch();
    one.add([point(3, 3, { loss: 3 })]);
    expect(told).toBe(2);
  });
});

describe("how charts are drawn", () => {
  it.each([
    [0.6, 0.6],
    [0, undefined],
    [1, undefined],
    [-0.1, undefined],
    [Number.NaN, undefined],
    ["0.6", undefined],
  ])("takes a weight from 0 to below 1 from the address: %s", (smooth, taken) =>
    expect(chartLookOf({ smooth }).smooth).toBe(taken),
  );

  it.each([
    [
      [0, 0.5, 1],
      ["0", "0.5", "1"],
    ],
    [
      [10_000, 12_500],
      ["10,000", "12,500"],
    ],
    [
      [12_345, 12_345.5, 12_346],
      ["12,345.0", "12,345.5", "12,346.0"],
    ],
    [
      [2.00001, 2.00002, null],
      ["2.00001", "2.00002", ""],
    ],
    [
      [1e-4, 1.02e-4],
      ["0.000100", "0.000102"],
    ],
    [
      [null, null],
      ["", ""],
    ],
  ])("never writes the same at two ticks: %j", (ticks, labels) =>
    expect(tickLabels(ticks as (number | null)[])).toEqual(labels),
  );
});
