import { requireFunction, wrongValue } from '../../base/arguments.ts';
import { ArrivalList } from '../../base/arrival-list.ts';
import { checking, invariant } from '../../base/invariants.ts';
import type { Acceptance, AcceptSink } from '../../loop/backend.ts';
import { ACCEPT_PAUSE_MS } from '../../loop/limits.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import { tooHigh } from '../../loop/watchable.ts';
import type { ServerOptions } from '../../socket/create.ts';
import type { SocketFile } from '../../socket/socket-file.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { type SysError, sysError } from '../../sys/sys-error.ts';
import { AbortWatch, requireSignal } from '../async/abort.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import { ConnectionQueue, iterateOver } from '../async/connection-queue.ts';
import { HandOver } from '../async/hand-over.ts';
import { closedLoopError } from '../async/loop-end.ts';
import { asyncSettings } from '../async/settings.ts';
import {
  deadlineError,
  Shutdown,
  type ShutdownCounts,
  type ShutdownOptions,
} from '../async/shutdown.ts';
import { publishListen, publishListenerClose, publishOpen, publishShed } from '../diagnostics.ts';
import { Gate, type GuardSettings } from '../guards/gate.ts';
import { newRefusalCounts, type RefusalCounts } from '../guards/refusals.ts';
import { SHUTDOWN_DEADLINE_MS } from '../limits.ts';
import type { Connection, ConnectionSettings } from './connection.ts';
import { ConnectionGroup } from './connection-group.ts';
import type { AsyncListenOptions, ListenOptions } from './listen-options.ts';
import { isTcp, openListening } from './listening-socket.ts';
import { StreamConnection } from './stream-connection.ts';

/** How to listen. */
export interface ListenSettings<Data = undefined>
  extends ConnectionSettings<Data>,
    GuardSettings,
    Pick<ServerOptions, 'backlog' | 'reusePort' | 'ipv6Only'> {
  /**
   * The most open connections, 1 and up: further ones wait in the queue of listen(2) until one is
   * closed. Default: no limit.
   */
  readonly maxConnections?: number;
  /** Closes the listener when it aborts; see {@link Listener.close}. */
  readonly signal?: AbortSignal;
  /**
   * Accepting has failed. Out of descriptors (`EMFILE`, `ENFILE`) or memory, or refused many times
   * in a row (`EPERM`), the listener pauses for 50 ms and goes on. After any other error the
   * listening socket is closed; without this handler an iterator of the listener throws the error,
   * or it goes to `onHandlerError` of the loop, or ends its `run()`.
   *
   * @param error a SysError, or on the loop `select` an Error for a descriptor that it cannot hold.
   */
  onError?(error: Error): void;
}

/** Counters of a {@link Listener}. */
export interface ListenerStats {
  /** Connections that were accepted. */
  accepted: number;
  /** Connections that were turned away for lack of a descriptor. */
  shed: number;
  /** How many times descriptors or memory ran out. */
  exhausted: number;
  /** Connections that were accepted and have closed. */
  closed: number;
  /** Those of them that broke, or timed out. */
  broken: number;
  /** Bytes that the closed ones have received: `bytesReceived`. */
  bytesReceived: number;
  /** Bytes of the closed ones that the kernel has taken: `bytesSent`. */
  bytesSent: number;
  /** Connections that guards have refused or given up, and idle ones. */
  readonly refused: RefusalCounts;
}

/** Listens on the endpoint of `options`: `EventLoop.listen`. */
export let listenOn: <Data>(
  loop: Loop,
  options: ListenOptions<Data> | AsyncListenOptions,
) => Listener<Data>;

/**
 * A listening socket on an event loop, returned by `EventLoop.listen`. Iterating over it yields its
 * open connections; `for await` yields the next ones of a listener that has no handlers.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection, EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const listener = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   maxConnections: 100,
 *   idleTimeoutMs: 60_000,
 *   handlers: {
 *     open: (connection) => {
 *       assert.equal(connection.remoteAddress?.family, 'IPv4');
 *       // Draining: no new connections, and the open ones end behind what is queued.
 *       listener.close();
 *       for (const one of listener) one.end();
 *     },
 *   },
 * });
 * assert(listener.address.family === 'IPv4');
 * using client = createConnection({ host: '127.0.0.1', port: listener.address.port });
 * client.shutdown('write');
 * await loop.run();
 * assert.equal(listener.connections, 0);
 * assert.equal(client.recv(new Uint8Array(1)), 0);
 * ```
 */
