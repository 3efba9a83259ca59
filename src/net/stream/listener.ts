import { requireFunction, wrongValue } from '../../base/arguments.ts';
import { ArrivalList } from '../../base/arrival-list.ts';
import type { AcceptSink, Subscription } from '../../loop/backend.ts';
import { ACCEPT_PAUSE_MS } from '../../loop/limits.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import { tooHigh } from '../../loop/watchable.ts';
import {
  createServer,
  type Endpoint,
  type ServerOptions,
  socketFileOf,
} from '../../socket/create.ts';
import type { SocketFile } from '../../socket/socket-file.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { type SysError, sysError } from '../../sys/sys-error.ts';
import type { Connection, ConnectionSettings } from './connection.ts';
import { ConnectionGroup } from './connection-group.ts';
import { StreamConnection } from './stream-connection.ts';

/** Where and how to listen. */
export type ListenOptions<Data = undefined> = Endpoint & ListenSettings<Data>;

/** How to listen. */
export interface ListenSettings<Data = undefined>
  extends ConnectionSettings<Data>,
    Pick<ServerOptions, 'backlog' | 'reusePort'> {
  /**
   * The most open connections, 1 and up: further ones wait in the queue of listen(2) until one is
   * closed. Default: no limit.
   */
  readonly maxConnections?: number;
  /**
   * Accepting has failed. Out of descriptors (`EMFILE`, `ENFILE`) or memory, or refused many times
   * in a row (`EPERM`), the listener pauses for 50 ms and goes on. After any other error the
   * listening socket is closed; without this handler the error then goes to `onHandlerError` of the
   * loop, or ends its `run()`.
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
}

/** Listens on the endpoint of `options`: `EventLoop.listen`. */
export let listenOn: <Data>(loop: Loop, options: ListenOptions<Data>) => Listener<Data>;

/**
 * A listening socket on an event loop, returned by `EventLoop.listen`. Iterating over it yields its
 * open connections.
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
export class Listener<Data = undefined> implements Iterable<Connection<Data>>, Disposable {
  /** Where it listens, with the port that was chosen for port 0. */
  readonly address: SocketAddress;
  /** What was accepted and turned away so far. */
  readonly stats: ListenerStats = { accepted: 0, shed: 0, exhausted: 0 };
  readonly #loop: Loop;
  readonly #group: ConnectionGroup<Data>;
  readonly #onError: ((error: Error) => void) | undefined;
  readonly #connectionsMax: number;
  readonly #connections = new ArrivalList<StreamConnection<Data>>();
  readonly #subscription: Subscription;
  readonly #file: SocketFile | null;
  #paused = false;
  #closed = false;
  /** Set while accepting is paused for lack of descriptors. */
  #exhaustion: Timer | null = null;
  #toldOfLimit = false;

  static {
    listenOn = (loop, options) => new Listener(loop, options);
  }

  private constructor(loop: Loop, options: ListenOptions<Data>) {
    this.#loop = loop;
    this.#group = new ConnectionGroup(loop, options, (closed) => this.#removed(closed));
    requireFunction('onError', options.onError);
    this.#onError = options.onError?.bind(options);
    this.#connectionsMax = options.maxConnections ?? Number.POSITIVE_INFINITY;
    const max = this.#connectionsMax;
    if (!(Number.isInteger(max) || max === Number.POSITIVE_INFINITY) || max < 1) {
      throw wrongValue(max, 'maxConnections is a whole number from 1 on');
    }
    const { sys, backend } = loop;
    const socket = createServer(options, { ...options, noDelay: this.#group.noDelay, sys });
    this.#file = socketFileOf(socket);
    try {
      if (socket.fileno() >= backend.fdLimit) throw tooHigh(socket.fileno(), backend);
      this.address = socket.getSockName();
      socket.setBlocking(false);
    } catch (error) {
      this.removeFile();
      socket.close();
      throw error;
    }
    const limited = this.#connectionsMax !== Number.POSITIVE_INFINITY;
    this.#subscription = backend.accept(socket.detach(), this.#sink(), limited);
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
    this.removeFile();
    this.#over();
    this.#subscription.close();
  }

  /** Closes the listener, as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Removes the file of a UNIX socket if its path still leads to it; {@link close} does so too.
   *
   * @returns the error where that fails, null otherwise. The next server takes such a file over.
   */
  removeFile(): SysError | null {
    return this.#file?.remove() ?? null;
  }

  #over(): void {
    this.#closed = true;
    this.#exhaustion?.cancel();
    this.#exhaustion = null;
  }

  #update(): void {
    if (this.#closed) return;
    const full = this.#connections.size >= this.#connectionsMax;
    if (this.#paused || full || this.#exhaustion !== null) {
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
        this.#over();
        this.#tell(this.#error(errno), true);
      },
      closed: () => undefined,
    };
  }

  #accepted(fd: number): void {
    const { sys, backend } = this.#loop;
    if (fd >= backend.fdLimit) {
      sys.close(fd);
      this.stats.shed += 1;
      if (this.#toldOfLimit) return;
      this.#toldOfLimit = true;
      this.#tell(tooHigh(fd, backend));
      return;
    }
    const connection = new StreamConnection(this.#group, fd, null);
    this.stats.accepted += 1;
    this.#connections.add(connection);
    if (this.#connections.size >= this.#connectionsMax) this.#update();
    connection.opened();
  }

  #removed(connection: StreamConnection<Data>): void {
    this.#connections.delete(connection);
    if (this.#connectionsMax !== Number.POSITIVE_INFINITY) this.#update();
  }

  #exhausted(errno: number, shed: number): void {
    this.stats.exhausted += 1;
    this.stats.shed += shed;
    this.#exhaustion ??= this.#loop.setTimer(ACCEPT_PAUSE_MS, () => {
      this.#exhaustion = null;
      this.#update();
    });
    this.#tell(this.#error(errno));
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
