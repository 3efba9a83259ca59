import { Histogram } from '../base/histogram.ts';

/** How late turns were, in microseconds: see `EventLoop.measureLag`. */
export interface LagStats {
  /** How many times it was measured. */
  readonly count: number;
  readonly sumUs: number;
  readonly maxUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  /** How many measurements were at most so late, for each of a fixed list of times. */
  readonly atMost: readonly { readonly us: number; readonly count: number }[];
}

/** The times of {@link LagStats.atMost}. */
const LIMITS_US = [
  100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  2_500_000, 5_000_000,
] as const;

/** Wants a turn at regular times, and records how late it comes. */
export class LagProbe {
  readonly #everyMs: number;
  readonly #lateUs = new Histogram();
  /** When a turn is due; null while the loop has nothing to turn for. */
  #dueMs: number | null = null;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** A turn begins. */
  turned(nowMs: number): void {
    if (this.#dueMs !== null) {
      if (nowMs < this.#dueMs) return;
      this.#lateUs.record(Math.round((nowMs - this.#dueMs) * 1000));
    }
    this.#dueMs = nowMs + this.#everyMs;
  }

  /** The loop has nothing to turn for: the time until it has does not count. */
  rest(): void {
    this.#dueMs = null;
  }

  /** The longest wait that does not delay a measurement. */
  waitMs(nowMs: number): number {
    return this.#dueMs === null ? 0 : Math.max(0, this.#dueMs - nowMs);
  }

  get stats(): LagStats {
    const late = this.#lateUs;
    return {
      count: late.count,
      sumUs: late.sum,
      maxUs: late.max,
      p50Us: late.quantile(0.5),
      p90Us: late.quantile(0.9),
      p99Us: late.quantile(0.99),
      atMost: LIMITS_US.map((us) => ({ us, count: late.countAtMost(us) })),
    };
  }
}
