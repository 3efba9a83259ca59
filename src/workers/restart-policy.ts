import { RESTART_PAUSE_MS, RESTART_PAUSE_MS_MAX } from './limits.ts';

/** How often threads that end are replaced. */
export interface RestartLimit {
  /** The most restarts of all threads within `withinMs`, 0 and up; 0 replaces none. */
  readonly max: number;
  /** The time in milliseconds, above 0. */
  readonly withinMs: number;
}

/** Decides whether a thread that has ended is replaced, and when. */
export class RestartPolicy {
  readonly #limit: RestartLimit;
  /** When the last restarts were. */
  #restartsMs: number[] = [];

  constructor(limit: RestartLimit) {
    this.#limit = limit;
  }

  /** The pause before the next restart, 0 after a single end; null where it is one too many. */
  pauseMs(nowMs: number): number | null {
    this.#restartsMs = this.#restartsMs.filter((atMs) => nowMs - atMs < this.#limit.withinMs);
    const restarts = this.#restartsMs.length;
    if (restarts >= this.#limit.max) return null;
    this.#restartsMs.push(nowMs);
    if (restarts === 0) return 0;
    return Math.min(RESTART_PAUSE_MS * 2 ** (restarts - 1), RESTART_PAUSE_MS_MAX);
  }
}
