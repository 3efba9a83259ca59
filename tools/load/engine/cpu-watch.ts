import { threadTimes } from '#src/sys/thread-clock.js';
import type { Throttled } from '../document.ts';
import { findCpuQuota } from './cpu-quota.ts';

/** What the calling thread is looked at by. */
interface CpuClocks {
  readonly threadTimes: typeof threadTimes;
  /** Reads what the CPU quota has done so far; null where there is none. */
  readonly quota: (() => Throttled | null) | null;
}

interface Reading {
  readonly times: ReturnType<typeof threadTimes>;
  readonly throttled: Throttled | null;
}

/** What the calling thread spends on CPUs from one time to another, and what it is denied. */
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

  /** Reads the clocks for the first time behind `startMs`, and behind `endMs`. */
  look(
    nowMs: number,
    { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
  ): void {
    if (this.#atStart === null && nowMs >= startMs) this.#atStart = this.#read();
    if (this.#atEnd === null && nowMs >= endMs) this.#atEnd = this.#read();
  }

  /** CPU time in between, null where the system does not tell. */
  get cpuMs(): number | null {
    return this.#between('cpuMs');
  }

  /** Time in which the thread was able to run and had no CPU, null likewise. */
  get waitedMs(): number | null {
    return this.#between('waitedMs');
  }

  /** What the CPU quota did in between, to all threads of the group. */
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
