import { threadTimes } from '#src/sys/thread-clock.js';
import type { Throttled } from '../document.ts';
import { findCpuQuota } from './cpu-quota.ts';

/** Clocks of the calling thread. */
interface CpuClocks {
  readonly threadTimes: typeof threadTimes;
  /** Reads the throttling so far; null without a quota. */
  readonly quota: (() => Throttled | null) | null;
}

interface Reading {
  readonly times: ReturnType<typeof threadTimes>;
  readonly throttled: Throttled | null;
}

/** CPU time that the calling thread uses over a span, and the time it is denied. */
export class CpuWatch {
  readonly #clocks: CpuClocks;
  #atStart: Reading | null = null;
  #atEnd: Reading | null = null;

  constructor(clocks: CpuClocks = { threadTimes, quota: findCpuQuota() }) {
    this.#clocks = clocks;
  }

  get isDone(): boolean {
    return this.#atEnd !== null;
  }

  /** Reads the clocks at the first call after `startMs` and at the first after `endMs`. */
  look(
    nowMs: number,
    { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
  ): void {
    if (this.#atStart === null && nowMs >= startMs) this.#atStart = this.#read();
    if (this.#atEnd === null && nowMs >= endMs) this.#atEnd = this.#read();
  }

  /** CPU time over the span; null if unknown. */
  get cpuMs(): number | null {
    return this.#between('cpuMs');
  }

  /** Time in which the thread was runnable without a CPU; null if unknown. */
  get waitedMs(): number | null {
    return this.#between('waitedMs');
  }

  /** Throttling of the control group over the span. */
  get throttled(): Throttled | null {
    const [before, after] = [this.#atStart?.throttled, this.#atEnd?.throttled];
    if (before == null || after == null) return null;
    return { periods: after.periods - before.periods, ms: after.ms - before.ms };
  }

  #between(name: 'cpuMs' | 'waitedMs'): number | null {
    const [before, after] = [this.#atStart?.times, this.#atEnd?.times];
    return before == null || after == null ? null : after[name] - before[name];
  }

  #read(): Reading {
    const { threadTimes: times, quota } = this.#clocks;
    return { times: times(), throttled: quota?.() ?? null };
  }
}
