import { Histogram } from '../base/histogram.ts';
import type { Sys } from '../sys/sys.ts';

/** How late callbacks were, in microseconds: see `EventLoop.measureLag`. */
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

/**
 * Has Node call back at regular times, and records how late that is.
 *
 * A timer of Node's costs a turn nothing. A look at the clock in each turn would tell microseconds,
 * and cost 0.25 us: 3 % of a message on a single connection.
 */
export class LagProbe {
  readonly #sys: Sys;
  readonly #everyMs: number;
  readonly #lateUs = new Histogram();
  readonly #timer: NodeJS.Timeout;
  #dueMs: number;

  constructor(sys: Sys, everyMs: number) {
    this.#sys = sys;
    this.#everyMs = everyMs;
    this.#dueMs = sys.monotonicMs() + everyMs;
    this.#timer = setInterval(() => this.called(), everyMs).unref();
  }

  /** The timer calls. Node may be early by the part of a millisecond that it rounds off. */
  called(): void {
    const nowMs = this.#sys.monotonicMs();
    this.#lateUs.record(Math.max(0, Math.round((nowMs - this.#dueMs) * 1000)));
    this.#dueMs = nowMs + this.#everyMs;
  }

  /** Measures no more. */
  end(): void {
    clearInterval(this.#timer);
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
