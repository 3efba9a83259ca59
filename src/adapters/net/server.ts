import { AsyncResource } from 'node:async_hooks';
import { lookup } from 'node:dns';
import { EventEmitter } from 'node:events';
import type { AddressInfo, BlockList } from 'node:net';
import type { Connection } from '../../net/stream/connection.ts';
import type { Listener } from '../../net/stream/listener.ts';
import type { InheritedEndpoint } from '../../net/stream/listening-socket.ts';
import type { Endpoint } from '../../socket/create.ts';
import {
  checkBlockList,
  checkNumber,
  checkSignal,
  codedError,
  wrongType,
  wrongValueOf,
} from '../arguments.ts';
import { type ThreadLoop, threadLoop } from '../thread-loop.ts';
import { checkedPort, normalized, portOf } from './arguments.ts';
import { addressInfo } from './endpoint-names.ts';
import { type CallFailure, callFailure, listenError, unsupported } from './node-errors.ts';
import type { ListenOptions, ServerOptions } from './options.ts';
import { acceptOn, Socket, socketSettings } from './socket.ts';
import { allowAll } from './socket-mode.ts';
import { throwLater } from './uncaught.ts';

const BACKLOG = 511;

/**
 * A TCP or UNIX server of node:net's make, on a loop of sockloop: its methods, properties, events
 * and error codes are those of `net.Server`. docs/net-compatibility.md lists what differs.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import { connect, Server } from 'sockloop/net';
 *
 * const server = new Server((socket) => socket.end('hello'));
 * server.listen({ port: 0, host: '127.0.0.1' });
 * await once(server, 'listening');
 * const address = server.address();
 * assert(typeof address === 'object' && address !== null);
 * const [chunk] = await once(connect(address.port, '127.0.0.1'), 'data');
 * assert.equal(String(chunk), 'hello');
 * await server[Symbol.asyncDispose]();
 * ```
 */
export class Server extends EventEmitter implements AsyncDisposable {
  /** Further connections are closed at once, and reported by `drop`. Default: no limit. */
  maxConnections?: number;
  readonly #options: ServerOptions;
  readonly #thread: ThreadLoop;
  #listener: Listener<Socket> | null = null;
  /** A look-up or a call that is older than the last one has no effect. */
  #attempts = 0;
  #connections = 0;
  /** The descriptor is not closed yet. */
  #closing = false;
  /** What emits `close` then, in the context of what asked for it. */
  readonly #closesOwed: (() => void)[] = [];
  /** The path that it was asked to listen on. */
  #path: string | null = null;
  #referenced = true;
  #held = false;

  /**
   * A server that does not listen yet.
   *
   * @param options those of `net.Server`, or the listener.
   * @param listener hears of each connection.
   * @throws TypeError for an option of a wrong type.
   */
  constructor(
    options?: ServerOptions | ((socket: Socket) => void) | null,
    listener?: (socket: Socket) => void,
  ) {
    super();
    const given = typeof options === 'function' ? {} : (options ?? {});
    if (typeof given !== 'object') throw wrongType('options', 'of type object', options);
    checkNumber(given.keepAliveInitialDelay, 'options.keepAliveInitialDelay');
    checkNumber(given.highWaterMark, 'options.highWaterMark');
    checkBlockList(given.blockList, 'options.blockList');
    this.#options = { ...given };
    this.#thread = threadLoop();
    const connected = typeof options === 'function' ? options : listener;
    if (connected !== undefined) this.on('connection', connected);
  }

