/** A sequence of numbers from 0 (included) to 1 (not), the same for the same seed: splitmix32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Seeds beyond 32 bits count with all of their bits.
    this.#state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) | 0;
  }

  /** 32 bits, as an integer from 0 on. */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  next(): number {
    return this.bits() / 2 ** 32;
  }

  /** The time to the next of a Poisson process in which one comes per unit of time, above 0. */
  exponential(): number {
    // Never the logarithm of 0; 53 bits, so that the tail is there.
    const fraction = (this.bits() * 2 ** 21 + (this.bits() >>> 11)) / 2 ** 53;
    return -Math.log1p(-fraction);
  }
}
