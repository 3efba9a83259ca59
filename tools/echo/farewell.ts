import { DRAIN_MS, LINGER_MS } from './limits.ts';
import type { EchoSession, Progress } from './session.ts';

/** Deadlines of a client that a blocking server closes: it stops, or the session lingers. */
export class Farewell {
  readonly #session: EchoSession;
  #stoppedMs: number | null = null;
  #lingeringMs: number | null = null;

  constructor(session: EchoSession) {
    this.#session = session;
  }

  /**
   * Decides after each step of the session, whose outcome is `progress`: false to go on, null to
   * close the connection, or the error to close it with if the client did not take its answer.
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
    // The client is silent and has everything: free the thread for the others.
    const done = session.lingering && progress === 'waited' && session.outstandingBytes === 0;
    return done ? null : false;
  }
}
