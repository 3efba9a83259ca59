import { wrongValue } from '../../base/arguments.ts';
import type { ArrivalList } from '../../base/arrival-list.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import { TIMEOUT_MS_MAX } from '../limits.ts';
import type { CloseOptions } from '../stream/connection.ts';
import { closedLoopError, type LoopSink, register, unregister } from './loop-end.ts';

/** Options of {@link Listener.shutdown}. */
export interface ShutdownOptions {
  /**
   * The longest time in milliseconds for the connections to end, 0 to 2^31 - 1; 0 resets them at
   * once. Default: 5000.
   */
  readonly deadlineMs?: number;
}

/** What became of the connections of a listener in {@link Listener.shutdown}. */
export interface ShutdownCounts {
  /** Connections that were closed before the deadline, by either side. */
  readonly ended: number;
  /** Connections that the deadline reset. */
  readonly reset: number;
}

/** The error for a deadline out of its range; null for a good one. */
export function deadlineError(deadlineMs: unknown): Error | null {
  const isDeadline =
    typeof deadlineMs === 'number' && deadlineMs >= 0 && deadlineMs <= TIMEOUT_MS_MAX;
  return isDeadline ? null : wrongValue(deadlineMs, `a deadline is 0 to ${TIMEOUT_MS_MAX} ms`);
}

interface Closable {
  place: number;
  close(options: CloseOptions): void;
  reset(): void;
}

/** The end of all connections of a listener, which accepts no more. */
export class Shutdown implements LoopSink {
  place = -1;
  readonly done: Promise<ShutdownCounts>;
  readonly #loop: Loop;
  readonly #connections: ArrivalList<Closable>;
  #resolve: (counts: ShutdownCounts) => void = unsettable;
  #reject: (error: Error) => void = unsettable;
  /** When what is still open is reset. */
  #atMs = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;
  #ended = 0;
  #reset = 0;
  #resetting = false;

  /** Ends all of `connections`; {@link endBy} says when, and {@link removed} that one has. */
  constructor(loop: Loop, connections: ArrivalList<Closable>) {
    this.#loop = loop;
    this.#connections = connections;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    register(loop, this);
    this.#settleIfDone();
  }

  /** Ends the connections, and resets what is open in `deadlineMs`, unless that is done earlier. */
  endBy(deadlineMs: number): void {
    const atMs = this.#loop.nowMs + deadlineMs;
    if (this.#connections.size === 0 || atMs >= this.#atMs) return;
    const isFirst = this.#atMs === Number.POSITIVE_INFINITY;
    this.#atMs = atMs;
    this.#timer?.cancel();
    // An end before the reset would look like that of a complete answer.
    if (deadlineMs === 0) this.#resetAll();
    else if (isFirst) this.#endAll();
    if (deadlineMs === 0 || this.#connections.size === 0) return;
    this.#timer = this.#loop.setTimer(deadlineMs, () => {
      // Timers run before deliveries: an end may be waiting in the socket.
      this.#loop.defer(() => this.#resetAll());
    });
  }

  /** Lingering, a connection discards what still comes: its handlers may write no more. */
  #endAll(): void {
    const options = { lingerMs: TIMEOUT_MS_MAX };
    for (const connection of this.#connections.values()) connection.close(options);
  }

  /** A connection of the listener is closed. */
  removed(): void {
    if (!this.#resetting) this.#ended += 1;
    this.#settleIfDone();
  }

  loopClosed(): void {
    this.#reject(closedLoopError('shut down'));
  }

  #resetAll(): void {
    if (this.#resetting) return;
    this.#resetting = true;
    this.#reset = this.#connections.size;
    for (const connection of this.#connections.values()) connection.reset();
  }

  #settleIfDone(): void {
    if (this.#connections.size > 0) return;
    this.#timer?.cancel();
    unregister(this.#loop, this);
    this.#resolve({ ended: this.#ended, reset: this.#reset });
  }
}

function unsettable(): void {
  throw new Error('unreachable');
}
