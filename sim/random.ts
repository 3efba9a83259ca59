import { Random } from '#src/base/random.js';

/**
 * The library's generator with the draws of a simulation. The same seed and concern give the same
 * numbers on every machine.
 *
 * Every concern of the simulation (each fault, the latencies, each peer) has its own generator, so
 * that one more draw for one of them does not shift the numbers of the others.
 */
export class Draws extends Random {
  readonly seed: number;

  /** `seed` is an integer from 0 to 2^53 - 1; `concern` tells generators of one seed apart. */
  constructor(seed: number, concern = '') {
    super(seedOf(seed, concern));
    this.seed = seed;
  }

  /** A generator for another concern of the same seed, whatever this one has drawn so far. */
  split(concern: string): Draws {
    return new Draws(this.seed, concern);
  }

  /** An integer from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** An integer from `low` to `high`, both of them possible. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
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

/** A seed of 53 bits that depends on `seed` and each character of `concern`. */
function seedOf(seed: number, concern: string): number {
  let mixed = seed;
  for (let index = 0; index < concern.length; index += 1) {
    const random = new Random(mixed + concern.charCodeAt(index));
    mixed = random.bits() * 2 ** 21 + (random.bits() >>> 11);
  }
  return mixed;
}
