import type { GettableOptionName, OptionValue, SettableOptionName } from '../socket/options.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import type { SysError } from '../sys/sys-error.ts';

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
   * Bytes came, at least 1. `chunk` is lent for this call: what is wanted later has to be copied.
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
   * How many of the written bytes the kernel has taken. Of a connection that broke, what was
   * written last and got lost counts too: nobody can tell.
   */
  readonly bytesSent: number;
  /** How many bytes wait because the kernel has no room for them. */
  readonly queuedBytes: number;
  /** False once it was closed or broke, also where `close` is still to follow. */
  readonly isOpen: boolean;

  /**
   * Sends `length` bytes of `bytes` from `offset` on. What the kernel takes now goes without a
   * copy; the rest is copied and follows in order, so the buffer is the caller's again.
   *
   * Returns false above `queueBytesHigh` queued bytes: better wait for `drain` then. On a
   * connection that is closed, or that ended its side because its peer did, the bytes are dropped
   * and the result is false; `close` tells. Throws a RangeError, and takes nothing, where more
   * than `queueBytesMax` bytes would wait; an Error with the code `ERR_STREAM_WRITE_AFTER_END`
   * after {@link end}.
   */
  write(bytes: Uint8Array, offset?: number, length?: number): boolean;
  /**
   * Ends this side: shutdown(2) behind the bytes that are queued, after `bytes` if there are any.
   * The peer can go on sending. A second call does nothing.
   */
  end(bytes?: Uint8Array): void;
  /** Receives nothing until {@link resume}, and so hears of no end either. Idempotent. */
  pause(): void;
  resume(): void;
  /** Closes at once, dropping what is queued, and the peer gets a reset (a plain end, if UNIX). */
  reset(): void;
  /** Closes at once, dropping what is queued. `close` follows in this turn or the next. */
  close(): void;
  /**
   * Closes the connection with the error ETIMEDOUT once nothing was received, written or taken by
   * the peer for `idleMs` (above 0, at most 2^31 - 1); null ends that. It never happens earlier,
   * and where output is stuck it may take twice as long. A paused connection is idle too.
   */
  setTimeout(idleMs: number | null): void;
  /** getsockopt(2) by name, as {@link Socket.getSockOpt}. Throws a SysError or a RangeError. */
  getSockOpt<Name extends GettableOptionName>(name: Name): OptionValue<Name>;
  /** setsockopt(2) by name, as {@link Socket.setSockOpt}. */
  setSockOpt<Name extends SettableOptionName>(name: Name, value: OptionValue<Name>): void;
}
