import type { Bytes } from '../../base/bytes.ts';
import type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
} from '../../socket/options/table.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { SysError } from '../../sys/sys-error.ts';

/**
 * What a program does with its connections: one object for all connections of a listener or of a
 * `connect`. Every handler is optional, runs in the loop's turn and never inside a call that the
 * program makes, and may do anything, closing this connection or another one included.
 *
 * The order is `open`, then any number of `data` and `drain`, `end` at most once, `close` exactly
 * once and last. A handler that throws ends `run()` of the loop with its error.
 */
export interface ConnectionHandlers<Data = undefined> {
  /** The connection stands. */
  open?(connection: Connection<Data>): void;
  /**
   * Bytes came, at least 1.
   *
   * `chunk` is borrowed: a view of the loop's receive memory, valid until this handler returns (an
   * `async` one returns at its first `await`). What is needed later has to be copied:
   * `chunk.slice()`. Within the handler it may be written to any connection. See
   * {@link Connection.write} for what happens to one that is written later.
   */
  data?(connection: Connection<Data>, chunk: Uint8Array): void;
  /** The queue is empty again after `write` has returned false. */
  drain?(connection: Connection<Data>): void;
  /**
   * The peer has ended its side and sends nothing more; it may still read. Without this handler
   * the connection ends its own side too, behind what is queued.
   */
  end?(connection: Connection<Data>): void;
  /** The descriptor is closed. `error` says what broke the connection, null if nothing did. */
  close?(connection: Connection<Data>, error: SysError | null): void;
}

/** How a connection is closed. */
export interface CloseOptions {
  /** How long the close may take to get everything to the peer; at once if left out or 0. */
  readonly lingerMs?: number;
}

/** What holds for every connection of a listener or of a `connect`. */
export interface ConnectionSettings<Data = undefined> {
  readonly handlers: ConnectionHandlers<Data>;
  /** Closes a connection on which nothing moves for so long; see {@link Connection.setTimeout}. */
  readonly idleTimeoutMs?: number | null;
  /**
   * Whether what is written goes at once (`TCP_NODELAY`): true if left out. Without it the end of
   * an answer in pieces may wait 40 ms for the peer's acknowledgement of the piece before it.
   */
  readonly noDelay?: boolean;
  /** Above so many queued bytes `write` returns false; 64 KiB if left out. */
  readonly queueBytesHigh?: number;
  /** A write that would make more bytes than this wait is refused; 256 MiB if left out. */
  readonly queueBytesMax?: number;
}

/**
 * A connected stream socket on an event loop: TCP, or a UNIX socket.
 *
 * The connection owns its descriptor. It closes by itself once both sides have ended and all
 * output has gone. All of it belongs to the thread of its loop.
 */
export interface Connection<Data = undefined> {
  /** The program's own, undefined until it sets it, best in `open`. */
  data: Data;
  /** The descriptor, -1 once it is closed. It stays the connection's own. */
  readonly fd: number;
  /**
   * The peer's address, asked for once: getpeername(2). A connection that broke has it in `close`
   * still; after an orderly end it is null unless it was read before. An IPv6 address of a link has
   * its zone as `scopeId`.
   */
  readonly remoteAddress: SocketAddress | null;
  /** The connection's own address: getsockname(2), asked once. */
  readonly localAddress: SocketAddress | null;
  /** How many bytes came. */
  readonly bytesReceived: number;
  /**
   * How many of the written bytes the kernel has taken, the same on every loop, also once the
   * connection has broken. The peer may have got less: see {@link unacknowledgedBytes}.
   */
  readonly bytesSent: number;
  /** How many bytes wait because the kernel has no room for them. */
  readonly queuedBytes: number;
  /**
   * How many of {@link bytesSent} the peer's kernel has not acknowledged, asked of the kernel at
   * each read (`SIOCOUTQ` and the like); null for a UNIX socket and where the platform cannot say.
   * In `close` it is what it was when the connection broke, was reset or timed out, or when a
   * lingering close ended; null after a plain `close()` and an orderly end.
   */
  readonly unacknowledgedBytes: number | null;
  /** False once it was closed or broke, also where `close` is still to follow. */
  readonly isOpen: boolean;

  /**
   * Sends `data`: a string as UTF-8, any view of memory (Uint8Array, DataView, Uint16Array, ...) as
   * the bytes it covers. `offset` and `length` choose some of these bytes. What the kernel takes
   * now goes without a copy; the rest is copied and follows in order, so the memory is the
   * caller's again.
   *
   * A chunk whose `data` handler has returned is refused on every loop: its memory may hold bytes
   * of another client by then. What cannot be told apart is an old chunk of the same place and
   * length written inside a later `data` handler; with the environment variable `SOCKLOOP_DEBUG=1`
   * every chunk is a copy of its own, filled with 0xdb once its handler has returned, and each
   * late use is found.
   *
   * @returns false above `queueBytesHigh` queued bytes: better wait for `drain` then. On a
   *   connection that is closed, or that ended its side because its peer did, the bytes are dropped
   *   and the result is false; `close` tells.
   * @throws TypeError where `data` is neither; an ArrayBuffer wants a view.
   * @throws RangeError where the range is not inside of the data, or more than `queueBytesMax`
   *   bytes would wait. Nothing is taken.
   * @throws Error for a chunk whose handler has returned, and with the code
   *   `ERR_STREAM_WRITE_AFTER_END` after {@link end}.
   */
  write(data: Bytes, offset?: number, length?: number): boolean;
  /**
   * Ends this side: shutdown(2) behind the bytes that are queued, after `data` if there is any.
   * The peer can go on sending. A second call does nothing. Throws as {@link write} does, and the
   * side goes on then.
   */
  end(data?: Bytes): void;
  /** Receives nothing until {@link resume}, and so hears of no end either. Idempotent. */
  pause(): void;
  /** Receives again after {@link pause}. Idempotent. */
  resume(): void;
  /** Closes at once, dropping what is queued, and the peer gets a reset (a plain end, if UNIX). */
  reset(): void;
  /**
   * Closes at once, dropping what is queued. `close` follows in this turn or the next. A peer that
   * has sent something which was not received gets a reset, which may destroy what it has not read
   * or not even got: close(2) is like that.
   *
   * With `lingerMs` (above 0, at most 2^31 - 1) it closes so that the peer gets everything: this
   * side ends behind what is queued; what still comes is received and discarded, also where the
   * connection was paused, until the peer has ended too; then the descriptor is closed. No handler
   * but `close` is called any more, and `write` drops its bytes. After `lingerMs` it closes anyway:
   * with the error ETIMEDOUT if the peer has not taken all, and by a reset if some is still queued.
   * A second call with `lingerMs` does nothing; a call without one closes at once.
   *
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
   * Closes the connection with the error ETIMEDOUT once nothing was received, written or taken by
   * the peer for `idleMs` (above 0, at most 2^31 - 1); null ends that. It never happens earlier,
   * and where output is stuck it may take twice as long; the peer then gets a reset, and not an end
   * that looks like that of a whole answer. A paused connection is idle too.
   */
  setTimeout(idleMs: number | null): void;
  /** getsockopt(2) by name, as {@link Socket.getSockOpt}. Throws a SysError or a RangeError. */
  getSockOpt<Name extends GettableOptionName>(name: Name): OptionValue<Name>;
  /** setsockopt(2) by name, as {@link Socket.setSockOpt}. */
  setSockOpt<Name extends SettableOptionName>(name: Name, value: OptionValue<Name>): void;
}