  /**
   * Listens on a port.
   *
   * @param port the port; 0 or none for a free one.
   * @param host a name or an address. Default: all interfaces.
   * @param backlog the length of the queue of connections that are not accepted. Default: 511.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(port?: number, host?: string, backlog?: number, listener?: () => void): this;
  /**
   * Listens on a port.
   *
   * @param port the port; 0 or none for a free one.
   * @param host a name or an address. Default: all interfaces.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(port?: number, host?: string, listener?: () => void): this;
  /**
   * Listens on a port.
   *
   * @param port the port; 0 or none for a free one.
   * @param backlog the length of the queue of connections that are not accepted. Default: 511.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(port?: number, backlog?: number, listener?: () => void): this;
  /**
   * Listens on a port.
   *
   * @param port the port; 0 or none for a free one.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(port?: number, listener?: () => void): this;
  /**
   * Listens on a path.
   *
   * @param path the path of a UNIX socket.
   * @param backlog the length of the queue of connections that are not accepted. Default: 511.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(path: string, backlog?: number, listener?: () => void): this;
  /**
   * Listens on a path.
   *
   * @param path the path of a UNIX socket.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(path: string, listener?: () => void): this;
  /**
   * Listens. A failure is the event `error`.
   *
   * @param options where to listen, and how.
   * @param listener is called once it listens.
   * @returns the server.
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(options: ListenOptions, listener?: () => void): this;
  listen(...args: unknown[]): this {
    const [options, listener] = normalized<ListenOptions>(args);
    if (this.#listener !== null) {
      const message = 'Listen method has been called more than once without closing.';
      throw codedError(new Error(message), 'ERR_SERVER_ALREADY_LISTEN');
    }
    if (listener !== null) this.once('listening', listener);
    const fromArgs = portOf(args[1]) ?? portOf(args[2]) ?? 0;
    this.#attempts += 1;
    this.#listenAt(options, options.backlog || fromArgs || BACKLOG, args.length === 0);
    return this;
  }

  #listenAt(options: ListenOptions, backlog: number, anyPort: boolean): void {
    const { fd, path, host, signal, reusePort = false, ipv6Only = false } = options;
    if ('handle' in options && options.handle) throw unsupported('options.handle', options.handle);
    checkSignal(signal, 'options.signal');
    if (signal?.aborted === true) process.nextTick(() => this.close());
    else signal?.addEventListener('abort', this.#aborted, { once: true });
    const isAny =
      anyPort || options.port === null || ('port' in options && options.port === undefined);
    if (typeof fd === 'number' && fd >= 0) {
      this.#listenOn({ fd }, {}, `fd ${fd}`, 0);
    } else if (isAny || typeof options.port === 'number' || typeof options.port === 'string') {
      const port = isAny ? 0 : checkedPort(options.port, 'options.port');
      if (host) this.#listenOnHost(host, port, { backlog, reusePort, ipv6Only });
      else this.#listenOn({ host: null, port }, { backlog, reusePort, ipv6Only }, '::', port);
    } else if (typeof path === 'string' && portOf(path) === null) {
      this.#path = path;
      this.#listenOn({ path }, { backlog }, path, -1);
      if (this.#listener !== null) allowAll(path, options);
    } else {
      const isNamed = 'port' in options || 'path' in options;
      const reason = isNamed ? 'is invalid' : 'must have the property "port" or "path"';
      throw wrongValueOf('options', options, reason);
    }
  }

  #listenOnHost(host: string, port: number, how: ListenHow): void {
    const attempt = this.#attempts;
    lookup(host, (error, address) => {
      if (attempt !== this.#attempts) return;
      if (error !== null) this.emit('error', error);
      else this.#listenOn({ host: address === '::' ? null : address, port }, how, address, port);
    });
  }

  #listenOn(
    endpoint: Endpoint | InheritedEndpoint,
    how: ListenHow,
    address: string,
    port: number,
  ): void {
    const scope = new AsyncResource('SOCKLOOP_SERVER');
    try {
      this.#listener = this.#thread.loop.listen<Socket>({
        ...socketSettings,
        ...endpoint,
        ...how,
        handlers: {
          ...socketSettings.handlers,
          open: (connection) => scope.runInAsyncScope(this.#accepted, this, connection),
        },
        onError: (error) => void scope.runInAsyncScope(this.emit, this, 'error', error),
      });
    } catch (error) {
      const failure = callFailure(error);
      const told =
        failure === null ? error : listenError(this.#asNode(failure, port), address, port);
      process.nextTick(() => this.emit('error', told));
      return;
    }
    this.#hold();
    const attempt = this.#attempts;
    process.nextTick(() => {
      if (this.#listener !== null && attempt === this.#attempts) this.emit('listening');
    });
  }

  /** libuv's word for a path that leads nowhere. */
  #asNode(failure: CallFailure, port: number): CallFailure {
    if (port >= 0 || failure.code !== 'ENOENT') return failure;
    return { ...failure, code: 'EACCES', errno: -this.#thread.loop.sys.abi.errno.EACCES };
  }

