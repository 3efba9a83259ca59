import type { Buffer } from 'node:buffer';
import type { BlockList } from 'node:net';
import { addAbortSignal, Duplex } from 'node:stream';
import { ownedBuffer } from '../../base/borrowed.ts';
import type { Connection, ConnectionSettings } from '../../net/stream/connection.ts';
import { StreamWrites } from '../../net/stream/stream-writes.ts';
import { codedError } from '../arguments.ts';
import { normalized } from './arguments.ts';
import { ConnectOperation } from './connect-operation.ts';
import { borrowedBuffer, Forwarding } from './forwarding.ts';
import {
  brokenError,
  callFailure,
  closedBeforeConnection,
  closedSocket,
  endedByPeer,
  unsupported,
  writeAtDestruction,
} from './node-errors.ts';
import type { SocketConnectOptions, SocketOptions } from './options.ts';
import type { Server } from './server.ts';
import { SocketBase } from './socket-base.ts';
import { checkSocketOptions, duplexOptions } from './socket-options.ts';

type Done = (error?: Error | null) => void;

/** What a socket tells the server that accepted it. */
interface Acceptor {
  readonly server: Server;
  /** The socket is destroyed. */
  left(): void;
}

/** The settings of all connections of sockets; see {@link StreamWrites}. */
export let socketSettings: ConnectionSettings<Socket>;

/** Makes `socket` that of an accepted connection. */
export let acceptOn: (
  socket: Socket,
  connection: Connection<Socket>,
  acceptor: Acceptor,
  paused: boolean,
) => void;

/**
 * A TCP or UNIX socket of node:net's make, on a loop of sockloop: its methods, properties, events
 * and error codes are those of `net.Socket`. docs/net-compatibility.md lists what differs.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import net from 'sockloop/net';
 *
 * const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
 * await once(server, 'listening');
 * const address = server.address();
 * assert(typeof address === 'object' && address !== null);
 * const client = net.connect(address.port, '127.0.0.1');
 * client.end('hello');
 * let echo = '';
 * for await (const chunk of client) echo += chunk;
 * assert.equal(echo, 'hello');
 * server.close();
 * ```
 */
export class Socket extends SocketBase {
  /** The server that has accepted it; null for a socket that connects. */
  server: Server | null = null;
  #writes: StreamWrites | null = null;
  #operation: ConnectOperation<Socket> | null = null;
  #acceptor: Acceptor | null = null;
  /** The descriptor is closed. */
  #isClosed = false;
  /** The stream has asked for data of this connection. */
  #isAsked = false;
  /** The connection is paused. */
  #paused = false;
  /** The last pipe, if it leads to another socket. */
  #forwarding: Forwarding | null = null;
  readonly #blockList: BlockList | null;
  #resetting = false;
  #hadError = false;
  /** The bytes that were passed to the connection, and those of the last write among them. */
  #dispatched = 0;
  #inFlight = 0;

