/** Latencies as the load clients count them: in buckets, which can be added up over slices. */

/** As in bench/client.h: 64 steps for each doubling of nanoseconds. */
const STEPS = 64;
const STEP_BITS = 6;

export class Latencies {
  readonly #counts = new Map<number, number>();
  #total = 0;

  /** Reads `INDEX:COUNT,INDEX:COUNT`, which is empty if nothing came back. */
  static parse(text: string): Latencies {
    const latencies = new Latencies();
    for (const pair of text.split(',')) {
      const [index, count] = pair.split(':').map(Number);
      if (index !== undefined && count !== undefined) latencies.#count(index, count);
    }
    return latencies;
  }

  static sum(parts: Iterable<Latencies>): Latencies {
    const sum = new Latencies();
    for (const part of parts) {
      for (const [index, count] of part.#counts) sum.#count(index, count);
    }
    return sum;
  }

  #count(index: number, count: number): void {
    this.#counts.set(index, (this.#counts.get(index) ?? 0) + count);
    this.#total += count;
  }

  get total(): number {
    return this.#total;
  }

  /** The middle of the bucket that holds the quantile, in microseconds: within 0.8 %. */
  quantileUs(at: number): number {
    const sorted = [...this.#counts].sort(([a], [b]) => a - b);
    let left = Math.min(Math.floor(at * this.#total), this.#total - 1);
    for (const [index, count] of sorted) {
      if (left < count) return middleNs(index) / 1000;
      left -= count;
    }
    return Number.NaN;
  }
}

function middleNs(index: number): number {
  const power = Math.floor(index / STEPS);
  return (STEPS + (index % STEPS) + 0.5) * 2 ** (power - STEP_BITS);
}