export class Listener<Data = undefined>
  implements Iterable<Connection<Data>>, AsyncIterable<AsyncConnection>, Disposable, AsyncDisposable
{
  /** Where it listens, with the port that was chosen for port 0. */
  readonly address: SocketAddress;
  /** What was accepted, turned away and closed so far. */
  readonly stats: ListenerStats = {
    accepted: 0,
    shed: 0,
    exhausted: 0,
    closed: 0,
    broken: 0,
    bytesReceived: 0,
    bytesSent: 0,
    refused: newRefusalCounts(),
  };
  readonly #loop: Loop;
  readonly #group: ConnectionGroup<Data>;
  readonly #onError: ((error: Error) => void) | undefined;
  readonly #connectionsMax: number;
  readonly #connections = new ArrivalList<StreamConnection<Data>>();
  /** Null without guards. */
  readonly #gate: Gate<Data> | null;
  readonly #subscription: Acceptance;
  readonly #file: SocketFile | null;
  /** The connections for `for await`; null with handlers. */
  readonly #queue: ConnectionQueue | null;
  readonly #abort: AbortWatch | null = null;
  #shutdown: Shutdown | null = null;
  #handOver: HandOver | null = null;
  #paused = false;
  #closed = false;
  /** Set while accepting is paused for lack of descriptors. */
  #exhaustion: Timer | null = null;
  #toldOfLimit = false;

  static {
    listenOn = (loop, options) => new Listener(loop, options);
  }

  private constructor(loop: Loop, options: ListenOptions<Data> | AsyncListenOptions) {
    this.#loop = loop;
    requireFunction('onError', options.onError);
    requireSignal(options.signal);
    options.signal?.throwIfAborted();
    this.#onError = options.onError?.bind(options);
    this.#connectionsMax = options.maxConnections ?? Number.POSITIVE_INFINITY;
    const max = this.#connectionsMax;
    if (!(Number.isInteger(max) || max === Number.POSITIVE_INFINITY) || max < 1) {
      throw wrongValue(max, 'maxConnections is a whole number from 1 on');
    }
    const tcp = isTcp(loop, options);
    this.#group = new ConnectionGroup(loop, this.#settings(options), tcp, (closed, error) =>
      this.#removed(closed, error),
    );
    this.#group.onIdle = () => {
      this.stats.refused.idle += 1;
    };
    this.#gate = this.#gateOf(options);
    const { from, address, file } = openListening(loop, options, this.#group.noDelay);
    this.address = address;
    this.#file = file;
    this.#queue = isAsync(options) ? new ConnectionQueue(loop, () => this.#update()) : null;
    const limited = this.#connectionsMax !== Number.POSITIVE_INFINITY;
    this.#subscription =
      typeof from === 'number'
        ? loop.backend.accept(from, this.#sink(), limited)
        : from.subscribe(loop, this.#sink());
    const { signal } = options;
    if (signal !== undefined) this.#abort = new AbortWatch(loop, signal, () => this.close());
    if (this.#queue !== null) this.#update();
    publishListen(this);
  }

  /** What its connections share: the handlers of the program, or those of an AsyncConnection. */
  #settings(options: ListenOptions<Data> | AsyncListenOptions): ConnectionSettings<Data> {
    if (!isAsync(options)) return options;
    const opened = (connection: AsyncConnection): void => this.#queue?.push(connection);
    // Without handlers, Data is AsyncConnection.
    return asyncSettings(this.#loop, options, opened) as unknown as ConnectionSettings<Data>;
  }

  #gateOf(options: GuardSettings): Gate<Data> | null {
    if (options.guards === undefined && options.proxyProtocol === undefined) return null;
    const connections = this.#connections;
    return new Gate(this.#loop, this.#group, options, {
      refused: this.stats.refused,
      get connections() {
        return connections.size;
      },
      admit: (connection) => this.#admit(connection),
      gone: () => this.#update(),
    });
  }

  /** The port on which it listens; null for a UNIX socket. */
  get port(): number | null {
    return this.address.family === 'UNIX' ? null : this.address.port;
  }

  /** False once the listener was closed, or accepting has failed for good. */
  get isOpen(): boolean {
    return !this.#closed;
  }

  /** The descriptor of the listening socket, for another process; it stays the listener's. */
  get fd(): number {
    return this.#subscription.fd;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Iterates over the open connections.
   *
   * @returns the connections, in the order in which they were accepted.
   */
  [Symbol.iterator](): Iterator<Connection<Data>> {
    return this.#connections.values();
  }

  /**
   * Iterates over the connections that come, if the listener has no handlers. It accepts while it
   * is iterated over, and 64 connections ahead; others wait in the queue of listen(2). Left early,
   * by `break` or an error, it stays open and accepts no more until it is iterated over again; what
   * was accepted ahead is kept for that. Several iterators share the connections.
   *
   * @returns the connections, until the listener is closed. It throws the error that has ended
   *   accepting.
   * @throws Error where the listener has handlers, which get the connections.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<AsyncConnection, undefined> {
    return iterateOver(this.#queue);
  }

  /** Stops accepting until {@link resume}; connections wait in the queue of listen(2). */
  pause(): void {
    this.#paused = true;
    this.#update();
  }

  /** Accepts again after {@link pause}. */
  resume(): void {
    this.#paused = false;
    this.#update();
  }

  /**
   * Closes the listening socket. Connections in its queue are reset; accepted ones go on. The file
   * of a UNIX socket is removed if its path still leads to it.
   */
  close(): void {
    if (this.#closed) return;
    if (this.#handOver === null) this.removeFile();
    this.#over();
    this.#subscription.close();
  }

  /**
   * Stops accepting and closes the descriptor where another process has the listening socket too
   * (see `startSuccessor` of `sockloop/service`): that process gets what waits in the queue. The
   * file of a UNIX socket stays. Connections that were accepted are delivered, and go on.
   *
   * @returns a promise that resolves once the last of them is delivered: the loop has to run.
   */
  handOver(): Promise<void> {
    if (this.#loop.closed || (this.#closed && this.#handOver === null)) return Promise.resolve();
    this.#handOver ??= new HandOver(this.#loop);
    if (!this.#closed) this.#subscription.retire();
    return this.#handOver.done;
  }

  /** Closes the listener, as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Closes the listener and ends its connections: each ends behind what is queued, and lingers
   * (see {@link Connection.close}) until its peer has ended too. No handler but `close` runs any
   * more. Iterators of the listener end; connections that they have not given out are ended too.
   *
   * @param options by when; what is open then is reset. An earlier deadline in a second call holds.
   * @returns a promise of what became of the connections, settled once the last is closed: the loop
   *   has to run. It rejects with an Error where the loop is closed before, and with a RangeError
   *   for a deadline out of its range. A second call returns the same promise.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { createConnection, EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const listener = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: { open: () => void listener.shutdown({ deadlineMs: 20 }).then(told) },
   * });
   * let reset = 0;
   * const told = (counts: { reset: number }): void => void (reset = counts.reset);
   * // A client that does not end its side.
   * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
   * await loop.run();
   * assert.equal(reset, 1);
   * assert.equal(client.recv(new Uint8Array(1)), 0);
   * ```
   */
  shutdown({ deadlineMs = SHUTDOWN_DEADLINE_MS }: ShutdownOptions = {}): Promise<ShutdownCounts> {
    const error = deadlineError(deadlineMs);
    if (error !== null) return Promise.reject(error);
    if (this.#loop.closed) return Promise.reject(closedLoopError('shut down'));
    this.#queue?.forget();
    this.close();
    this.#shutdown ??= new Shutdown(this.#loop, this.#connections);
    this.#shutdown.endBy(deadlineMs);
    return this.#shutdown.done;
  }

  /**
   * Shuts the listener down, as {@link shutdown} with its default deadline, at the end of an
   * `await using` block.
   *
   * @returns a promise that resolves when the last connection is closed; at once if the loop does
   *   not run.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // Where the loop is closed, so is everything.
    const ended = this.shutdown().catch(() => undefined);
    if (this.#loop.running) await ended;
  }

  /**
   * Removes the file of a UNIX socket if its path still leads to it; {@link close} does so too.
   *
   * @returns the error where that fails, null otherwise. The next server takes such a file over.
   */
  removeFile(): SysError | null {
    return this.#file?.remove() ?? null;
  }

  /** Returns whether an iterator will throw `error`. */
  #over(error: Error | null = null): boolean {
    this.#closed = true;
    this.#exhaustion?.cancel();
    this.#exhaustion = null;
    this.#abort?.end();
    this.#gate?.close();
    publishListenerClose(this, error);
    return this.#queue?.end(error) ?? false;
  }

  /** The connections that `maxConnections` bounds. */
  get #count(): number {
    return this.#connections.size + (this.#gate?.waiting ?? 0);
  }

  #update(): void {
    if (this.#closed || this.#handOver !== null) return;
    const full = this.#count >= this.#connectionsMax;
    const unwanted = this.#queue !== null && !this.#queue.isHungry;
    if (this.#paused || full || unwanted || this.#exhaustion !== null) {
      this.#subscription.pause();
    } else {
      this.#subscription.resume();
    }
  }

  #sink(): AcceptSink {
    return {
      accepted: (fd) => this.#accepted(fd),
      exhausted: (errno, shed) => this.#exhausted(errno, shed),
      failed: (errno) => {
        const error = this.#error(errno);
        const isHeard = this.#over(error);
        this.#tell(error, !isHeard);
      },
      closed: () => {
        if (this.#handOver === null) return;
        this.#over();
        this.#handOver.closed();
      },
    };
  }

  #accepted(fd: number): void {
    const { sys, backend } = this.#loop;
    if (fd >= backend.fdLimit) {
      sys.close(fd);
      this.stats.shed += 1;
      publishShed(this, 1, tooHigh(fd, backend));
      if (this.#toldOfLimit) return;
      this.#toldOfLimit = true;
      this.#tell(tooHigh(fd, backend));
      return;
    }
    const gate = this.#gate;
    if (gate === null) {
      this.#admit(new StreamConnection(this.#group, fd, null));
      return;
    }
    gate.arrived(fd);
    if (this.#count >= this.#connectionsMax) this.#update();
  }

  #admit(connection: StreamConnection<Data>): void {
    this.stats.accepted += 1;
    this.#connections.add(connection);
    if (checking) this.#check();
    publishOpen(connection, this);
    // Before the handler, which may throw.
    if (this.#count >= this.#connectionsMax) this.#update();
    connection.opened();
  }

  #removed(connection: StreamConnection<Data>, error: SysError | null): void {
    const { stats } = this;
    stats.closed += 1;
    if (error !== null) stats.broken += 1;
    stats.bytesReceived += connection.bytesReceived;
    stats.bytesSent += connection.bytesSent;
    this.#connections.delete(connection);
    if (checking) this.#check();
    if (this.#connectionsMax !== Number.POSITIVE_INFINITY) this.#update();
    this.#shutdown?.removed();
  }

  #check(): void {
    const { accepted, closed } = this.stats;
    const isSum = this.#connections.size === accepted - closed;
    invariant(isSum, 'a listener lost count of its connections');
    // What was accepted before another process took over comes in any case.
    const isBounded = this.#count <= this.#connectionsMax || this.#handOver !== null;
    invariant(isBounded, 'a listener has more connections than it may');
  }

  #exhausted(errno: number, shed: number): void {
    this.stats.exhausted += 1;
    this.stats.shed += shed;
    const error = this.#error(errno);
    publishShed(this, shed, error);
    this.#exhaustion ??= this.#loop.setTimer(ACCEPT_PAUSE_MS, () => {
      this.#exhaustion = null;
      this.#update();
    });
    this.#tell(error);
  }

  /** Calls `onError`. Without it a `final` error is one of a callback. */
  #tell(error: Error, final = false): void {
    this.#loop.callbacks.call(() => {
      if (this.#onError !== undefined) return this.#onError(error);
      if (final) throw error;
    });
  }

  #error(errno: number): Error {
    const attempt = 'accept a connection on';
    return sysError(this.#loop.sys, -errno, 'accept', attempt, this.address);
  }
}

function isAsync<Data>(
  options: ListenOptions<Data> | AsyncListenOptions,
): options is AsyncListenOptions {
  return options.handlers === undefined;
}
