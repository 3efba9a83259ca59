import { Random } from '#src/base/random.js';
import type { LoadPlan, OpenLoop } from '#tools/load/plan.js';

/** What rounding may do to a place. */
const NEAR = 1e-6;

/**
 * When the messages of an open loop are due, worked out in the other direction than the client
 * does: how many messages the rates allow until a moment, counted from the beginning of the
 * measured time. Message k of a uniform run is due where that is k + 0.5.
 */
export class Places {
  readonly #plan: LoadPlan;
  readonly #model: OpenLoop;
  readonly #thread: number;
  readonly #arrivals: Random | null;
  #next: number;
  /** By so much the first place may be off: rounding decides whether the warm-up has it. */
  #first: number;

  constructor(plan: LoadPlan, model: OpenLoop, thread: number) {
    this.#plan = plan;
    this.#model = model;
    this.#thread = thread;
    this.#arrivals = model.arrivals === 'poisson' ? new Random(plan.seed) : null;
    const before = -this.at(0);
    const half = before + 0.5;
    this.#first = Math.abs(half - Math.round(half)) < NEAR ? 1 : 0;
    this.#next = this.#arrivals === null ? 0.5 - Math.floor(before + 0.5) - 1 : -before;
    this.#step(thread + 1);
  }

  #step(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.#next += this.#arrivals === null ? 1 : this.#arrivals.exponential();
    }
  }

  /** The number of messages up to `ms` behind the beginning of the warm-up; negative in it. */
  at(ms: number): number {
    const { warmupMs, rampMs } = this.#plan;
    const perMs = (this.#model.stages[0]?.ratePerSecond ?? 0) / 1000;
    if (ms < rampMs) return -perMs * (warmupMs - rampMs / 2) + (perMs * ms * ms) / (2 * rampMs);
    if (ms < warmupMs) return perMs * (ms - warmupMs);
    let messages = 0;
    let startMs = warmupMs;
    for (const { durationMs, ratePerSecond } of this.#model.stages) {
      messages += (Math.max(0, Math.min(durationMs, ms - startMs)) * ratePerSecond) / 1000;
      startMs += durationMs;
    }
    return messages;
  }

  /** Whether the next message of this thread is due at `ms`; the one behind it is next then. */
  takes(ms: number): boolean {
    const place = this.at(ms);
    if (Math.abs(Math.abs(place - this.#next) - this.#first) <= NEAR) this.#next = place;
    this.#first = 0;
    const isRight = Math.abs(place - this.#next) <= NEAR * (1 + Math.abs(place));
    this.#step(this.#plan.threads);
    return isRight;
  }

  /** How many of this thread are due in the measured time, before `endMs`. */
  count(endMs: number): { readonly least: number; readonly most: number } {
    const fresh = new Places(this.#plan, this.#model, this.#thread);
    const end = this.at(endMs);
    let least = 0;
    let most = 0;
    while (fresh.#next < end + NEAR) {
      if (fresh.#next >= NEAR && fresh.#next < end - NEAR) least += 1;
      if (fresh.#next > -NEAR) most += 1;
      fresh.#step(this.#plan.threads);
    }
    return { least, most };
  }
}
