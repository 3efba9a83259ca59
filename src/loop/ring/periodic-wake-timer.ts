import type { Submission } from '../../ring/submission.ts';
import type { Sys } from '../../sys/sys.ts';
import { WAKE_PERIOD_MS } from '../limits.ts';
import { Operation } from './handle.ts';

/** A periodic timeout on the ring, so that long waits need no timeout of their own. */
export class RingWakeTimer {
  readonly #sys: Sys;
  readonly #submission: Submission;
  /** Whether it is running; `unsupported` before Linux 6.4. */
  #state: 'stopped' | 'running' | 'unsupported' = 'stopped';

  constructor(sys: Sys, submission: Submission) {
    this.#sys = sys;
    this.#submission = submission;
  }

  /** Returns the timeout that a wait needs: null where this timer ends it in time. */
  timeoutBeside(timeoutMs: number | null): number | null {
    if (timeoutMs === null || timeoutMs < WAKE_PERIOD_MS) return timeoutMs;
    if (this.#state === 'stopped') {
      const submitted = this.#submission.periodicTimeout(WAKE_PERIOD_MS, Operation.wakeTimer);
      if (submitted) this.#state = 'running';
    }
    return this.#state === 'running' ? null : timeoutMs;
  }

  /** It has expired; without `more` it has ended with `result`. */
  completed(result: number, more: boolean): void {
    const { EINVAL } = this.#sys.abi.errno;
    if (!more) this.#state = result === -EINVAL ? 'unsupported' : 'stopped';
  }
}
