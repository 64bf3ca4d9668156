/**
 * The exponential moving average of the first `length` values; `weight`, from 0 to below 1, is that of what came before.
 * Corrected for its start, where there is little before.
 */
export function smooth(values: ArrayLike<number>, length: number, weight: number): Float64Array {
  const smoothed = new Float64Array(length);
  let mean = 0;
  let share = 1;
  for (let at = 0; at < length; at += 1) {
    mean = mean * weight + (values[at] as number) * (1 - weight);
    share *= weight;
    smoothed[at] = mean / (1 - share);
  }
  return smoothed;
}
