import type { RefusalError } from 'sockloop';
import type { Socket } from 'sockloop/socket';
import type { SocketAddress, Sys } from 'sockloop/sys';
import type { TokenBucket } from '#src/base/token-bucket.js';
import { resetOnClose } from '#src/loop/reset-on-close.js';
import {
  addressRefusal,
  looksAtAddresses,
  REASONS,
  type RefusalAtOnce,
  wordsOf,
} from '#src/net/guards/admission.js';
import { type GuardPlan as CheckedGuards, guardPlan } from '#src/net/guards/guards.js';
import { type RefusalKind, refusalError } from '#src/net/guards/refusals.js';
import { QUEUE_LOOKS } from '#src/net/limits.js';
import type { EchoSession, Progress } from '../session.ts';
import { ClientDeadlines } from './client-deadlines.ts';
import type { GuardMemory } from './memory.ts';
import type { GuardPlan } from './plan.ts';

/** The guards of a thread that serves one client at a time with blocking calls. */
export class BlockingGuard {
  readonly #sys: Sys;
  readonly #plan: CheckedGuards;
  readonly #memory: GuardMemory;
  readonly #bucket: TokenBucket | null;
  readonly #waitMs: number;
  #remote: SocketAddress | null = null;
  /** Where the memory holds the client. */
  #place = -1;
  #deadlines: ClientDeadlines | null = null;

  /** A wait of the thread takes at most `waitMs`. */
  constructor(sys: Sys, { guards }: GuardPlan, memory: GuardMemory, waitMs: number) {
    this.#sys = sys;
    const plan = guardPlan(guards);
    this.#plan = plan;
    this.#memory = memory;
    const { acceptsPerSecondMax: perSecond, acceptsBurstMax: burst } = plan;
    this.#bucket =
      perSecond === null ? null : memory.bucket({ perSecond, burst }, sys.monotonicMs());
    // A stall is looked for so often that it is found at most a quarter late.
    this.#waitMs = Math.min(waitMs, Math.ceil((plan.writeStallMs ?? waitMs) / QUEUE_LOOKS));
  }

  /** The longest wait of a thread with these guards. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** Takes a client that was accepted: null. Or closes it, and returns the error. */
  refusal(socket: Socket, remote: SocketAddress): RefusalError | null {
    const kind = this.#memory.exclusively(() => this.#decide(remote));
    this.#remote = remote;
    if (kind === null) return null;
    resetOnClose(this.#sys, socket.fileno());
    socket.close();
    return this.#refused(kind, false, REASONS[kind]);
  }

  #decide(remote: SocketAddress): RefusalAtOnce | null {
    const plan = this.#plan;
    const kind = looksAtAddresses(plan)
      ? addressRefusal(plan, wordsOf(remote), this.#memory)
      : null;
    if (kind !== null) return kind;
    if (this.#bucket !== null && this.#bucket.take(this.#sys.monotonicMs()) === 0) {
      return 'acceptRate';
    }
    const isCounted = plan.connectionsPerAddressMax !== Number.POSITIVE_INFINITY;
    this.#place = isCounted ? this.#memory.served(remote) : -1;
    return null;
  }

  /** The client is served from here on. */
  began(socket: Socket, session: EchoSession): void {
    const settings = { plan: this.#plan, waitMs: this.#waitMs };
    this.#deadlines = new ClientDeadlines(this.#sys, socket, session, settings);
  }

  /** After a step of its session: the error with which the client is given up, or null. */
  expired(progress: Progress): RefusalError | null {
    const expiry = this.#deadlines?.passed(progress) ?? null;
    return expiry === null ? null : this.#refused(expiry.kind, true, expiry.reason);
  }

  /** The client was idle. */
  countIdle(): void {
    this.#memory.countRefusal('idle');
  }

  /** The client has gone. */
  ended(): void {
    this.#memory.left(this.#place);
    this.#place = -1;
    this.#deadlines = null;
  }

  #refused(kind: RefusalKind, kept: boolean, reason: string): RefusalError {
    this.#memory.countRefusal(kind);
    return refusalError(this.#sys, kind, this.#remote, kept, reason);
  }
}
