import { AbortWatch, requireSignal } from '../../net/async/abort.ts';
import { ConnectionQueue } from '../../net/async/connection-queue.ts';
import { closedLoopError, type LoopSink, register, unregister } from '../../net/async/loop-end.ts';
import type { PullIterator } from '../../net/async/pull-iterator.ts';
import { loopOf } from '../../net/event-loop.ts';
import type { Connection } from '../../net/stream/connection.ts';
import type { Listener as ConnectionListener } from '../../net/stream/listener.ts';
import { addressText, type ListenAddress, listenEndpointOf } from './addresses.ts';
import { KeptPromise } from './kept-promise.ts';
import { type CheckedSettings, type ListenOptions, serverSettings } from './options.ts';
import { type Socket, socketOf } from './socket.ts';
import { orSocketError, SocketError, socketError } from './socket-error.ts';
import { socketLoop } from './socket-loop.ts';
import {
  connectionSettings,
  type SocketLoop,
  SocketStreams,
  socketHandlers,
} from './socket-streams.ts';

let listenOn: (address: ListenAddress, options: ListenOptions) => Listener;

/**
 * A listening socket, and its clients as a stream of {@link Socket}s: the counterpart of
 * {@link connect}, which the proposal leaves open. Its shape is that of `Deno.Listener`.
 *
 * It accepts while somebody waits for a client, and 64 clients ahead; others wait in the queue of
 * listen(2). A `for await` over the listener that is left early, and a `readable` that is
 * cancelled, close it.
 *
 * @example
 * ```ts
 * import { connect, listen } from 'sockloop/web';
 *
 * await using listener = listen('127.0.0.1:0');
 * const client = connect(`127.0.0.1:${listener.port}`);
 * const ending = client.writable.close();
 * for await (const socket of listener) {
 *   await socket.readable.pipeTo(socket.writable); // An echo, until the client's end.
 *   break;
 * }
 * await Promise.all([ending, client.closed]);
 * ```
 */
export class Listener implements AsyncIterable<Socket>, AsyncDisposable {
  /** The clients. */
  readonly readable: ReadableStream<Socket>;
  /** Where it listens: `127.0.0.1:7007`, or the path of a UNIX socket. */
  readonly localAddress: string;
  /** The port on which it listens; null for a UNIX socket. */
  readonly port: number | null;
  readonly #on: SocketLoop;
  readonly #settings: CheckedSettings;
  readonly #listener: ConnectionListener<SocketStreams>;
  readonly #queue: ConnectionQueue<Socket>;
  readonly #abort: AbortWatch | null;
  readonly #closed = new KeptPromise<void>();
  readonly #sink: LoopSink = { place: -1, loopClosed: () => this.#loopClosed() };
  /** That of the stream, until it has ended. */
  #controller: ReadableStreamDefaultController<Socket> | null = null;
  #isClosed = false;

  static {
    listenOn = (address, options) => new Listener(address, options);
  }

