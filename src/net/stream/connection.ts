import type { Duplex } from 'node:stream';
import type { Bytes } from '../../base/bytes.ts';
import type { ProxyHeader } from '../../framing/proxy-header.ts';
import type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
} from '../../socket/options/table.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { SysError } from '../../sys/sys-error.ts';
import type { ConnectionInfo } from './connection-info.ts';

/**
 * The handlers of a program: one object for all connections of a listener or of a `connect`.
 *
 * Every handler is optional, runs in a turn of the loop, never inside a call that the program
 * makes, and may do anything, such as closing this connection or another one.
 *
 * A handler may be `async`. What it returns is ignored, except for a promise that is rejected: that
 * is an error of the handler, as if it was thrown, also when the connection is closed by then. The
 * loop does not wait for the promise: the next handler may be called before it is settled.
 *
 * After an error of a handler its connection is closed, as by `close()`, and `onHandlerError` of
 * the listener or `connect` is called, else that of the loop; all others go on. Without either the
 * error ends `run()` of the loop, and what the turn had not delivered comes in the next one.
 *
 * The order is `open`, then any number of `data` and `drain`, `end` at most once, `close` exactly
 * once and last.
 */
export interface ConnectionHandlers<Data = undefined> {
  /**
   * The connection is established.
   *
   * @param connection the new connection.
   */
  open?(connection: Connection<Data>): void;
  /**
   * Bytes were received.
   *
   * `chunk` is the program's own, to keep and to change, unless {@link ConnectionSettings.chunks}
   * is `borrowed`.
   *
   * @param connection the connection.
   * @param chunk the bytes, at least 1.
   */
  data?(connection: Connection<Data>, chunk: Uint8Array): void;
  /**
   * The queue is empty again after `write` has returned false.
   *
   * @param connection the connection.
   */
  drain?(connection: Connection<Data>): void;
  /**
   * The peer has ended its side: it sends nothing more and may still read. Without this handler the
   * connection ends its own side too, behind what is queued.
   *
   * @param connection the connection.
   */
  end?(connection: Connection<Data>): void;
  /**
   * The descriptor is closed.
   *
   * @param connection the connection.
   * @param error what broke the connection, null if nothing did.
   */
  close?(connection: Connection<Data>, error: SysError | null): void;
}

/** Options of {@link Connection.close}. */
export interface CloseOptions {
  /**
   * The longest time in milliseconds for delivering everything to the peer: 0 to 2^31 - 1.
   * Default: 0, which closes at once.
   */
  readonly lingerMs?: number;
}

/** Options of {@link Connection.toDuplex}. */
export interface ToDuplexOptions {
  /**
   * Whether the stream stays writable once the peer has ended its side. Default: true; with false
   * it ends then.
   */
  readonly allowHalfOpen?: boolean;
  /** How many bytes are held for a slow reader before the socket is paused. Default: Node's. */
  readonly readableHighWaterMark?: number;
  /** `write` of the stream returns false above so many bytes. Default: Node's. */
  readonly writableHighWaterMark?: number;
}

