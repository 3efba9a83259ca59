import { setTimeout as pause } from 'node:timers/promises';
import type { Socket } from 'sockloop/socket';
import { nativeSys, type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { turnOfNode } from '#src/loop/node-turn.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { Farewell } from './farewell.ts';
import { ACCEPT_PAUSE_MS, LINE_BYTES_MAX, WAIT_MS } from './limits.ts';
import { type EchoMode, EchoSession } from './session.ts';

/** How an {@link IterativeServer} serves. */
export interface IterativeServerOptions {
  readonly mode: EchoMode;
  /** A client that neither sends nor reads for so long is closed; null waits for ever. */
  readonly idleTimeoutMs?: number | null;
  /** The longest line in the modes `line` and `once`. */
  readonly lineBytesMax?: number;
  /** Where the time comes from; this machine if left out. */
  readonly sys?: Sys;
  /** Hears of each connection. */
  readonly observer?: ServerObserver;
}

/** Who wants to know what a server does. */
export interface ServerObserver {
  /** `address` is null where the client has left already, and nobody can tell. */
  accepted?(address: SocketAddress | null, connection: number): void;
  /**
   * `failure` is null where the client ended the connection as it should. `address` is null where
   * nobody asked for it while the client was there.
   */
  closed?(address: SocketAddress | null, connection: ConnectionTotals, failure: Error | null): void;
  /** accept(2) failed; the server goes on. */
  acceptFailed?(failure: Error): void;
}

/** What one connection came to. */
export interface ConnectionTotals {
  /** Counted from 1. */
  readonly connection: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly lines: number;
  /** Of those sent, what the client had not acknowledged when it was given up, as far as known. */
  readonly unacknowledgedBytes: number;
}

/** What a server came to. */
export interface ServerTotals {
  connections: number;
  /** Connections that broke, or that the server had to close. */
  failed: number;
  /** Connections for which there was no descriptor, and which were closed unserved. */
  turnedAway: number;
  receivedBytes: number;
  sentBytes: number;
  /** Of those sent, what clients that broke or were given up had not acknowledged. */
  unacknowledgedBytes: number;
}

/**
 * Whether the listener of a failed `Socket.accept` can accept the next connection at once. Another
 * call than accept(2) was one on the new socket, which is closed: the listener has nothing to do
 * with it.
 */
export function isPassing(error: SysError): boolean {
  return error.syscall !== 'accept' || acceptErrorKind(error.code) === 'passing';
}

/** Totals of a server that has not begun. */
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
 * The textbook's first server: one client at a time, blocking calls, everybody else waits in the
 * queue of listen(2).
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
  #stopping = false;
  /** Whether the last accept(2) failed. */
  #failing = false;

  constructor(listener: Socket, options: IterativeServerOptions) {
    this.#listener = listener;
    this.#mode = options.mode;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? null;
    this.#lineBytesMax = options.lineBytesMax ?? LINE_BYTES_MAX;
    this.#sys = options.sys ?? nativeSys();
    this.#observer = options.observer ?? {};
  }

  /** Accepts and receives no more; what has come still gets its answer, within DRAIN_MS. */
  stop(): void {
    this.#stopping = true;
  }

  /** Serves one client after the other until {@link stop}. Throws where the listener is broken. */
  async run(): Promise<ServerTotals> {
    this.#listener.interruptible = true;
    this.#listener.setTimeout(Math.min(WAIT_MS, this.#idleTimeoutMs ?? WAIT_MS));
    for (;;) {
      await turnOfNode();
      if (this.#stopping) return this.totals;
      const client = await this.#accept();
      if (client !== null) await this.#serve(...client);
    }
  }

  async #accept(): Promise<[Socket, SocketAddress] | null> {
    try {
      const client = this.#listener.accept();
      this.#failing = false;
      return client;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (error.code === 'ETIMEDOUT' || error.code === 'EINTR') return null;
      const passing = isPassing(error);
      if (!passing && acceptErrorKind(error.code) === 'final') throw error;
      this.#observer.acceptFailed?.(error);
      // The connection may stay in the queue: without a pause this loop would spin.
      if (!passing || this.#failing) await pause(ACCEPT_PAUSE_MS);
      this.#failing = true;
      return null;
    }
  }

  async #serve(socket: Socket, address: SocketAddress): Promise<void> {
    const connection = ++this.totals.connections;
    const session = new EchoSession(this.#sys, socket, this.#mode, this.#lineBytesMax);
    let failure: Error | null = null;
    let unacknowledgedBytes = 0;
    try {
      using _ = socket;
      this.#observer.accepted?.(address, connection);
      let clean = false;
      try {
        failure = await this.#converse(session);
        clean = failure === null && !session.lingering;
      } finally {
        // Before the socket is closed; what an orderly end leaves unacknowledged is on its way.
        if (!clean) unacknowledgedBytes = session.unacknowledgedBytes;
      }
    } catch (error) {
      if (!(error instanceof SysError || error instanceof RangeError)) throw error;
      failure = error;
    }
    if (failure !== null) this.totals.failed += 1;
    this.totals.unacknowledgedBytes += unacknowledgedBytes;
    const { received: receivedBytes, sent: sentBytes, lines } = session;
    this.totals.receivedBytes += receivedBytes;
    this.totals.sentBytes += sentBytes;
    const totals = { connection, receivedBytes, sentBytes, lines, unacknowledgedBytes };
    this.#observer.closed?.(address, totals, failure);
  }

  /** Serves to the end, and returns what was wrong with the client. */
  async #converse(session: EchoSession): Promise<Error | null> {
    let heardMs = this.#sys.monotonicMs();
    const farewell = new Farewell(session);
    for (;;) {
      const movedBefore = session.received + session.sent;
      const progress = session.run();
      if (progress === 'ended') return session.failure;
      await turnOfNode();
      const nowMs = this.#sys.monotonicMs();
      // A run that ends in a wait may have moved bytes before.
      if (session.received + session.sent > movedBefore) heardMs = nowMs;
      else if (this.#idleTimeoutMs !== null && nowMs - heardMs >= this.#idleTimeoutMs) {
        session.resetAtClose();
        return new RangeError(`the client was idle for ${this.#idleTimeoutMs} ms`);
      }
      const late = farewell.isOver(progress, this.#stopping, nowMs);
      if (late !== false) return session.failure ?? late;
    }
  }
}