  static {
    socketSettings = {
      noDelay: false,
      // Copied here, where it is known what a chunk is for.
      chunks: 'borrowed',
      queueBytesHigh: 0,
      queueBytesMax: Number.MAX_SAFE_INTEGER,
      handlers: {
        data: ({ data }, chunk) => data.inScope(data.#received, chunk),
        drain: ({ data }) => data.inScope(data.#drained),
        end: ({ data }) => data.inScope(data.#peerEnded),
        close: ({ data }, error) => data.inScope(data.#closedWith, error),
      },
    };
    acceptOn = (socket, connection, acceptor, paused) => {
      socket.#acceptor = acceptor;
      socket.server = acceptor.server;
      socket.openOuterScope();
      socket.#take(connection);
      socket.applySettings(connection);
      if (!paused) {
        socket.read(0);
        return;
      }
      socket.#pause();
      socket.pause();
    };
  }

  /**
   * A socket that is not connected, or the one of a descriptor.
   *
   * @param options those of `net.Socket`, or a descriptor.
   * @throws TypeError for an option of a wrong type, or one that is not supported.
   * @throws SysError for a descriptor that is no connected stream socket.
   */
  constructor(options: SocketOptions | number = {}) {
    const own = typeof options === 'number' ? { fd: options } : options;
    checkSocketOptions(own);
    super(duplexOptions(own), own);
    this.#blockList = own.blockList ?? null;
    this.on('end', () => {
      if (this.allowHalfOpen) return;
      this.write = this.#writeAfterEnd;
      // Once nothing else is to be done: TLS on this socket hears of the end and has last words.
      this.allowHalfOpen = true;
      queueMicrotask(() => {
        this.allowHalfOpen = false;
        if (this.writable) this.end();
      });
    });
    if (own.fd !== undefined) this.#adopt(own.fd, own.readable ?? true);
    if (own.signal !== undefined) addAbortSignal(own.signal, this);
  }

  #adopt(fd: number, readable: boolean): void {
    this.openScope();
    this.#take(this.thread.loop.adopt<Socket>(fd, socketSettings));
    if (readable) this.read(0);
    else this.#pause();
  }

  /** The connection is this socket's from now on. */
  #take(connection: Connection<Socket>): void {
    connection.data = this;
    this.connection = connection as Connection<this>;
    this.#writes = new StreamWrites(connection);
    this.#isClosed = false;
    this.#isAsked = false;
    this.#paused = false;
    this.hasHandle = true;
    this.hold();
  }

  /**
   * Connects: `connect(options)`, `connect(port, host)`, `connect(port)` or `connect(path)`.
   *
   * @param options where to connect to, and how.
   * @param listener is called when the connection stands.
   * @returns the socket.
   * @throws TypeError or RangeError for a wrong option, with the code of Node's.
   */
  connect(options: SocketConnectOptions, listener?: () => void): this;
  /**
   * Connects to a host.
   *
   * @param port the port, 0 to 65535.
   * @param host a name or an address.
   * @param listener is called when the connection stands.
   * @returns the socket.
   */
  connect(port: number | string, host: string, listener?: () => void): this;
  /**
   * Connects to a port of `localhost`, or to the path of a UNIX socket.
   *
   * @param where the port or the path.
   * @param listener is called when the connection stands.
   * @returns the socket.
   */
  connect(where: number | string, listener?: () => void): this;
  connect(...args: unknown[]): this {
    const [options, listener] = normalized<SocketConnectOptions>(args);
    if (listener !== null) this.once('connect', listener);
    if (options.port === undefined && options.path == null) {
      const message = 'The "options" or "port" or "path" argument must be specified';
      throw codedError(new TypeError(message), 'ERR_MISSING_ARGS');
    }
    if ('onread' in options && options.onread) throw unsupported('options.onread', options.onread);
    if (this.destroyed) this.#reopen();
    this.forgetPeer();
    this.openScope();
    this.hasHandle = true;
    this.connecting = true;
    this.hold();
    this.touch();
    const operation = new ConnectOperation<Socket>(this.thread.loop, {
      settings: { ...socketSettings, noDelay: this.noDelay },
      blockList: this.#blockList,
      emit: (event, ...rest) => this.emit(event, ...rest),
      touched: () => this.touch(),
      connected: (connection) => this.#connected(connection),
      failed: (error) => {
        this.#tellAttempts();
        this.destroy(error);
      },
    });
    this.#operation = operation;
    if (options.path) operation.toPath(options.path);
    else operation.toHost(options);
    return this;
  }

  /** A closed socket may connect anew. */
  #reopen(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this.write = Duplex.prototype.write;
    this.connection = null;
    this.#writes = null;
    this.#isClosed = false;
    this.#resetting = false;
  }

  #tellAttempts(): void {
    const attempted = this.#operation?.attempted ?? null;
    if (attempted !== null) this.autoSelectFamilyAttemptedAddresses = attempted;
  }

  #connected(connection: Connection<Socket>): void {
    this.#tellAttempts();
    this.#operation = null;
    this.#take(connection);
    this.connecting = false;
    this.touch();
    this.applySettings(connection);
    this.emit('connect');
    this.emit('ready');
    if (this.destroyed) return;
    if (!this.isPaused()) this.read(0);
    if (!this.#isAsked) this.#pause();
  }