/** Options of all connections of a listener or of a `connect`. */
export interface ConnectionSettings<Data = undefined> {
  /** The handlers, shared by all of the connections. */
  readonly handlers: ConnectionHandlers<Data>;
  /**
   * What the `data` handler gets. Default: `owned`, bytes that are the program's own for ever, also
   * behind an `await`.
   *
   * An owned chunk is a copy, most often a slice of memory that it shares with other chunks:
   * `chunk.buffer` is longer than the chunk and cannot be transferred. A chunk that is kept holds
   * at most 16 KiB of memory, or 64 times its own length; one above 16 KiB has exactly its own.
   * What is kept for long or posted to a thread is better a `chunk.slice()`.
   *
   * `borrowed` saves the copy: a few percent of the CPU of an echo of small messages, a quarter and
   * more of one of 16 KiB. The chunk is then a view of the loop's receive memory, valid until the
   * handler returns (an `async` one returns at its first `await`). Within the handler it may be
   * written to any connection; {@link Connection.write} says what happens to one that is written
   * later.
   */
  readonly chunks?: 'owned' | 'borrowed';
  /**
   * Closes a connection on which nothing moves for so many milliseconds; see
   * {@link Connection.setTimeout}. Default: null, never.
   */
  readonly idleTimeoutMs?: number | null;
  /**
   * Whether written bytes are sent at once (`TCP_NODELAY`). Default: true. Without it the end of an
   * answer in pieces may wait 40 ms for the acknowledgement of the piece before it.
   */
  readonly noDelay?: boolean;
  /** `write` returns false above so many queued bytes. Default: 64 KiB. */
  readonly queueBytesHigh?: number;
  /** A write is refused if more bytes than this would be queued. Default: 256 MiB. */
  readonly queueBytesMax?: number;
  /**
   * A handler has thrown, or the promise that it returned was rejected. The connection is closed;
   * its `close` handler follows, unless it was called before or is the one that failed. What this
   * throws ends `run()`. Default: `onHandlerError` of the loop.
   *
   * @param error what was thrown.
   * @param connection the connection whose handler it was.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { createConnection, EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const errors: string[] = [];
   * const listener = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: {
   *     data: async (connection, chunk) => {
   *       connection.write(String(JSON.parse(new TextDecoder().decode(chunk)).length));
   *     },
   *     close: () => listener.close(),
   *   },
   *   onHandlerError: (error) => errors.push((error as Error).name),
   * });
   * assert(listener.address.family === 'IPv4');
   * using client = createConnection({ host: '127.0.0.1', port: listener.address.port });
   * client.sendAll('not JSON');
   * await loop.run();
   * assert.deepEqual(errors, ['SyntaxError']);
   * ```
   */
  onHandlerError?(error: unknown, connection: Connection<Data>): void;
}

/**
 * A connected stream socket on an event loop: TCP, or a UNIX socket.
 *
 * The connection owns its descriptor. It closes by itself once both sides have ended and all output
 * has been sent. All of it belongs to the thread of its loop.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop, LineBuffer } from 'sockloop';
 *
 * using loop = new EventLoop();
 * // Each connection keeps its unfinished line in `data`.
 * const listener = loop.listen<LineBuffer>({
 *   host: '127.0.0.1',
 *   port: 0,
 *   handlers: {
 *     open: (connection) => {
 *       connection.data = new LineBuffer(1024);
 *     },
 *     data: (connection, chunk) => {
 *       const lines = connection.data;
 *       lines.append(chunk);
 *       for (let line = lines.takeLine(); line !== null; line = lines.takeLine()) {
 *         connection.write(line);
 *       }
 *     },
 *     close: () => listener.close(),
 *   },
 * });
 * assert(listener.address.family === 'IPv4');
 *
 * let echo = '';
 * loop.connect({
 *   host: '127.0.0.1',
 *   port: listener.address.port,
 *   handlers: {
 *     open: (connection) => connection.end('one\ntwo\nthr'),
 *     data: (_, chunk) => {
 *       echo += new TextDecoder().decode(chunk);
 *     },
 *   },
 * });
 * await loop.run();
 * assert.equal(echo, 'one\ntwo\n');
 * ```
 */
