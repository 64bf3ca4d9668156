/** A part of a curve, as two arrays of the same length. */
export interface Line {
  steps: number[];
  values: number[];
}

interface Points {
  steps: ArrayLike<number>;
  values: ArrayLike<number>;
}

/**
 * The points from `begin` to before `end`, at most four for each of `columns`: the first, lowest, highest and last that fall
 * into it. Drawn that many pixels wide the line looks as with all its points, peaks too.
 */
export function thin({ steps, values }: Points, begin: number, end: number, columns: number): Line {
  const line: Line = { steps: [], values: [] };
  const keep = (at: number) => {
    line.steps.push(steps[at] as number);
    line.values.push(values[at] as number);
  };
  if (end - begin <= columns * 4) {
    for (let at = begin; at < end; at += 1) keep(at);
    return line;
  }
  const first = steps[begin] as number;
  const width = ((steps[end - 1] as number) - first) / columns;
  let from = begin;
  for (let column = 1; column <= columns && from < end; column += 1) {
    const border = column === columns ? Number.POSITIVE_INFINITY : first + width * column;
    let low = from;
    let high = from;
    let at = from;
    for (; at < end && (steps[at] as number) < border; at += 1) {
      if ((values[at] as number) < (values[low] as number)) low = at;
      if ((values[at] as number) > (values[high] as number)) high = at;
    }
    if (at === from) continue;
    const kept = [from, Math.min(low, high), Math.max(low, high), at - 1];
    for (const [place, each] of kept.entries()) if (place === 0 || each !== kept[place - 1]) keep(each);
    from = at;
  }
  return line;
}

/** Lines of different steps on the steps of all; where a line has none stands null. */
export function joined(lines: readonly Line[]): { steps: number[]; values: (number | null)[][] } {
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, at) => [step, at]));
  const values = lines.map((line) => {
    const row = new Array<number | null>(steps.length).fill(null);
    for (const [at, step] of line.steps.entries())
      row[places.get(step) as number] = line.values[at] as number;
    return row;
  });
  return { steps, values };
}
