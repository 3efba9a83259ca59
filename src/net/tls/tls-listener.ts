import type { SecureContextOptions, Server } from 'node:tls';
import { requireFunction, requireText, requireWhole } from '../../base/arguments.ts';
import { ArrivalList } from '../../base/arrival-list.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import { ConnectionQueue, iterateOver } from '../async/connection-queue.ts';
import { closedLoopError } from '../async/loop-end.ts';
import { asyncSettings } from '../async/settings.ts';
import {
  deadlineError,
  Shutdown,
  type ShutdownCounts,
  type ShutdownOptions,
} from '../async/shutdown.ts';
import { SHUTDOWN_DEADLINE_MS } from '../limits.ts';
import type { ConnectionHandlers } from '../stream/connection.ts';
import { type Listener, type ListenSettings, listenOn } from '../stream/listener.ts';
import type { InheritedEndpoint } from '../stream/listening-socket.ts';
import { HANDSHAKES_MAX } from './limits.ts';
import type { TlsConnection, TlsConnectionSettings } from './tls-connection.ts';
import { type HandshakeSink, plainSettings, TlsGroup, transportHandlers } from './tls-group.ts';
import {
  acceptTls,
  type NewSession,
  type ResumeSession,
  type ServerTls,
  tlsServer,
} from './tls-server.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

/** An {@link AsyncConnection} whose `connection` is a TLS connection. */
export type AsyncTlsConnection = AsyncConnection & {
  readonly connection: TlsConnection<AsyncConnection>;
};

/** Where and how to listen for TLS connections. */
export type TlsListenOptions<Data = undefined> = (Endpoint | InheritedEndpoint) &
  TlsListenSettings<Data>;

/** The same without handlers: iterating over the listener gives its connections. */
export type AsyncTlsListenOptions = (Endpoint | InheritedEndpoint) &
  Omit<TlsListenSettings<AsyncConnection>, 'handlers' | 'onHandlerError'> & {
    readonly handlers?: undefined;
  };

/** How to listen for TLS connections. */
export interface TlsListenSettings<Data = undefined>
  extends TlsConnectionSettings<Data>,
    Omit<
      ListenSettings<Data>,
      keyof TlsConnectionSettings<Data> | 'chunks' | 'signal' | 'onError'
    > {
  /**
   * What node:tls takes, by its names: `key`, `cert`, `ca`, `pfx`, `ALPNProtocols`, `SNICallback`,
   * `requestCert`, `rejectUnauthorized`, `minVersion`, `sessionTimeout`, `ticketKeys`, ...
   */
  readonly tls: ServerTls;
  /**
   * The most handshakes under way, 1 and up: further clients wait in the queue of listen(2).
   * Default: 1024.
   */
  readonly maxHandshakes?: number;
  /** Closes the listener when it aborts; see {@link TlsListener.close}. */
  readonly signal?: AbortSignal;
  /**
   * Accepting has failed: see `onError` of `loop.listen`. A handshake that fails is none of this.
   *
   * @param error a SysError, or on the loop `select` an Error for a descriptor that it cannot hold.
   */
  onError?(error: Error): void;
  /** Stores sessions by their ids, for clients of TLS 1.2 without tickets. */
  readonly newSession?: NewSession;
  /** Finds sessions by their ids. */
  readonly resumeSession?: ResumeSession;
  /**
   * A handshake has failed: node:tls's event `tlsClientError`. The connection is closed, and no
   * other handler hears of it; without this one `stats.handshakesFailed` counts it all the same.
   *
   * @param error a {@link TlsError} with the code of node:tls, or a SysError (`ECONNRESET`). A
   *   certificate that was refused has the code of its `authorizationError`.
   * @param remoteAddress the client's address, null if it is not known any more.
   */
  onHandshakeError?(error: Error, remoteAddress: SocketAddress | null): void;
}

/** Counters of a {@link TlsListener}. */
export interface TlsListenerStats {
  /** Connections that were accepted. */
  readonly accepted: number;
  /** Connections that were turned away for lack of a descriptor. */
  readonly shed: number;
  /** How many times descriptors or memory ran out. */
  readonly exhausted: number;
  /** Handshakes that have failed. */
  readonly handshakesFailed: number;
}

/** Listens on the endpoint of `options`: `listen` of sockloop/tls. */
export let listenTls: <Data>(
  loop: Loop,
  options: TlsListenOptions<Data> | AsyncTlsListenOptions,
) => TlsListener<Data>;