export interface Connection<Data = undefined> {
  /** A value of the program's own, undefined until it is set, best in `open`. */
  data: Data;
  /** The descriptor, -1 once it is closed. The connection owns it. */
  readonly fd: number;
  /**
   * The peer's address, read on first use: getpeername(2). In `close` it is known for a connection
   * that broke; after an orderly end it is null unless it was read before. A link-local IPv6
   * address has its zone in `scopeId`.
   */
  readonly remoteAddress: SocketAddress | null;
  /** The connection's own address, read on first use: getsockname(2). */
  readonly localAddress: SocketAddress | null;
  /** The header of the PROXY protocol that it began with; null without one. */
  readonly proxy: ProxyHeader | null;
  /** How many bytes were received. */
  readonly bytesReceived: number;
  /**
   * How many of the written bytes the kernel has taken: the same on every loop, and valid once the
   * connection has broken. The peer may have got fewer: see {@link unacknowledgedBytes}.
   */
  readonly bytesSent: number;
  /** How many bytes wait for room in the kernel. */
  readonly queuedBytes: number;
  /**
   * How many of {@link bytesSent} the peer's kernel has not acknowledged, read at each use
   * (`SIOCOUTQ` and the like); null for a UNIX socket and where the platform cannot tell.
   *
   * In `close` it is the number at the moment in which the connection broke, was reset or timed
   * out, or in which a lingering close ended; null after a plain `close()` and an orderly end.
   */
  readonly unacknowledgedBytes: number | null;
  /** False once the connection was closed or broke, even if `close` is yet to follow. */
  readonly isOpen: boolean;

