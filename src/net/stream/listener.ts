import { requireFunction, wrongValue } from '../../base/arguments.ts';
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
   * So many connections at a time (1 and up): the next ones wait in the queue of listen(2) until
   * one of them is closed. No limit if left out.
   */
  readonly maxConnections?: number;
  /**
   * Hears of what goes wrong while accepting. Out of descriptors (`EMFILE`, `ENFILE`) or memory,
   * or refused many times in a row (`EPERM`), the listener pauses for 50 ms and goes on, and needs
   * nobody to hear of it. With any other SysError the listening socket is broken and closed;
   * unheard, that ends `run()` of the loop.
   */
  onError?(error: Error): void;
}

/** What a listener came to, from its beginning. */
export interface ListenerStats {
  accepted: number;
  /** Connections that were turned away because there was no descriptor for them. */
  shed: number;
  /** How often it ran out of descriptors or memory. */
  exhausted: number;
}

/** Listens on the endpoint of `options`: `EventLoop.listen`. */
export let listenOn: <Data>(loop: Loop, options: ListenOptions<Data>) => Listener<Data>;

/**
 * A listening socket on an event loop: made by `EventLoop.listen`. Iterating over it gives the
 * connections that it has accepted and that are open.
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
 *       // Draining: nobody new comes in, and who is here gets what is queued.
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
  /** Where it listens, with the port that port 0 came to. */
  readonly address: SocketAddress;
  readonly stats: ListenerStats = { accepted: 0, shed: 0, exhausted: 0 };
  readonly #loop: Loop;
  readonly #group: ConnectionGroup<Data>;
  readonly #onError: ((error: Error) => void) | undefined;
  readonly #connectionsMax: number;
  readonly #connections = new Set<StreamConnection<Data>>();
  readonly #subscription: Subscription;
  readonly #file: SocketFile | null;
  #paused = false;
  #closed = false;
  /** Runs while the listener waits for descriptors. */
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

  /** How many of its connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** The open connections, in the order in which they came. */
  [Symbol.iterator](): Iterator<Connection<Data>> {
    return this.#connections.values();
  }

  /** Accepts nothing until {@link resume}; new connections wait in the queue of listen(2). */
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
   * Stops listening, for good: who waits in the queue is reset. Connections go on. The file of a
   * UNIX socket is removed, if its path still leads to it.
   */
  close(): void {
    if (this.#closed) return;
    this.removeFile();
    this.#over();
    this.#subscription.close();
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Removes the file of a UNIX socket, if its path still leads to it; {@link close} does so too.
   * Returns the SysError where that fails: the next server of the path takes it over.
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
        const error = this.#error(errno);
        if (this.#onError === undefined) throw error;
        this.#onError(error);
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
      this.#onError?.(tooHigh(fd, backend));
      return;
    }
    const connection = new StreamConnection(this.#group, fd, null);
    this.stats.accepted += 1;
    this.#connections.add(connection);
    if (this.#connections.size >= this.#connectionsMax) this.#update();
    this.#group.handlers.open?.(connection);
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
    this.#onError?.(this.#error(errno));
  }

  #error(errno: number): Error {
    const attempt = 'accept a connection on';
    return sysError(this.#loop.sys, -errno, 'accept', attempt, this.address);
  }
}
