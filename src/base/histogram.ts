/** Buckets per power of two are 2 to the power of this: a value is known to 1/16 of itself. */
const SHARE_BITS = 4;
const SHARES = 1 << SHARE_BITS;
/** The highest value: larger ones count as this one. */
const VALUE_MAX = 2 ** 31 - 1;
const BUCKETS = bucketOf(VALUE_MAX) + 1;

/**
 * Counts whole numbers from 0 to 2^31 - 1 in log-linear buckets: below 32 each number has its own,
 * above there are 16 to a power of two. The memory is fixed, and recording allocates nothing.
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** How many values were recorded. */
  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** The highest value, 0 without any. */
  get max(): number {
    return this.#max;
  }

  /** Counts a whole number from 0 on. */
  record(value: number): void {
    const bucket = bucketOf(value > VALUE_MAX ? VALUE_MAX : value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** The value that a `share` of the recorded ones, 0 to 1, does not exceed; 0 without any. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let counted = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      counted += this.#counts[bucket] ?? 0;
      if (counted >= wanted) return Math.min(highestOf(bucket), this.#max);
    }
    return this.#max;
  }

  /** How many recorded values lie in buckets that do not exceed `value`. */
  countAtMost(value: number): number {
    let counted = 0;
    for (let bucket = 0; bucket < BUCKETS && highestOf(bucket) <= value; bucket++) {
      counted += this.#counts[bucket] ?? 0;
    }
    return counted;
  }
}

function bucketOf(value: number): number {
  if (value < SHARES) return value;
  const shift = 31 - Math.clz32(value) - SHARE_BITS;
  return shift * SHARES + (value >>> shift);
}

function highestOf(bucket: number): number {
  if (bucket < 2 * SHARES) return bucket;
  const shift = Math.floor(bucket / SHARES) - 1;
  return (SHARES + (bucket % SHARES) + 1) * 2 ** shift - 1;
}