  /**
   * Sends bytes. The writes of a turn go together, with the next wait; they count as sent, as they
   * nearly always are. The memory is the caller's again when the call returns, except for a
   * borrowed chunk that a `data` handler is reading: that is sent in place, so leave it as it is.
   *
   * A borrowed chunk (see {@link ConnectionSettings.chunks}) whose `data` handler has returned is
   * refused on every loop: its memory may hold bytes of another client by then. One case cannot be
   * detected: an old chunk at the place of the one that a later `data` handler is reading. With the
   * environment variable `SOCKLOOP_DEBUG=1` every borrowed chunk is a copy of its own, filled with
   * 0xdb once its handler has returned, and every late use is detected.
   *
   * @param data a string, sent as UTF-8, or any view (Uint8Array, DataView, Uint16Array, ...), sent
   *   as the bytes it covers.
   * @param offset the first of these bytes to send. Default: 0.
   * @param length how many to send. Default: all from `offset` on.
   * @returns false above `queueBytesHigh` queued bytes: wait for `drain` then. Also false on a
   *   connection that is closed, or that ended its side because its peer did: the bytes are
   *   dropped, and `close` tells.
   * @throws TypeError where `data` is neither; of an ArrayBuffer, pass a view.
   * @throws RangeError where the range lies outside the data, or more than `queueBytesMax` bytes
   *   would be queued. Nothing is sent.
   * @throws Error for a borrowed chunk whose handler has returned, and with the code
   *   `ERR_STREAM_WRITE_AFTER_END` after {@link end}.
   */
  write(data: Bytes, offset?: number, length?: number): boolean;
  /**
   * Ends this side, behind the queued bytes: shutdown(2). The peer can go on sending. A second call
   * does nothing.
   *
   * @param data bytes to write first.
   * @throws what {@link write} throws; the side is not ended then.
   */
  end(data?: Bytes): void;
  /** Stops receiving until {@link resume}; the peer's end is not seen either. Idempotent. */
  pause(): void;
  /** Receives again after {@link pause}. Idempotent. */
  resume(): void;
  /** Drops the queue and closes at once with a reset (a plain end on a UNIX socket). */
  reset(): void;
  /**
   * Drops the queue and closes at once; `close` follows in this turn or the next. If the peer has
   * sent something that was not received, close(2) resets the connection, which may destroy output
   * that the peer has not read.
   *
   * With `lingerMs` the peer gets everything: this side ends behind the queued bytes; what still
   * arrives is discarded, even if the connection was paused, until the peer has ended too; then the
   * descriptor is closed. No handler but `close` is called any more, and `write` drops its bytes.
   * After `lingerMs` it closes anyway: with the error `ETIMEDOUT` if the peer has not acknowledged
   * all, and by a reset if some is still queued. A second call with `lingerMs` does nothing; a call
   * without it closes at once.
   *
   * @param options how long to linger.
   * @throws RangeError for a `lingerMs` out of its range.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { createConnection, EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const listener = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: {
   *     // Answers the first bytes and hangs up, whatever else the client may have sent.
   *     data: (connection) => {
   *       connection.write(new TextEncoder().encode('too much'));
   *       connection.close({ lingerMs: 5000 });
   *     },
   *     close: () => listener.close(),
   *   },
   * });
   * assert(listener.address.family === 'IPv4');
   * using client = createConnection({ host: '127.0.0.1', port: listener.address.port });
   * client.sendAll(new Uint8Array(100_000));
   * client.shutdown('write');
   * await loop.run();
   * const answer = new Uint8Array(100);
   * assert.equal(client.recv(answer), 8);
   * assert.equal(client.recv(answer), 0); // The end, and no ECONNRESET.
   * ```
   */
  close(options?: CloseOptions): void;
  /**
   * Closes the connection with the error `ETIMEDOUT` once nothing was received, written or taken by
   * the peer for `idleMs`; never earlier, and up to twice as late if output is stuck. The peer gets
   * a reset if output is stuck, so that it takes no part for the whole. A paused connection is
   * idle.
   *
   * @param idleMs milliseconds, above 0 and at most 2^31 - 1; null for no timeout.
   * @throws RangeError for another value.
   */
  setTimeout(idleMs: number | null): void;
  /**
   * Makes the connection a stream of node:stream, for everything that takes one: `pipeline`, TLS, a
   * parser. From then on the stream gets what the handlers got; none of them is called any more.
   * Chunks are Buffers over the bytes of the `data` handler, and the program's own.
   *
   * The peer's end ends the reading side, `end()` the writing side, in either order; then the
   * stream closes. `destroy()` drops what is queued. A connection that breaks destroys the stream
   * with its SysError. Written bytes are called back once the kernel has taken them. Once its loop
   * is closed the stream is destroyed.
   *
   * @param options half-open streams, and how much each side holds.
   * @returns the stream, whose events come while the loop runs or is attached.
   * @throws Error for a connection that is closed or was ended, or has a stream already.
   * @throws TypeError for an option of a wrong type.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { pipeline } from 'node:stream/promises';
   * import { createGzip, gunzipSync } from 'node:zlib';
   * import { createConnection, EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const listener = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: {
   *     // Compresses what the client sends, until its end.
   *     open: (connection) => {
   *       listener.close();
   *       const stream = connection.toDuplex();
   *       pipeline(stream, createGzip(), stream).catch(assert.fail);
   *     },
   *   },
   * });
   * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
   * client.sendAll('hello '.repeat(1000));
   * client.shutdown('write');
   * await loop.run();
   * const answer = new Uint8Array(1000);
   * const length = client.recv(answer);
   * assert.equal(gunzipSync(answer.subarray(0, length)).length, 6000);
   * ```
   */
  toDuplex(options?: ToDuplexOptions): Duplex;
  /**
   * What the kernel knows of the connection now: round-trip time, window, retransmissions. One
   * system call.
   *
   * @returns a copy; null for a UNIX socket, and once the descriptor is closed.
   * @throws SysError where the call fails.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { createConnection, EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const listener = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: {
   *     open: (connection) => {
   *       const info = connection.info();
   *       assert(info !== null && info.rttUs > 0);
   *       assert.match(info.state, /^(established|close-wait)$/); // The client may have ended.
   *       listener.close();
   *     },
   *   },
   * });
   * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
   * client.shutdown('write');
   * await loop.run();
   * ```
   */
  info(): ConnectionInfo | null;
  /**
   * Reads a socket option: getsockopt(2).
   *
   * @param name its name, as in the man pages.
   * @returns its value, in the type of the option.
   * @throws SysError where the call fails.
   * @throws RangeError for an option that this platform does not have.
   */
  getSockOpt<Name extends GettableOptionName>(name: Name): OptionValue<Name>;
  /**
   * Sets a socket option: setsockopt(2).
   *
   * @param name its name, as in the man pages.
   * @param value its value, in the type of the option.
   * @throws SysError where the call fails.
   * @throws RangeError for a value out of range, or an option that this platform does not have.
   */
  setSockOpt<Name extends SettableOptionName>(name: Name, value: OptionValue<Name>): void;
}
