import type { Submission } from '../../ring/submission.ts';
import type { Sys } from '../../sys/sys.ts';
import { WAKE_PERIOD_MS } from '../limits.ts';
import { Operation } from './handle.ts';

/** A timer on the ring that goes on by itself, so that long waits need no timeout of their own. */
export class RingWakeTimer {
  readonly #sys: Sys;
  readonly #submission: Submission;
  /** Whether it was begun, or cannot be had of this kernel. */
  #state: 'still' | 'beating' | 'none' = 'still';

  constructor(sys: Sys, submission: Submission) {
    this.#sys = sys;
    this.#submission = submission;
  }

  /** The timeout that a wait needs of its own: none where the heartbeat ends it in time. */
  timeoutBeside(timeoutMs: number | null): number | null {
    if (timeoutMs === null || timeoutMs < WAKE_PERIOD_MS) return timeoutMs;
    if (this.#state === 'still') {
      const submitted = this.#submission.periodicTimeout(WAKE_PERIOD_MS, Operation.wakeTimer);
      if (submitted) this.#state = 'beating';
    }
    return this.#state === 'beating' ? null : timeoutMs;
  }

  /** It has beaten, or ended with `result` unless it goes on. */
  completed(result: number, more: boolean): void {
    const { EINVAL } = this.#sys.abi.errno;
    if (!more) this.#state = result === -EINVAL ? 'none' : 'still';
  }
}
