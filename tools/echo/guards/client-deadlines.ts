import type { Guards } from 'sockloop';
import type { Socket } from 'sockloop/socket';
import type { Sys } from 'sockloop/sys';
import type { RefusalKind } from '#src/net/guards/refusals.js';
import type { EchoSession, Progress } from '../session.ts';

/** The deadlines of a client. */
export type DeadlinePlan = Pick<Guards, 'firstByteMs' | 'writeStallMs' | 'lifetimeMs'>;

/** A deadline that has passed. */
export interface Expiry {
  readonly kind: RefusalKind;
  readonly reason: string;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * The deadlines of one client of a blocking server. Its waits end by the timeouts of the socket,
 * which are lowered to the next deadline, so that none is missed.
 */
export class ClientDeadlines {
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #session: EchoSession;
  readonly #plan: DeadlinePlan;
  /** The longest wait, and the timeout that the socket has. */
  readonly #waitMs: number;
  #socketMs: number;
  #firstByteEndMs: number;
  readonly #lifetimeEndMs: number;
  /** What was sent when the client was first found not to take its answer; -1 if it does. */
  #stalledAt = -1;
  #stallEndMs = NEVER;

  /** `socket` was just accepted, with timeouts of `waitMs`. */
  constructor(
    sys: Sys,
    socket: Socket,
    session: EchoSession,
    { plan, waitMs }: { readonly plan: DeadlinePlan; readonly waitMs: number },
  ) {
    this.#sys = sys;
    this.#socket = socket;
    this.#session = session;
    this.#plan = plan;
    this.#waitMs = waitMs;
    this.#socketMs = waitMs;
    const nowMs = sys.monotonicMs();
    this.#firstByteEndMs = nowMs + (plan.firstByteMs ?? NEVER);
    this.#lifetimeEndMs = nowMs + (plan.lifetimeMs ?? NEVER);
    this.#bound(nowMs);
  }

  /** After a step of the session: the deadline that has passed, or null. */
  passed(progress: Progress): Expiry | null {
    const { firstByteMs, writeStallMs, lifetimeMs } = this.#plan;
    const hasBegun = this.#firstByteEndMs !== NEVER && this.#session.received > 0;
    if (!this.#session.sending) this.#stalledAt = -1;
    // The clock is not read for each message, unless it has to be.
    if (progress === 'more' && !hasBegun && this.#lifetimeEndMs === NEVER) return null;
    const nowMs = this.#sys.monotonicMs();
    if (hasBegun) this.#firstByteEndMs = NEVER;
    if (nowMs >= this.#firstByteEndMs) {
      return { kind: 'firstByte', reason: `nothing came within ${firstByteMs} ms` };
    }
    if (nowMs >= this.#lifetimeEndMs) {
      return { kind: 'lifetime', reason: `it was open for ${lifetimeMs} ms` };
    }
    this.#lookAtStall(progress, nowMs);
    if (nowMs >= this.#stallEndMs) {
      const reason = `the peer took nothing of its queue within ${writeStallMs} ms`;
      return { kind: 'writeStall', reason };
    }
    this.#bound(nowMs);
    return null;
  }

  #lookAtStall(progress: Progress, nowMs: number): void {
    const { sending, sent } = this.#session;
    if (!sending) {
      this.#stallEndMs = NEVER;
    } else if (progress === 'waited' && sent !== this.#stalledAt) {
      // It began within the last wait, which is a part of the deadline.
      this.#stalledAt = sent;
      this.#stallEndMs = nowMs + (this.#plan.writeStallMs ?? NEVER);
    }
  }

  #bound(nowMs: number): void {
    const endMs = Math.min(this.#firstByteEndMs, this.#lifetimeEndMs, this.#stallEndMs);
    const waitMs = Math.min(this.#waitMs, Math.max(1, Math.ceil(endMs - nowMs)));
    if (waitMs === this.#socketMs) return;
    this.#socketMs = waitMs;
    this.#socket.setTimeout(waitMs);
  }
}
