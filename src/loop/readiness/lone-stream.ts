import { LONE_WAITS } from '../limits.ts';
import type { CallQueue } from './call-queue.ts';
import type { ReadinessHandle } from './handle.ts';

/**
 * Guesses what the next wait brings: a stream that alone was ready in the last waits probably is
 * again. A receive for it follows the wait in the same foreign call.
 */
export class LoneStream {
  readonly #calls: CallQueue;
  /** The last handle that was ready, and the one that alone was in so many waits. */
  #lastReady: ReadinessHandle | null = null;
  #lone: ReadinessHandle | null = null;
  #waits = 0;

  constructor(calls: CallQueue) {
    this.#calls = calls;
  }

  /** A wait is next. */
  guess(): void {
    if (this.#waits < LONE_WAITS) return;
    const calls = this.#calls;
    const lone = this.#lone;
    if (lone === null || !calls.direct || calls.receives || !calls.hasRoom) return;
    if (lone.guessed()) calls.receiveBehindWait(lone.fd, lone.token);
  }

  /** The wait reports `handle`. */
  isReady(handle: ReadinessHandle): void {
    this.#lastReady = handle;
  }

  /** The wait has brought so many reports. */
  waited(reports: number): void {
    if (reports !== 1) {
      this.#waits = 0;
    } else if (this.#lone === this.#lastReady) {
      this.#waits += 1;
    } else {
      this.#lone = this.#lastReady;
      this.#waits = 0;
    }
    this.#lastReady = null;
  }
}
