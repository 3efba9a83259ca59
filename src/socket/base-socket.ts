import { requireTimeout } from '../base/arguments.ts';
import { type Bytes, bytesOf, rangeLength, sendableLength, viewOf } from '../base/bytes.ts';
import { sendFlags, setNonblocking } from '../sys/descriptors.ts';
import {
  type AddressFamily,
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { type AddressInput, addressOf } from './address.ts';
import {
  type BlockingSocket,
  type Call,
  isResumed,
  transferError,
  waitUntil,
} from './blocking-call.ts';
import { connectError, connectWithin } from './connect.ts';
import {
  headerToReceive,
  headerToSend,
  type ReceivedMessage,
  type RecvMsgOptions,
  receivedMessage,
  resetHeader,
  type SendMsgOptions,
} from './messages.ts';
import { nameOrNone } from './names.ts';
import type { Credentials } from './options/spec.ts';
import { writeTimeouts } from './options/timeouts.ts';
import { peerCredentials } from './peer-credentials.ts';
import { TIMEOUT_MS_MAX } from './settings.ts';
import { shutdownNumber } from './shutdown.ts';
import { SocketDescriptor } from './socket-descriptor.ts';

// In use during one call only: each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);

/** The address of a UNIX socket that has none. */
export const UNNAMED: SocketAddress = { family: 'UNIX', path: '' };

const SEND: Call = { syscall: 'send', attempt: 'send to' };
const SENDMSG: Call = { syscall: 'sendmsg', attempt: 'send to' };
const RECV: Call = { syscall: 'recv', attempt: 'receive from' };
const RECVMSG: Call = { syscall: 'recvmsg', attempt: 'receive from' };
const POLL: Call = { syscall: 'poll', attempt: 'wait for' };

/**
 * Sending, receiving and waiting, a part of {@link Socket}.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { type BaseSocket, Socket } from 'sockloop/socket';
 *
 * function say(socket: BaseSocket, words: string): void {
 *   socket.setTimeout(1000);
 *   assert.equal(socket.send(words), words.length);
 * }
 *
 * for (const type of ['SOCK_STREAM', 'SOCK_DGRAM'] as const) {
 *   const [left, right] = Socket.pair({ type });
 *   say(left, 'hello');
 *   assert.equal(right.recv(new Uint8Array(16)), 5);
 *   for (const socket of [left, right]) socket.close();
 * }
 * ```
 */
export abstract class BaseSocket extends SocketDescriptor {
  /** The family of the socket and of every address it takes. */
  readonly family: AddressFamily;
  /**
   * Whether a signal ends a wait with `EINTR`; false by default. `accept` passes it on.
   *
   * Node runs signal handlers on its own event loop only. To react to Ctrl-C while blocked, set
   * this and a timeout (without one the kernel restarts the call: signal(7)), and return to the
   * event loop on `EINTR`.
   */
  interruptible = false;
  /** @internal */
  protected readonly sys: Sys;
  /** @internal */
  protected timeoutMs: number | null = null;
  /** @internal */
  protected hasBeenTimed = false;
  /** @internal */
  protected peer: SocketAddress | undefined;
  #blocks = true;
  #name: SocketAddress | undefined;

  /**
   * Takes over a descriptor.
   *
   * @param family its family.
   * @param sys the system calls to use.
   * @param fd the descriptor.
   */
  protected constructor(family: AddressFamily, sys: Sys, fd: number) {
    super(sys, fd);
    this.sys = sys;
    this.family = family;
  }

  /**
   * bind(2): assigns the socket's own address.
   *
   * @param address a numeric address of this machine and a port, 0 for a free one (see
   *   `getSockName`); or a path, which must not exist yet. On Linux a path that begins with NUL is
   *   an abstract name, and for an empty one the kernel chooses an abstract name that is free.
   * @throws SysError `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EINVAL` (has an address already); of
   *   a path `ENOENT`, `ENOTDIR`, ...
   * @throws TypeError for an address of another family.
   * @throws RangeError for a name, a port above 65535, an unknown zone, a path that is too long,
   *   an abstract name where there are none.
   */
  bind(address: AddressInput): void {
    const on = addressOf(this.family, address, this.sys);
    const result = this.sys.bind(this.fileno(), name, encodeSockaddr(this.sys.abi, on, name));
    if (result < 0) throw this.error(result, 'bind', 'bind to', on);
  }

  /**
   * connect(2), bounded by the timeout if one is set. A socket for connections whose connect failed
   * can only be closed. Of a datagram socket it chooses the peer that `send` sends to, and the only
   * one that is received from; a second call chooses another.
   *
   * As in C, a TCP socket whose own address is `address`, by {@link bind} or by the kernel's
   * choice, connects to itself if nobody listens there; `createConnection` refuses that.
   *
   * @param address the numeric address and port, or the path, of the peer.
   * @throws SysError `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, ..., `EINPROGRESS` from a
   *   non-blocking socket.
   * @throws TypeError, RangeError as {@link bind}.
   */
  connect(address: AddressInput): void {
    const on = addressOf(this.family, address, this.sys);
    const length = encodeSockaddr(this.sys.abi, on, name);
    const { sys, timeoutMs, interruptible } = this;
    const startMs = sys.monotonicMs();
    const result = connectWithin(sys, this.fileno(), name, length, timeoutMs, interruptible);
    if (result < 0) throw connectError(sys, result, { timeoutMs, startMs }, on);
    this.peer = on;
  }

  /**
   * send(2): copies bytes to the kernel's send buffer; as one datagram, or one record, whole.
   *
   * @param data a string (sent as UTF-8) or any view of memory (sent as the bytes it covers).
   * @param offset the first byte to send.
   * @param byteLength how many bytes, all that follow by default.
   * @param flags `MSG_*` of {@link constants}.
   * @returns how many bytes the kernel took: of a stream at least 1, unless there were none; else
   *   all.
   * @throws SysError `EPIPE` or `ECONNRESET` if the peer has closed, `ETIMEDOUT` after the timeout,
   *   `EAGAIN` from a non-blocking socket with a full send buffer, `EMSGSIZE` for a datagram that
   *   is too long, `EDESTADDRREQ` without a peer, `ECONNREFUSED` after one that was refused.
   * @throws TypeError for other data.
   * @throws RangeError for a range outside of the data.
   * @throws Error for a chunk of an event loop whose handler has returned.
   */
  send(data: Bytes, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'send');
    const allFlags = flags | sendFlags(this.sys);
    for (;;) {
      const result = this.sys.send(this.fileno(), bytes, offset, length, allFlags);
      if (result >= 0) return result;
      const socket = this.during();
      if (isResumed(socket, result, this.constants.POLLOUT, SEND)) continue;
      throw transferError(socket, result, flags, SEND);
    }
  }

  /**
   * recv(2): copies received bytes into `buffer`.
   *
   * @param buffer any view of memory.
   * @param offset where in it the bytes go.
   * @param byteLength how many bytes at most, all that fit by default.
   * @param flags `MSG_*` of {@link constants}.
   * @returns how many bytes came; 0 at the end of a connection, for a datagram without bytes, or
   *   for a length of 0. What of a datagram does not fit is lost: {@link recvMsg} tells.
   * @throws SysError `ECONNRESET`, `ETIMEDOUT` after the timeout, `EAGAIN` from a non-blocking
   *   socket without data.
   * @throws TypeError for what is no view, RangeError for a range outside of it.
   */
  recv(buffer: ArrayBufferView, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = viewOf(buffer);
    const length = rangeLength(bytes, offset, byteLength, 'receive');
    for (;;) {
      const result = this.sys.recv(this.fileno(), bytes, offset, length, flags);
      if (result >= 0) return result;
      const socket = this.during();
      if (isResumed(socket, result, this.constants.POLLIN, RECV)) continue;
      throw transferError(socket, result, flags, RECV);
    }
  }

  /**
   * sendmsg(2): sends bytes with control messages.
   *
   * @param data as for {@link send}.
   * @param options the receiver, the control messages, the flags.
   * @returns how many bytes the kernel took.
   * @throws SysError as {@link send}, and `EINVAL` for a control message that the kernel does not
   *   take, `EBADF` for a descriptor that is not open, `EPERM` for the credentials of another.
   * @throws RangeError for a kind that the platform lacks, for a field out of its range.
   * @throws TypeError for another address, or a field of a wrong type.
   */
  sendMsg(data: Bytes, options: SendMsgOptions = {}): number {
    const { to, control = [], flags = 0 } = options;
    const bytes = bytesOf(data);
    sendableLength(bytes, 0, undefined, 'send');
    const on = to === undefined ? this.peer : addressOf(this.family, to, this.sys);
    const sockaddr = to === undefined || on === undefined ? null : this.#encoded(on);
    const header = headerToSend(this.sys, bytes, sockaddr, control);
    for (;;) {
      const result = this.sys.sendmsg(this.fileno(), header, flags | sendFlags(this.sys));
      if (result >= 0) return result;
      const socket = this.during(on);
      if (isResumed(socket, result, this.constants.POLLOUT, SENDMSG)) continue;
      throw transferError(socket, result, flags, SENDMSG);
    }
  }

  /**
   * recvmsg(2): receives bytes with the address of the sender and control messages.
   *
   * @param buffer any view of memory.
   * @param options the room for control messages, and the flags.
   * @returns what came.
   * @throws SysError as {@link recv}; `EAGAIN` for `MSG_ERRQUEUE` if the queue is empty.
   * @throws TypeError for what is no view, RangeError for a room out of its range.
   */
  recvMsg(buffer: ArrayBufferView, options: RecvMsgOptions = {}): ReceivedMessage {
    const { controlBytes, flags = 0 } = options;
    const { MSG_CMSG_CLOEXEC = 0, POLLIN } = this.constants;
    const header = headerToReceive(viewOf(buffer), controlBytes);
    for (;;) {
      const result = this.sys.recvmsg(this.fileno(), header, flags | MSG_CMSG_CLOEXEC);
      if (result >= 0)
        return receivedMessage(this.sys, header, result, this.family === 'UNIX' ? UNNAMED : null);
      const socket = this.during();
      if (!isResumed(socket, result, POLLIN, RECVMSG)) {
        throw transferError(socket, result, flags, RECVMSG);
      }
      resetHeader(header);
    }
  }

  /**
   * poll(2): waits until the socket is ready, at most for the timeout.
   *
   * @param events `POLLIN`, `POLLOUT` of {@link constants}, or both.
   * @returns the events that occurred, never 0; may include `POLLERR` and `POLLHUP`.
   * @throws SysError `ETIMEDOUT` after the timeout.
   */
  poll(events: number): number {
    return waitUntil(this.during(), events, POLL);
  }

  /**
   * shutdown(2): ends one direction or both. What was sent before still arrives.
   *
   * @param how `read` (SHUT_RD), `write` (SHUT_WR) or `both` (SHUT_RDWR).
   * @throws SysError `ENOTCONN`.
   * @throws RangeError for another direction.
   */
  shutdown(how: 'read' | 'write' | 'both'): void {
    const result = this.sys.shutdown(this.fileno(), shutdownNumber(this.sys, how));
    if (result < 0) throw this.error(result, 'shutdown', 'shut down', this.peer);
  }

  /**
   * Sets or clears O_NONBLOCK, and removes the timeout.
   *
   * @param blocking whether calls wait (the default) or fail with `EAGAIN` at once.
   * @throws SysError `EBADF` on a closed socket.
   */
  setBlocking(blocking: boolean): void {
    this.setTimeout(null);
    const result = setNonblocking(this.sys, this.fileno(), !blocking);
    if (result < 0) throw this.error(result, 'fcntl', 'change the mode of a socket');
    this.#blocks = blocking;
  }

  /**
   * Sets a timeout for every call that waits (SO_RCVTIMEO and SO_SNDTIMEO: socket(7)), and makes
   * the socket blocking. A call that runs out of time throws a SysError with the code `ETIMEDOUT`.
   *
   * @param timeoutMs milliseconds, above 0, at most {@link TIMEOUT_MS_MAX}; null for none.
   * @throws SysError `EBADF` on a closed socket.
   * @throws RangeError, TypeError for any other timeout.
   */
  setTimeout(timeoutMs: number | null): void {
    if (timeoutMs !== null) requireTimeout('a timeout', timeoutMs, TIMEOUT_MS_MAX);
    if (timeoutMs !== null && !this.#blocks) this.setBlocking(true);
    if (timeoutMs !== this.timeoutMs) this.applyTimeout(timeoutMs);
  }

  /** @internal */
  protected applyTimeout(timeoutMs: number | null, mayBeReset = false): void {
    this.hasBeenTimed = true;
    writeTimeouts(this.sys, this.fileno(), timeoutMs, mayBeReset);
    this.timeoutMs = timeoutMs;
  }

  /**
   * The socket as the rules for blocking calls take it.
   *
   * @internal
   */
  protected during(on: SocketAddress | undefined = this.peer): BlockingSocket {
    return {
      sys: this.sys,
      fd: this.fileno(),
      timeoutMs: this.timeoutMs,
      interruptible: this.interruptible,
      on,
    };
  }

  /**
   * Who is at the other end of a UNIX socket: SO_PEERCRED of Linux, LOCAL_PEERCRED of the BSDs, as
   * they were when it was connected.
   *
   * @returns the process, the user and the group; `pid` is null where the kernel does not tell.
   * @throws SysError `ENOTCONN` without a peer that the kernel has noted: of datagrams it notes the
   *   peers of pairs alone.
   * @throws RangeError for a socket of another family.
   */
  getPeerCredentials(): Credentials {
    if (this.family === 'UNIX') return peerCredentials(this.sys, this.fileno());
    throw new RangeError(`credentials are those of UNIX sockets, and this one is ${this.family}`);
  }

  /** @internal */
  protected error(result: number, syscall: string, attempt: string, on?: SocketAddress): SysError {
    return sysError(this.sys, result, syscall, attempt, on);
  }

  /**
   * The socket's own address for an error, read once; undefined if it cannot be read.
   *
   * @internal
   */
  protected nameOrNone(): SocketAddress | undefined {
    this.#name ??= nameOrNone(this.sys, this.fileno(), 'getsockname');
    return this.#name;
  }

  #encoded(address: SocketAddress): Uint8Array {
    return name.subarray(0, encodeSockaddr(this.sys.abi, address, name));
  }
}