/**
 * A listening socket for TLS connections, returned by `listen` of `sockloop/tls`. Iterating over it
 * yields its open connections, those whose handshake is done; `for await` yields the next ones of a
 * listener that has no handlers.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { connect, listen } from 'sockloop/tls';
 *
 * using loop = new EventLoop();
 * // A key that both sides know stands for a certificate here.
 * const psk = Buffer.from('0123456789abcdef');
 * const tls = { ciphers: 'PSK', maxVersion: 'TLSv1.2' as const };
 * const listener = listen(loop, {
 *   host: '127.0.0.1',
 *   port: 0,
 *   tls: { ...tls, pskCallback: () => psk },
 *   handlers: {
 *     data: (connection, chunk) => void connection.write(chunk),
 *     close: () => listener.close(),
 *   },
 * });
 * let echo = '';
 * const connector = connect(loop, {
 *   host: '127.0.0.1',
 *   port: listener.port ?? 0,
 *   timeoutMs: 5000,
 *   tls: {
 *     ...tls,
 *     pskCallback: () => ({ psk, identity: 'a client' }),
 *     checkServerIdentity: () => undefined,
 *   },
 *   handlers: {
 *     open: (connection) => connection.end('hello'),
 *     data: (_, chunk) => void (echo += new TextDecoder().decode(chunk)),
 *   },
 * });
 * assert(connector.connecting);
 * await loop.run();
 * assert.equal(echo, 'hello');
 * ```
 */
