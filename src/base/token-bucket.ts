/** Room for rounding errors, in tokens: sums of fractions may lack the last bits. */
const EPSILON = 1e-6;

/** The limits of a {@link TokenBucket}. */
export interface TokenRate {
  readonly perSecond: number;
  /** The most tokens at once, after a pause. */
  readonly burst: number;
  /** Fewer than so many are not granted, unless fewer are wanted. Default: 1. */
  readonly piece?: number;
}

/** Grants tokens, which come at a steady rate, and of which it holds at most a burst. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #piece: number;
  /** The tokens, and when they were counted. */
  readonly #state: Float64Array;

  /** It is full at `nowMs`. Buckets of several threads share a `state`, below a lock of theirs. */
  constructor(
    { perSecond, burst, piece = 1 }: TokenRate,
    nowMs: number,
    state: Float64Array = new Float64Array(2),
  ) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#piece = piece;
    this.#state = state;
    // A time of 0 says that nobody has filled it.
    if (state[1] !== 0) return;
    state[0] = burst;
    state[1] = nowMs;
  }

  /** Takes up to `wanted` tokens, 1 and up. Returns how many, or 0. */
  take(nowMs: number, wanted = 1): number {
    const state = this.#state;
    const [tokens = 0, filledMs = 0] = state;
    const held = Math.min(this.#burst, tokens + (nowMs - filledMs) * this.#perMs);
    const whole = Math.floor(held + EPSILON);
    const granted = whole < Math.min(wanted, this.#piece) ? 0 : Math.min(wanted, whole);
    state[0] = held - granted;
    state[1] = nowMs;
    return granted;
  }

  /** The time until {@link take}, which has just returned 0, grants some of `wanted` tokens. */
  waitMs(wanted = 1): number {
    const missing = Math.min(wanted, this.#piece) - (this.#state[0] ?? 0);
    return Math.max(0, missing / this.#perMs);
  }
}
