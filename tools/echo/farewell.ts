import { DRAIN_MS, LINGER_MS } from './limits.ts';
import type { EchoSession, Progress } from './session.ts';

/**
 * How long a blocking server still waits for a client that it wants to be rid of: because it stops,
 * or because the session is over on this side and lingers.
 */
export class Farewell {
  readonly #session: EchoSession;
  #stoppedMs: number | null = null;
  #lingeringMs: number | null = null;

  constructor(session: EchoSession) {
    this.#session = session;
  }

  /**
   * To be asked after each step of the session that gave `progress`: false to go on, null to close
   * the connection now, or an error to close it with: the client has not taken its answer in time.
   */
  isOver(progress: Progress, stopping: boolean, nowMs: number): RangeError | null | false {
    const session = this.#session;
    if (stopping) {
      session.drain();
      this.#stoppedMs ??= nowMs;
    }
    if (session.lingering) this.#lingeringMs ??= nowMs;
    const drained = this.#stoppedMs !== null && nowMs - this.#stoppedMs >= DRAIN_MS;
    const lingered = this.#lingeringMs !== null && nowMs - this.#lingeringMs >= LINGER_MS;
    if (drained || lingered) {
      if (session.outstandingBytes === 0) return null;
      session.resetAtClose();
      const limitMs = drained ? DRAIN_MS : LINGER_MS;
      return new RangeError(`the client did not take its answer within ${limitMs} ms`);
    }
    // Silent, and it has everything: others wait for this thread.
    const done = session.lingering && progress === 'waited' && session.outstandingBytes === 0;
    return done ? null : false;
  }
}
