const FIRST_ROOM = 256;

/** One measure over the steps, ascending, in typed arrays that grow: appending a point costs next to nothing. */
export class Series {
  length = 0;
  steps = new Float64Array(FIRST_ROOM);
  values = new Float64Array(FIRST_ROOM);
  private seqs = new Float64Array(FIRST_ROOM);

  /**
   * Take a value in. A step that is known keeps its value of the highest `seq`: what a later attempt measured stands,
   * in whatever order the points come.
   */
  put(step: number, value: number, seq: number): void {
    let at = this.length;
    if (at > 0 && step <= this.at(this.steps, at - 1)) at = this.find(step);
    if (at < this.length && this.steps[at] === step) {
      if (seq < this.at(this.seqs, at)) return;
    } else {
      this.insert(at);
    }
    this.steps[at] = step;
    this.values[at] = value;
    this.seqs[at] = seq;
  }

  /** The first index whose step is not below this one. */
  find(step: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(this.steps, middle) < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  last(): number | null {
    return this.length === 0 ? null : this.at(this.values, this.length - 1);
  }

  private insert(at: number): void {
    if (this.length === this.steps.length) {
      this.steps = grown(this.steps);
      this.values = grown(this.values);
      this.seqs = grown(this.seqs);
    }
    for (const each of [this.steps, this.values, this.seqs]) each.copyWithin(at + 1, at, this.length);
    this.length += 1;
  }

  private at(array: Float64Array, index: number): number {
    return array[index] as number;
  }
}

function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