  #received(chunk: Uint8Array): void {
    this.touch();
    const bytes = this.#forwarding?.takesNow === true ? borrowedBuffer(chunk) : ownedBuffer(chunk);
    if (!this.push(bytes)) this.#pause();
  }

  /** @internal Whether what is written now is sent or copied before `write` returns. */
  get takesAtOnce(): boolean {
    const isIdle = this.writable && this.writableLength === 0 && this.writableCorked === 0;
    return isIdle && this.hasHandle && !this.connecting && this.#writes?.isBusy === false;
  }

  /**
   * Reads all and writes it to `target`: as `pipe` of any stream.
   *
   * @param target is written to.
   * @param options `end`: whether the end of this stream ends `target`. Default: true.
   * @returns the target.
   */
  override pipe<Target extends NodeJS.WritableStream>(
    target: Target,
    options?: { end?: boolean },
  ): Target {
    super.pipe(target, options);
    this.#forwarding =
      target instanceof Socket ? new Forwarding(this, target, Socket.prototype._write) : null;
    return target;
  }

  #drained(): void {
    this.touch();
    this.#writes?.drained();
  }

  #pause(): void {
    this.#paused = true;
    this.connection?.pause();
  }

  /** @internal */
  override _read(size: number): void {
    if (this.pending) {
      this.once('connect', () => this._read(size));
      return;
    }
    this.#isAsked = true;
    if (!this.#paused) return;
    this.#paused = false;
    this.connection?.resume();
  }

  #peerEnded(): void {
    this.touch();
    // The descriptor closes when both sides have ended, before the program hears of it.
    if (this.writableEnded) this.peerName();
    this.push(null);
    this.read(0);
  }

  /** @internal */
  override _write(chunk: Buffer, _: BufferEncoding, done: Done): void {
    if (this.connecting) this.#whenConnected(() => this._write(chunk, _, done), done);
    else if (this.#mayWrite(chunk.length, done)) this.#writes?.write(chunk, done);
  }

  /** @internal */
  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Done): void {
    if (this.connecting) {
      this.#whenConnected(() => this._writev(chunks, done), done);
      return;
    }
    let length = 0;
    for (const { chunk } of chunks) length += chunk.length;
    if (this.#mayWrite(length, done)) this.#writes?.writev(chunks, done);
  }

  #whenConnected(write: () => void, done: Done): void {
    const closed = (): void => done(closedBeforeConnection());
    this.once('connect', () => {
      this.off('close', closed);
      write();
    });
    this.once('close', closed);
  }

  /** Whether `length` bytes can be passed to the connection; if not, it calls `done`. */
  #mayWrite(length: number, done: Done): boolean {
    if (!this.hasHandle) {
      done(closedSocket());
      return false;
    }
    this.touch();
    this.#dispatched += length;
    this.#inFlight = length;
    if (this.connection?.isOpen === true) return true;
    // It has broken in this turn, which ends with the error.
    done();
    return false;
  }

  /** How many bytes were written, including those that wait. */
  get bytesWritten(): number {
    const inFlight = this.#writes?.isBusy === true ? this.#inFlight : 0;
    return this.#dispatched + this.writableLength - inFlight;
  }

  /** @internal */
  override _final(done: Done): void {
    this.#inFlight = 0;
    if (this.pending) this.once('connect', () => this._final(done));
    else if (this.connection?.isOpen !== true) done();
    // A destruction that follows at once comes before `finish`.
    else this.#writes?.end((error) => process.nextTick(done, error));
  }

  /** As node:net: the peer's end has ended this side, too, and a write is a broken pipe. */
  readonly #writeAfterEnd = ((...args: Parameters<Duplex['write']>): boolean => {
    if (!this.writableEnded) return super.write(...args);
    const error = endedByPeer();
    const callback = args.find((argument) => typeof argument === 'function') as Done | undefined;
    if (callback !== undefined) process.nextTick(callback, error);
    this.destroy(error);
    return false;
  }) as Duplex['write'];

  #closedWith(error: Error | null): void {
    this.#isClosed = true;
    if (this.destroyed) {
      this.#writes?.failed(writeAtDestruction(this.thread.loop.sys.abi));
      process.nextTick(() => this.#emitClose());
      return;
    }
    if (error === null && this.writableEnded) return;
    const failure = error === null ? null : callFailure(error);
    this.destroy(failure === null ? (error ?? undefined) : brokenError(failure));
    this.#writes?.failed(writeAtDestruction(this.thread.loop.sys.abi));
  }

  /** @internal */
  override _destroy(error: Error | null, done: Done): void {
    const { connection, hasHandle } = this;
    this.connecting = false;
    this.stopTimer();
    this.#operation?.cancel();
    this.#operation = null;
    this.hasHandle = false;
    this.#hadError = error !== null;
    done(error);
    if (!hasHandle) {
      process.nextTick(() => this.emit('close'));
    } else if (connection === null || this.#isClosed || this.thread.loop.closed) {
      setImmediate(() => this.inScope(this.#emitClose));
    } else if (this.#resetting) {
      connection.reset();
    } else {
      connection.close();
    }
    this.#acceptor?.left();
    this.#acceptor = null;
  }

  #emitClose(): void {
    this.hold(false);
    this.emit('close', this.#hadError);
  }

  /** Destroys the socket once everything that was written is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /**
   * Closes the connection by a reset and destroys the socket, once it is connected.
   *
   * @returns the socket.
   * @throws TypeError `ERR_INVALID_HANDLE_TYPE` for a UNIX socket.
   */
  resetAndDestroy(): this {
    if (!this.hasHandle) return this.destroy(closedSocket());
    if (this.connection?.localAddress?.family === 'UNIX') {
      const error = new TypeError('This handle type cannot be sent');
      throw codedError(error, 'ERR_INVALID_HANDLE_TYPE');
    }
    const reset = (): void => {
      this.#resetting = true;
      this.destroy();
    };
    if (this.connecting) this.once('connect', reset);
    else reset();
    return this;
  }
}
