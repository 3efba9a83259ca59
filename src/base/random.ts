/**
 * Random numbers from a seed: xoshiro128** by Blackman and Vigna, its state filled by a mixing
 * function. The same seed and concern give the same numbers on every machine.
 *
 * A user with several concerns (in the simulation: each fault, the latencies, each peer) gives each
 * a generator of its own, so that an additional draw for one does not shift those of the others.
 */
export class Random {
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is an integer from 0 to 2^53 - 1; `concern` tells generators of one seed apart. */
  constructor(seed: number, concern = '') {
    this.seed = seed;
    let state = mixed((seed >>> 0) ^ mixed(Math.floor(seed / 2 ** 32) + 1));
    for (let index = 0; index < concern.length; index += 1) {
      state = mixed(state ^ concern.charCodeAt(index));
    }
    this.#a = mixed(state + 0x9e3779b9);
    this.#b = mixed(state + 0x3c6ef372);
    this.#c = mixed(state + 0xdaa66d2b);
    // All four words must not be zero at once.
    this.#d = mixed(state + 0x78dde6e4) | 1;
  }

  /** A generator for another concern of the same seed, whatever this one has drawn so far. */
  split(concern: string): Random {
    return new Random(this.seed, concern);
  }

  /** 32 bits, as a number from 0 to 2^32 - 1. */
  word(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** A number from 0 (included) to 1 (excluded). */
  fraction(): number {
    return this.word() / 2 ** 32;
  }

  /** Time to the next event of a Poisson process with one event per unit of time, above 0. */
  exponential(): number {
    // 53 bits, so that the tail is there; never the logarithm of 0.
    const fraction = (this.word() * 2 ** 21 + (this.word() >>> 11)) / 2 ** 53;
    return -Math.log1p(-fraction);
  }

  /** An integer from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** The items of `list` in random order. */
  shuffled<Item>(list: readonly Item[]): Item[] {
    const order = [...list];
    for (let last = order.length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      const item = order[last] as Item;
      order[last] = order[other] as Item;
      order[other] = item;
    }
    return order;
  }
}

/** Spreads every bit of a 32-bit number over all the others: the finalizer of MurmurHash3. */
function mixed(word: number): number {
  let hash = word | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