  private constructor(address: ListenAddress, options: ListenOptions) {
    this.#settings = serverSettings(options);
    const endpoint = listenEndpointOf(address);
    const { signal, backlog, reusePort, maxConnections } = options;
    requireSignal(signal);
    signal?.throwIfAborted();
    this.#on = socketLoop(options.loop);
    const { loop } = this.#on;
    this.#listener = orSocketError(() =>
      loop.listen<SocketStreams>({
        ...connectionSettings,
        ...endpoint,
        ...(backlog === undefined ? {} : { backlog }),
        ...(reusePort === undefined ? {} : { reusePort }),
        ...(maxConnections === undefined ? {} : { maxConnections }),
        handlers: { ...socketHandlers, open: (connection) => this.#accepted(connection) },
        onError: (error) => this.#failed(error),
      }),
    );
    this.#on.hold();
    this.port = this.#listener.port;
    this.localAddress = addressText(this.#listener.address) ?? '';
    const inner = loopOf(loop);
    register(inner, this.#sink);
    this.#queue = new ConnectionQueue<Socket>(inner, () => this.#update());
    this.#update();
    this.#abort = signal ? new AbortWatch(inner, signal, () => void this.close()) : null;
    this.readable = this.#stream();
  }

  /** Resolves when the listener is closed; rejects with what has ended accepting. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /**
   * Waits for a client.
   *
   * @returns the next client. It rejects with a {@link SocketError} once the listener is closed.
   */
  async accept(): Promise<Socket> {
    const clients = this.#queue.iterate();
    try {
      const { value } = await clients.next();
      if (value === undefined) throw new SocketError('cannot accept: the listener is closed');
      return value;
    } finally {
      void clients.return();
    }
  }

  /**
   * Iterates over {@link readable}.
   *
   * @returns the clients, until the listener is closed. It throws what has ended accepting.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Socket> {
    return this.readable.values();
  }

  /**
   * Stops listening. Clients that nobody has taken are closed; the other ones go on.
   *
   * @returns the promise {@link closed}.
   */
  close(): Promise<void> {
    if (this.#isClosed) return this.closed;
    const { loop } = this.#on;
    this.#listener.close();
    this.#end(null);
    // The descriptor is closed at the end of the turn.
    loop.defer(() => loop.defer(() => this.#over(null)));
    return this.closed;
  }

  /**
   * Closes the listener, as {@link close}, at the end of an `await using` block.
   *
   * @returns the promise {@link closed}.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accepted(connection: Connection<SocketStreams>): void {
    const streams = new SocketStreams(this.#on, this.#settings);
    streams.connected(connection);
    this.#queue.push(socketOf(streams));
  }

  #update(): void {
    if (this.#queue.isHungry) this.#listener.resume();
    else this.#listener.pause();
  }

  #failed(error: Error): void {
    // Out of descriptors it goes on by itself.
    if (this.#listener.isOpen) return;
    const why = socketError(error);
    this.#end(why);
    this.#over(why);
  }

  /** Nobody gets a client any more. */
  #end(error: SocketError | null): void {
    this.#isClosed = true;
    this.#abort?.end();
    this.#queue.closeWaiting();
    this.#queue.end(error);
    const controller = this.#controller;
    this.#controller = null;
    if (error === null) controller?.close();
    else controller?.error(error);
  }

  /** The descriptor is closed. */
  #over(error: Error | null): void {
    unregister(loopOf(this.#on.loop), this.#sink);
    this.#on.release();
    if (error === null) this.#closed.resolve();
    else this.#closed.reject(error);
  }

  #loopClosed(): void {
    const error = socketError(closedLoopError('listen'));
    if (!this.#isClosed) this.#end(error);
    this.#over(error);
  }

  #stream(): ReadableStream<Socket> {
    let clients: PullIterator<Socket> | null = null;
    return new ReadableStream<Socket>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: async () => {
          clients ??= this.#queue.iterate();
          const { value } = await clients.next();
          // The stream may have been cancelled meanwhile.
          if (this.#controller !== null && value !== undefined) this.#controller.enqueue(value);
          else void value?.close();
        },
        cancel: async () => {
          this.#controller = null;
          await this.close();
        },
      },
      { highWaterMark: 0 },
    );
  }
}

/**
 * Listens for connections.
 *
 * @param address where: `"127.0.0.1:7007"`, `{ hostname, port }` (port 0 for a free one, without a
 *   hostname all interfaces), or `{ path }`. A name is resolved before this returns.
 * @param options TLS, half-open sockets, limits, the loop.
 * @returns the listener, which listens already.
 * @throws SocketError, which is a TypeError, for an address that is none, or that cannot be
 *   listened on (`EADDRINUSE`, `EACCES`, ...).
 * @throws TypeError or RangeError for an option of a wrong type or value.
 * @throws the reason of a `signal` that is aborted already.
 */
export function listen(address: ListenAddress, options: ListenOptions = {}): Listener {
  return listenOn(address, options);
}