  readonly #aborted = (): void => {
    this.close();
  };

  #hold(): void {
    const isHeld = this.#referenced && (this.#listener !== null || this.#closing);
    if (isHeld === this.#held) return;
    this.#held = isHeld;
    if (isHeld) this.#thread.hold();
    else this.#thread.release();
  }

  #accepted(connection: Connection<Socket>): void {
    try {
      if (isBlocked(this.#options.blockList, connection)) {
        refuse(connection);
        return;
      }
      if (this.maxConnections !== undefined && this.#connections >= this.maxConnections) {
        this.#drop(connection);
        return;
      }
      const { pauseOnConnect = false, blockList: _, ...options } = this.#options;
      const socket = new Socket(options);
      this.#connections += 1;
      const left = (): void => this.#left();
      acceptOn(socket, connection, { server: this, left }, pauseOnConnect);
      this.emit('connection', socket);
    } catch (error) {
      throwLater(error);
    }
  }

  #drop(connection: Connection<Socket>): void {
    const local = addressInfo(connection.localAddress);
    const remote = addressInfo(connection.remoteAddress);
    this.emit('drop', {
      localAddress: local.address,
      localPort: local.port,
      localFamily: local.family,
      remoteAddress: remote.address,
      remotePort: remote.port,
      remoteFamily: remote.family,
    });
    refuse(connection);
  }

  #left(): void {
    this.#connections -= 1;
    this.#emitCloseIfDrained();
  }

  #emitCloseIfDrained(): void {
    if (this.#listener !== null || this.#connections > 0) return;
    const emit = (): void => this.#emitCloseIfDrained();
    if (this.#closing) this.#closesOwed.push(AsyncResource.bind(emit));
    else process.nextTick(() => this.emit('close'));
  }

  /**
   * Stops accepting. Open sockets go on; `close` comes when the last is destroyed.
   *
   * @param callback is called then, with `ERR_SERVER_NOT_RUNNING` for a server that is closed.
   * @returns the server.
   */
  close(callback?: (error?: Error) => void): this {
    this.#attempts += 1;
    const listener = this.#listener;
    if (typeof callback === 'function') {
      if (listener !== null) this.once('close', callback);
      else this.once('close', () => callback(notRunning()));
    }
    if (listener !== null) {
      listener.close();
      this.#listener = null;
      const { loop } = this.#thread;
      this.#closing = !loop.closed;
      // The descriptor is closed at the end of the turn.
      if (this.#closing) loop.defer(() => loop.defer(() => this.#closed()));
      this.#hold();
    }
    this.#emitCloseIfDrained();
    return this;
  }

  #closed(): void {
    this.#closing = false;
    this.#hold();
    for (const emit of this.#closesOwed.splice(0)) emit();
  }

  /**
   * Closes the server.
   *
   * @returns a promise that resolves when the last socket is destroyed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#listener === null) return;
    await new Promise<void>((resolve) => this.close(() => resolve()));
  }

  /** Whether it listens. */
  get listening(): boolean {
    return this.#listener !== null;
  }

  /**
   * Tells where it listens.
   *
   * @returns the address, or the path of a UNIX socket; null if it does not listen.
   */
  address(): AddressInfo | string | null {
    const address = this.#listener?.address;
    if (address === undefined || address.family === 'UNIX') return this.#path;
    return addressInfo(address) as AddressInfo;
  }

  /**
   * Counts the open sockets.
   *
   * @param callback gets the number.
   * @returns the server.
   */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  /**
   * Has the listening server keep the process alive, as it does at first.
   *
   * @returns the server.
   */
  ref(): this {
    this.#referenced = true;
    this.#hold();
    return this;
  }

  /**
   * Lets the process end although the server listens.
   *
   * @returns the server.
   */
  unref(): this {
    this.#referenced = false;
    this.#hold();
    return this;
  }
}

interface ListenHow {
  readonly backlog?: number;
  readonly reusePort?: boolean;
  readonly ipv6Only?: boolean;
}

function refuse(connection: Connection<Socket>): void {
  // Its handlers find a socket, which nobody hears of.
  connection.data = new Socket().destroy();
  connection.close();
}

function isBlocked(list: BlockList | undefined, { remoteAddress }: Connection<Socket>): boolean {
  if (list === undefined || remoteAddress === null || remoteAddress.family === 'UNIX') return false;
  return list.check(remoteAddress.address, remoteAddress.family === 'IPv6' ? 'ipv6' : 'ipv4');
}

function notRunning(): Error {
  return codedError(new Error('Server is not running.'), 'ERR_SERVER_NOT_RUNNING');
}
