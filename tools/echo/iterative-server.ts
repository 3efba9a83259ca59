import { setTimeout as pause } from 'node:timers/promises';
import type { Socket } from 'sockloop/socket';
import { nativeSys, type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { restIfHurried } from '#src/socket/wait.js';
import { isPassing } from './accept-failure.ts';
import { Farewell } from './farewell.ts';
import { idleFailure } from './figures.ts';
import { BlockingGuard } from './guards/blocking.ts';
import { GuardMemory } from './guards/memory.ts';
import type { GuardPlan, RefusalTotals } from './guards/plan.ts';
import { ACCEPT_PAUSE_MS, LINE_BYTES_MAX, STEPS_PER_TURN, WAIT_MS } from './limits.ts';
import {
  type MisbehaviourPlan,
  type MisbehaviourTotals,
  newMisbehaviourTotals,
} from './misbehaviour/plan.ts';
import { MisbehavingSession } from './misbehaviour/session.ts';
import { turnOfNode } from './node-turn.ts';
import { type EchoMode, EchoSession, type Progress } from './session.ts';

/** How an {@link IterativeServer} serves. */
export interface IterativeServerOptions {
  readonly mode: EchoMode;
  /** Closes a client that neither sends nor reads for this long; null waits for ever. */
  readonly idleTimeoutMs?: number | null;
  /** The longest line in the modes `line` and `once`. */
  readonly lineBytesMax?: number;
  /** The system calls; those of this machine if left out. */
  readonly sys?: Sys;
  /** Observes each connection. */
  readonly observer?: ServerObserver;
  /** How it misbehaves; null or left out for a server that behaves. */
  readonly misbehaviour?: MisbehaviourPlan | null;
  /** What it refuses and gives up; null or left out for nothing. */
  readonly guarding?: GuardPlan | null;
}

/** Callbacks of a server. */
export interface ServerObserver {
  /** `address` is null if the client has left already. */
  accepted?(address: SocketAddress | null, connection: number): void;
  /**
   * `failure` is null after an orderly end. `address` is null if it was not read while the client
   * was connected.
   */
  closed?(address: SocketAddress | null, connection: ConnectionTotals, failure: Error | null): void;
  /** accept(2) failed; the server continues. */
  acceptFailed?(failure: Error): void;
  /** A thread has failed, and another one takes its place. */
  threadFailed?(failure: Error): void;
}

/** Totals of one connection. */
export interface ConnectionTotals {
  /** Counted from 1. */
  readonly connection: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly lines: number;
  /** Bytes sent but not acknowledged when the client was given up, as far as known. */
  readonly unacknowledgedBytes: number;
}

/** Totals of a server. */
export interface ServerTotals {
  connections: number;
  /** Connections that broke, or that the server had to close. */
  failed: number;
  /** Connections closed unserved for lack of a descriptor. */
  turnedAway: number;
  receivedBytes: number;
  sentBytes: number;
  /** Bytes sent but not acknowledged by clients that broke or were given up. */
  unacknowledgedBytes: number;
  /** Connections that its guards have refused or given up; only where it has some. */
  refused?: RefusalTotals;
  /** What a server that misbehaves has done on purpose. */
  misbehaved?: MisbehaviourTotals;
}

/** Totals of a new server. */
export function newTotals(): ServerTotals {
  return {
    connections: 0,
    failed: 0,
    turnedAway: 0,
    receivedBytes: 0,
    sentBytes: 0,
    unacknowledgedBytes: 0,
  };
}

/**
 * The textbook's first server: one client at a time, blocking calls; the others wait in the queue
 * of listen(2).
 *
 * Every wait ends after a second or with a signal, and Node's own loop turns in between, so that
 * {@link stop} can be called from a signal handler. The server owns the connections it accepts;
 * the listener stays its caller's.
 */
export class IterativeServer {
  readonly totals: ServerTotals = newTotals();
  readonly #listener: Socket;
  readonly #mode: EchoMode;
  readonly #idleTimeoutMs: number | null;
  readonly #lineBytesMax: number;
  readonly #sys: Sys;
  readonly #observer: ServerObserver;
  readonly #misbehaviour: MisbehaviourPlan | null;
  readonly #guard: BlockingGuard | null;
  readonly #guardMemory: GuardMemory | null;
  #stopping = false;
  /** When the client is ended, once another process accepts; null before. */
  #drainEndMs: number | null = null;
  /** True if the last accept(2) failed. */
  #failing = false;

  constructor(listener: Socket, options: IterativeServerOptions) {
    this.#listener = listener;
    this.#mode = options.mode;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? null;
    this.#lineBytesMax = options.lineBytesMax ?? LINE_BYTES_MAX;
    this.#sys = options.sys ?? nativeSys();
    this.#observer = options.observer ?? {};
    this.#misbehaviour = options.misbehaviour ?? null;
    if (this.#misbehaviour !== null) this.totals.misbehaved = newMisbehaviourTotals();
    const guarding = options.guarding ?? null;
    this.#guardMemory = guarding === null ? null : new GuardMemory();
    this.#guard =
      guarding === null || this.#guardMemory === null
        ? null
        : new BlockingGuard(this.#sys, guarding, this.#guardMemory, this.#idleWaitMs);
  }

  get #idleWaitMs(): number {
    return Math.min(WAIT_MS, this.#idleTimeoutMs ?? WAIT_MS);
  }

  /** Stops accepting and receiving; input received so far is answered within DRAIN_MS. */
  stop(): void {
    this.#stopping = true;
  }

  /** Another process accepts: serves its client on, and stops then, or in `drainMs`. */
  handOver(drainMs: number): void {
    this.#drainEndMs ??= this.#sys.monotonicMs() + drainMs;
  }

  /** Serves one client at a time until {@link stop}. Throws if the listener fails. */
  async run(): Promise<ServerTotals> {
    this.#listener.interruptible = true;
    let bounded = false;
    for (;;) {
      await turnOfNode();
      if (this.#stopping || this.#drainEndMs !== null) return this.#endedTotals();
      bounded ||= await this.#boundWaits();
      const client = bounded ? await this.#accept() : null;
      if (client !== null) await this.#serve(...client);
    }
  }

  #endedTotals(): ServerTotals {
    if (this.#guardMemory !== null) this.totals.refused = this.#guardMemory.refused;
    return this.totals;
  }

  /** Sets the timeouts, without which a wait would have no end. False if that failed. */
  async #boundWaits(): Promise<boolean> {
    try {
      this.#listener.setTimeout(this.#guard?.waitMs ?? this.#idleWaitMs);
      return true;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#observer.acceptFailed?.(error);
      await pause(ACCEPT_PAUSE_MS);
      return false;
    }
  }

  async #accept(): Promise<[Socket, SocketAddress] | null> {
    try {
      const client = this.#listener.accept();
      this.#failing = false;
      const refusal = this.#guard?.refusal(...client) ?? null;
      if (refusal === null) return client;
      this.#observer.acceptFailed?.(refusal);
      return null;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (error.code === 'ETIMEDOUT' || error.code === 'EINTR') {
        restIfHurried(this.#sys);
        return null;
      }
      const passing = isPassing(error);
      this.#observer.acceptFailed?.(error);
      // The connection may stay queued: without a pause this loop would spin.
      if (!passing || this.#failing) await pause(ACCEPT_PAUSE_MS);
      this.#failing = true;
      return null;
    }
  }

  async #serve(socket: Socket, address: SocketAddress): Promise<void> {
    const connection = ++this.totals.connections;
    const session = this.#session(socket, connection);
    let failure: Error | null = null;
    let unacknowledgedBytes = 0;
    try {
      using _ = socket;
      this.#observer.accepted?.(address, connection);
      let clean = false;
      this.#guard?.began(socket, session);
      try {
        failure = await this.#converse(session);
        clean = failure === null && !session.lingering;
      } finally {
        // Read before close. After an orderly end, unacknowledged bytes are in flight.
        if (!clean) unacknowledgedBytes = session.unacknowledgedBytes;
      }
    } catch (error) {
      if (!(error instanceof SysError || error instanceof RangeError)) throw error;
      failure = error;
    }
    this.#guard?.ended();
    if (failure !== null) this.totals.failed += 1;
    this.totals.unacknowledgedBytes += unacknowledgedBytes;
    const { received: receivedBytes, sent: sentBytes, lines } = session;
    this.totals.receivedBytes += receivedBytes;
    this.totals.sentBytes += sentBytes;
    const totals = { connection, receivedBytes, sentBytes, lines, unacknowledgedBytes };
    this.#observer.closed?.(address, totals, failure);
  }

  #session(socket: Socket, connection: number): EchoSession {
    const plan = this.#misbehaviour;
    const totals = this.totals.misbehaved;
    if (plan === null || totals === undefined) {
      return new EchoSession(this.#sys, socket, this.#mode, this.#lineBytesMax);
    }
    const misbehaviour = { plan, connection, totals };
    return new MisbehavingSession(this.#sys, socket, this.#mode, this.#lineBytesMax, misbehaviour);
  }

  /** Runs the session until Node is to turn. Returns the error if a guard gives the client up. */
  #run(session: EchoSession): Progress | Error {
    const guard = this.#guard;
    if (guard === null) return session.run();
    for (let step = 0; step < STEPS_PER_TURN; step++) {
      const progress = session.run(1);
      if (progress === 'ended') return progress;
      const expired = guard.expired(progress);
      if (expired !== null || progress === 'waited') return expired ?? progress;
    }
    return 'more';
  }

  /** Serves to the end. Returns the failure of the client, or null. */
  async #converse(session: EchoSession): Promise<Error | null> {
    let movedMs = this.#sys.monotonicMs();
    const farewell = new Farewell(session);
    for (;;) {
      const movedBefore = session.received + session.sent;
      const progress = this.#run(session);
      if (progress === 'ended') return session.failure;
      if (progress instanceof Error) {
        session.resetAtClose();
        return progress;
      }
      await turnOfNode();
      const nowMs = this.#sys.monotonicMs();
      // A run that ends in a timeout may have moved bytes before.
      if (session.received + session.sent > movedBefore) movedMs = nowMs;
      else if (this.#idleTimeoutMs !== null && nowMs - movedMs >= this.#idleTimeoutMs) {
        session.resetAtClose();
        this.#guard?.countIdle();
        return idleFailure(this.#idleTimeoutMs);
      }
      const stopping = this.#stopping || nowMs >= (this.#drainEndMs ?? Number.POSITIVE_INFINITY);
      const late = farewell.isOver(progress, stopping, nowMs);
      if (late !== false) return session.failure ?? late;
    }
  }
}
