import { TIME_MS_MAX } from '../limits.ts';

// The bucket layout of HdrHistogram with 3 significant digits, from 1 ns up to an hour: 2048
// buckets of 1 ns, then 1024 for every power of two. It is kept here because a look-up by the bits
// of a double costs 5 ns, where the package computes a logarithm.

/** The highest time in nanoseconds. */
export const TIME_NS_MAX = TIME_MS_MAX * 1e6;

const LINEAR = 2048;
const PER_OCTAVE_BITS = 10;
/** The first bucket above the linear ones belongs to 2^11: what its exponent is lowered by. */
const BIAS = (1023 + 9) << PER_OCTAVE_BITS;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** The bucket of `ns`, 0 to {@link TIME_NS_MAX}. */
export function bucketOf(ns: number): number {
  if (ns < LINEAR) return ns | 0;
  double[0] = ns;
  // The exponent and the first ten bits behind it: every platform here is little-endian.
  return ((words[1] ?? 0) >>> PER_OCTAVE_BITS) - BIAS;
}

/** How many buckets there are. */
export const BUCKETS = bucketOf(TIME_NS_MAX) + 1;

/** The lowest number of nanoseconds that lies in `bucket`. */
export function lowestOf(bucket: number): number {
  if (bucket < LINEAR) return bucket;
  const octave = (bucket >>> PER_OCTAVE_BITS) - 1;
  return ((bucket & 1023) + 1024) * 2 ** octave;
}

/** Non-empty buckets in order with their counts: posted between threads. */
export interface SparseCounts {
  readonly buckets: Uint16Array<ArrayBuffer>;
  readonly counts: Float64Array<ArrayBuffer>;
  readonly total: number;
  /** 0 where there are none. */
  readonly minNs: number;
  readonly maxNs: number;
}

export const NO_COUNTS: SparseCounts = {
  buckets: new Uint16Array(0),
  counts: new Float64Array(0),
  total: 0,
  minNs: 0,
  maxNs: 0,
};

/** Times, counted by bucket. Nothing is lost but what lies between the edges of a bucket. */
export class LatencyCounts {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;
  #minNs = Number.POSITIVE_INFINITY;
  #maxNs = 0;

  get total(): number {
    return this.#total;
  }

  /** Counts a time in milliseconds; one below 0 as 0. */
  record(ms: number): void {
    let ns = ms * 1e6;
    if (!(ns >= 0)) ns = 0;
    if (ns > TIME_NS_MAX) ns = TIME_NS_MAX;
    const bucket = bucketOf(ns);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    if (ns < this.#minNs) this.#minNs = ns;
    if (ns > this.#maxNs) this.#maxNs = ns;
  }

  add(sparse: SparseCounts): void {
    if (sparse.total === 0) return;
    // By index: iterators would make garbage while it measures.
    const { buckets, counts } = sparse;
    for (let index = 0; index < buckets.length; index += 1) {
      const bucket = buckets[index] ?? 0;
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + (counts[index] ?? 0);
    }
    this.#total += sparse.total;
    this.#minNs = Math.min(this.#minNs, sparse.minNs);
    this.#maxNs = Math.max(this.#maxNs, sparse.maxNs);
  }

  /** Returns the counts and resets them. */
  take(): SparseCounts {
    if (this.#total === 0) return NO_COUNTS;
    const sparse = this.read();
    this.#counts.fill(0, bucketOf(this.#minNs), bucketOf(this.#maxNs) + 1);
    this.#total = 0;
    this.#minNs = Number.POSITIVE_INFINITY;
    this.#maxNs = 0;
    return sparse;
  }

  /** Returns the counts. */
  read(): SparseCounts {
    if (this.#total === 0) return NO_COUNTS;
    const first = bucketOf(this.#minNs);
    const last = bucketOf(this.#maxNs);
    let used = 0;
    for (let bucket = first; bucket <= last; bucket += 1) {
      if ((this.#counts[bucket] ?? 0) > 0) used += 1;
    }
    const buckets = new Uint16Array(used);
    const counts = new Float64Array(used);
    let index = 0;
    for (let bucket = first; bucket <= last; bucket += 1) {
      const count = this.#counts[bucket] ?? 0;
      if (count === 0) continue;
      buckets[index] = bucket;
      counts[index++] = count;
    }
    return {
      buckets,
      counts,
      total: this.#total,
      minNs: this.#minNs,
      maxNs: this.#maxNs,
    };
  }
}

/** Time that `percent` of all do not exceed, rounded up to the end of its bucket; 0 if empty. */
export function percentileNs(sparse: SparseCounts, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sparse.total - 1e-9));
  let seen = 0;
  const { buckets, counts } = sparse;
  for (let index = 0; index < buckets.length; index += 1) {
    seen += counts[index] ?? 0;
    if (seen >= rank) return Math.min(sparse.maxNs, lowestOf((buckets[index] ?? 0) + 1) - 1);
  }
  return sparse.maxNs;
}