export class TlsListener<Data = undefined>
  implements
    Iterable<TlsConnection<Data>>,
    AsyncIterable<AsyncTlsConnection>,
    Disposable,
    AsyncDisposable
{
  readonly #loop: Loop;
  readonly #group: TlsGroup<Data>;
  readonly #server: Server;
  readonly #listener: Listener<TlsStreamConnection<Data>>;
  readonly #connections = new ArrivalList<TlsStreamConnection<Data>>();
  readonly #handshakes = new ArrivalList<TlsStreamConnection<Data>>();
  readonly #handshakesMax: number;
  readonly #onHandshakeError: TlsListenSettings<Data>['onHandshakeError'];
  /** The connections for `for await`; null with handlers. */
  readonly #queue: ConnectionQueue | null;
  readonly #sink: HandshakeSink<Data>;
  #handshakesFailed = 0;
  #paused = false;
  #shutdown: Shutdown | null = null;

  static {
    listenTls = (loop, options) => new TlsListener(loop, options);
  }

  private constructor(loop: Loop, options: TlsListenOptions<Data> | AsyncTlsListenOptions) {
    const { tls, maxHandshakes = HANDSHAKES_MAX, newSession, resumeSession } = options;
    requireWhole('maxHandshakes', maxHandshakes, 1, Number.MAX_SAFE_INTEGER);
    requireFunction('onHandshakeError', options.onHandshakeError);
    requireFunction('newSession', newSession);
    requireFunction('resumeSession', resumeSession);
    this.#loop = loop;
    this.#handshakesMax = maxHandshakes;
    this.#onHandshakeError = options.onHandshakeError?.bind(options);
    this.#group = new TlsGroup(loop, this.#settings(options));
    this.#server = tlsServer(tls, newSession, resumeSession);
    this.#queue = isAsync(options) ? new ConnectionQueue(loop, () => this.#update()) : null;
    this.#sink = this.#handshakeSink();
    this.#listener = listenOn(loop, { ...plainSettings(options), handlers: this.#handlers() });
    if (this.#queue !== null) this.#update();
  }

  /** What its connections share: the handlers of the program, or those of an AsyncConnection. */
  #settings(options: TlsListenOptions<Data> | AsyncTlsListenOptions): TlsConnectionSettings<Data> {
    if (!isAsync(options)) return options;
    const opened = (connection: AsyncConnection): void => this.#queue?.push(connection);
    // Without handlers, Data is AsyncConnection.
    const settings: unknown = asyncSettings(this.#loop, options, opened);
    return settings as TlsConnectionSettings<Data>;
  }

  #handlers(): ConnectionHandlers<TlsStreamConnection<Data>> {
    return {
      ...transportHandlers<Data>(),
      open: (connection) => {
        const { handshakeTimeoutMs } = this.#group;
        connection.data = new TlsStreamConnection(this.#group, connection, this.#sink);
        this.#handshakes.add(connection.data);
        if (this.#handshakes.size >= this.#handshakesMax) this.#update();
        acceptTls(this.#server, connection.data, handshakeTimeoutMs);
      },
    };
  }

  #handshakeSink(): HandshakeSink<Data> {
    return {
      secured: (connection) => {
        this.#handshakeDone(connection);
        this.#connections.add(connection);
      },
      failed: (error, connection) => {
        this.#handshakesFailed += 1;
        const { remoteAddress } = connection;
        const onError = this.#onHandshakeError;
        if (onError !== undefined) this.#loop.callbacks.call(() => onError(error, remoteAddress));
      },
      // One whose handshake has failed counts until its descriptor is closed.
      closed: (connection) => {
        this.#handshakeDone(connection);
        this.#connections.delete(connection);
        this.#shutdown?.removed();
      },
    };
  }

  #handshakeDone(connection: TlsStreamConnection<Data>): void {
    const wasFull = this.#handshakes.size >= this.#handshakesMax;
    this.#handshakes.delete(connection);
    if (wasFull) this.#update();
  }

  #update(): void {
    const full = this.#handshakes.size >= this.#handshakesMax;
    const unwanted = this.#queue !== null && !this.#queue.isHungry;
    if (this.#paused || full || unwanted) this.#listener.pause();
    else this.#listener.resume();
  }

  /** Where it listens, with the port that was chosen for port 0. */
  get address(): SocketAddress {
    return this.#listener.address;
  }

  /** The port on which it listens; null for a UNIX socket. */
  get port(): number | null {
    return this.#listener.port;
  }

  /** What was accepted and turned away so far. */
  get stats(): TlsListenerStats {
    return { ...this.#listener.stats, handshakesFailed: this.#handshakesFailed };
  }

  /** The number of open connections, without those whose handshake is under way. */
  get connections(): number {
    return this.#connections.size;
  }

  /** The number of handshakes under way, and of those that failed and are not closed yet. */
  get handshakes(): number {
    return this.#handshakes.size;
  }

  /**
   * Iterates over the open connections.
   *
   * @returns the connections, in the order in which their handshakes were done.
   */
  [Symbol.iterator](): Iterator<TlsConnection<Data>> {
    return this.#connections.values();
  }

  /**
   * Iterates over the connections that come, if the listener has no handlers, as over a `Listener`
   * of sockloop. Their handshakes are done.
   *
   * @returns the connections, until the listener is closed.
   * @throws Error where the listener has handlers, which get the connections.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<AsyncTlsConnection, undefined> {
    return iterateOver(this.#queue) as AsyncIterableIterator<AsyncTlsConnection, undefined>;
  }

  /**
   * Has clients that ask for `servername` (SNI) get another certificate: `addContext` of node:tls.
   *
   * @param servername the name, or a pattern such as `*.example.org`.
   * @param context what `tls.createSecureContext` takes: `key`, `cert`, `ca`, ...
   * @throws what node:tls throws for wrong options.
   */
  addContext(servername: string, context: SecureContextOptions): void {
    requireText('a server name', servername);
    this.#server.addContext(servername, context);
  }

  /**
   * Replaces the certificate, key and other options of the context, for the connections that come:
   * `setSecureContext` of node:tls.
   *
   * @param context what `tls.createSecureContext` takes.
   * @throws what node:tls throws for wrong options.
   */
  setSecureContext(context: SecureContextOptions): void {
    this.#server.setSecureContext(context);
  }

  /**
   * The keys of session tickets: 48 bytes, which several servers may share.
   *
   * @returns the keys.
   */
  getTicketKeys(): Uint8Array {
    return this.#server.getTicketKeys();
  }

  /**
   * Sets the keys of session tickets, for the connections that come.
   *
   * @param keys 48 bytes.
   * @throws what node:tls throws for anything else.
   */
  setTicketKeys(keys: Uint8Array): void {
    this.#server.setTicketKeys(Buffer.from(keys));
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

  /** Closes the listening socket. Accepted connections go on, and so do their handshakes. */
  close(): void {
    this.#listener.close();
    this.#queue?.end(null);
  }

  /** Closes the listener, as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Closes the listener and ends its connections: each sends close_notify and FIN behind what is
   * queued, and lingers until its peer has ended too. Handshakes under way are given up. No handler
   * but `close` runs any more.
   *
   * @param options by when; what is open then is reset.
   * @returns a promise of what became of the connections; see `Listener` of sockloop.
   */
  shutdown({ deadlineMs = SHUTDOWN_DEADLINE_MS }: ShutdownOptions = {}): Promise<ShutdownCounts> {
    const error = deadlineError(deadlineMs);
    if (error !== null) return Promise.reject(error);
    if (this.#loop.closed) return Promise.reject(closedLoopError('shut down'));
    this.#queue?.forget();
    this.close();
    for (const connection of this.#handshakes.values()) connection.cancel();
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
}

function isAsync<Data>(
  options: TlsListenOptions<Data> | AsyncTlsListenOptions,
): options is AsyncTlsListenOptions {
  return options.handlers === undefined;
}
