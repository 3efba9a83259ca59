import { requireTimeout, requireWhole } from '../base/arguments.ts';
import { type Bytes, bytesOf, rangeLength, sendableLength, viewOf } from '../base/bytes.ts';
import {
  acceptStream,
  openStream,
  openStreamPair,
  sendFlags,
  setNonblocking,
} from '../sys/descriptors.ts';
import { nativeSys } from '../sys/native.ts';
import {
  type AddressFamily,
  decodeSockaddr,
  encodeSockaddr,
  familyNumber,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { type AddressInput, addressOf, withArticle } from './address.ts';
import {
  type BlockingSocket,
  type Call,
  endedError,
  isResumed,
  transferError,
  waitUntil,
} from './blocking-call.ts';
import { connectError, connectWithin } from './connect.ts';
import { nameOrNone } from './names.ts';
import { writeTimeouts } from './options/timeouts.ts';
import { type SocketOptions, TIMEOUT_MS_MAX } from './settings.ts';
import { shutdownNumber } from './shutdown.ts';
import { SocketDescriptor } from './socket-descriptor.ts';

// In use during one call only: each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const nameLength = new Int32Array(1);

const ACCEPT: Call = { syscall: 'accept', attempt: 'accept a connection on' };
const SEND: Call = { syscall: 'send', attempt: 'send to' };
const RECV: Call = { syscall: 'recv', attempt: 'receive from' };
const POLL: Call = { syscall: 'poll', attempt: 'wait for' };

function openedStream(sys: Sys, family: AddressFamily): number {
  const fd = openStream(sys, familyNumber(sys.abi, family));
  if (fd < 0) throw sysError(sys, fd, 'socket', `open ${withArticle(family)} socket`);
  return fd;
}

/**
 * A stream socket: socket(2) and the calls that go with it, as a class.
 *
 * Each method makes the call of that name and blocks the calling thread as the call does, unless
 * {@link setBlocking} or {@link setTimeout} was called. A failed call throws a {@link SysError};
 * the methods list the errnos to expect. A call that a signal interrupts is restarted as its man
 * page says, unless {@link interruptible} is set. Sending to a closed peer is `EPIPE`, never a
 * signal.
 *
 * The socket owns its descriptor until {@link close} or {@link detach}. Use it from one thread.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { Socket } from 'sockloop/socket';
 *
 * using server = new Socket('IPv4');
 * server.setSockOpt('SO_REUSEADDR', true);
 * server.bind({ address: '127.0.0.1', port: 0 });
 * server.listen(5);
 *
 * using client = new Socket('IPv4');
 * client.connect(server.getSockName());
 * const [connection] = server.accept();
 * using accepted = connection;
 *
 * client.sendAll(new TextEncoder().encode('hello\n'));
 * const buffer = new Uint8Array(1024);
 * const length = accepted.recv(buffer);
 * assert.equal(new TextDecoder().decode(buffer.subarray(0, length)), 'hello\n');
 * ```
 */
export class Socket extends SocketDescriptor {
  /** The family of the socket and of every address it takes. */
  readonly family: AddressFamily;
  /**
   * Whether a signal ends a wait with `EINTR`; false by default. {@link accept} passes it on.
   *
   * Node runs signal handlers on its own event loop only. To react to Ctrl-C while blocked, set
   * this and a timeout (without one the kernel restarts the call: signal(7)), and return to the
   * event loop on `EINTR`.
   */
  interruptible = false;
  readonly #sys: Sys;
  #blocks = true;
  #timeoutMs: number | null = null;
  #hasBeenTimed = false;
  #name: SocketAddress | undefined;
  #peer: SocketAddress | undefined;

  /**
   * socket(2): a stream socket, closed on exec.
   *
   * @param family `IPv4`, `IPv6` or `UNIX`.
   * @param options the system calls to use, or a descriptor to take over.
   * @throws SysError `EMFILE`, `ENFILE`, `EAFNOSUPPORT`, ...
   * @throws RangeError for another family.
   */
  constructor(family: AddressFamily, options: SocketOptions = {}) {
    const { sys = nativeSys(), fd } = options;
    if (fd !== undefined) requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
    super(sys, fd ?? openedStream(sys, family));
    this.#sys = sys;
    this.family = family;
  }

  /**
   * socketpair(2): two UNIX sockets connected to each other.
   *
   * @param options the system calls to use.
   * @returns the two sockets; the caller owns both.
   * @throws SysError `EMFILE`, `ENFILE`, ...
   */
  static pair(options: Pick<SocketOptions, 'sys'> = {}): [Socket, Socket] {
    const sys = options.sys ?? nativeSys();
    const fds = new Int32Array(2);
    const result = openStreamPair(sys, fds);
    if (result < 0) throw sysError(sys, result, 'socketpair', 'open a pair of UNIX sockets');
    const [left = -1, right = -1] = fds;
    return [new Socket('UNIX', { sys, fd: left }), new Socket('UNIX', { sys, fd: right })];
  }

  /**
   * bind(2): assigns the socket's own address.
   *
   * @param address a numeric address of this machine and a port, 0 for a free one (see
   *   {@link getSockName}); or a path, which must not exist yet.
   * @throws SysError `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EINVAL` (has an address already); of
   *   a path `ENOENT`, `ENOTDIR`, ...
   * @throws TypeError for an address of another family.
   * @throws RangeError for a name, a port above 65535, an unknown zone, a path that is too long.
   */
  bind(address: AddressInput): void {
    const on = addressOf(this.family, address, this.#sys);
    const result = this.#sys.bind(this.fileno(), name, encodeSockaddr(this.#sys.abi, on, name));
    if (result < 0) throw this.#error(result, 'bind', 'bind to', on);
  }

  /**
   * listen(2): makes the socket a listener.
   *
   * @param backlog the length of the queue of connections not yet accepted, 0 to 2^31 - 1,
   *   SOMAXCONN by default. The kernel caps it (`net.core.somaxconn`).
   * @throws SysError `EADDRINUSE`, `EINVAL` (is connected), ...
   * @throws RangeError for a backlog out of its range.
   */
  listen(backlog: number = this.#sys.abi.constants.SOMAXCONN): void {
    requireWhole('a backlog', backlog, 0, 2 ** 31 - 1);
    const result = this.#sys.listen(this.fileno(), backlog);
    if (result < 0) throw this.#error(result, 'listen', 'listen on', this.#nameOrNone());
  }

  /**
   * accept(2): the next connection. The new socket blocks, with the timeout of the listener.
   *
   * @returns the new socket, which the caller owns, and the address of its peer.
   * @throws SysError `ETIMEDOUT` after the timeout, `EAGAIN` from a non-blocking listener without
   *   a connection, `ECONNABORTED`, `EMFILE`, ...
   */
  accept(): [socket: Socket, address: SocketAddress] {
    const { abi } = this.#sys;
    for (;;) {
      if (this.#timeoutMs !== null && !abi.behaviours.timeoutsBoundAcceptAndConnect) {
        waitUntil(this.#during(ACCEPT), abi.constants.POLLIN, ACCEPT);
      }
      nameLength[0] = name.length;
      const fd = acceptStream(this.#sys, this.fileno(), name, nameLength);
      if (fd >= 0) return this.#accepted(fd);
      const socket = this.#during(ACCEPT);
      if (isResumed(socket, fd, abi.constants.POLLIN, ACCEPT)) continue;
      throw endedError(socket, fd, ACCEPT);
    }
  }

  #accepted(fd: number): [Socket, SocketAddress] {
    const sys = this.#sys;
    const socket = new Socket(this.family, { sys, fd });
    try {
      const address = decodeSockaddr(sys.abi, name, nameLength[0] ?? 0);
      socket.#peer = address;
      socket.interruptible = this.interruptible;
      // Linux and FreeBSD pass on the timeouts as of the connection's arrival, Linux for TCP only.
      if (this.#hasBeenTimed) socket.#applyTimeout(this.#timeoutMs, true);
      return [socket, address];
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /**
   * connect(2), bounded by the timeout if one is set. A socket whose connect failed can only be
   * closed.
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
    const on = addressOf(this.family, address, this.#sys);
    const length = encodeSockaddr(this.#sys.abi, on, name);
    const { interruptible } = this;
    const result = connectWithin(
      this.#sys,
      this.fileno(),
      name,
      length,
      this.#timeoutMs,
      interruptible,
    );
    if (result < 0) throw connectError(this.#sys, result, this.#timeoutMs, on);
    this.#peer = on;
  }

  /**
   * send(2): copies bytes to the kernel's send buffer.
   *
   * @param data a string (sent as UTF-8) or any view of memory (sent as the bytes it covers).
   * @param offset the first byte to send.
   * @param byteLength how many bytes, all that follow by default.
   * @param flags `MSG_*` of {@link constants}.
   * @returns how many bytes the kernel took: at least 1, unless there were none.
   * @throws SysError `EPIPE` or `ECONNRESET` if the peer has closed, `ETIMEDOUT` after the timeout,
   *   `EAGAIN` from a non-blocking socket with a full send buffer.
   * @throws TypeError for other data.
   * @throws RangeError for a range outside of the data.
   * @throws Error for a chunk of an event loop whose handler has returned.
   */
  send(data: Bytes, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'send');
    const allFlags = flags | sendFlags(this.#sys);
    for (;;) {
      const result = this.#sys.send(this.fileno(), bytes, offset, length, allFlags);
      if (result >= 0) return result;
      const socket = this.#during(SEND);
      if (isResumed(socket, result, this.constants.POLLOUT, SEND)) continue;
      throw transferError(socket, result, flags, SEND);
    }
  }

  /**
   * Sends all of `data`, in as many sends as it takes.
   *
   * @param data as for {@link send}.
   * @throws as {@link send}; how much was sent before is unknown.
   */
  sendAll(data: Bytes): void {
    const bytes = bytesOf(data);
    for (let sent = 0; sent < bytes.length; ) sent += this.send(bytes, sent);
  }

  /**
   * recv(2): copies received bytes into `buffer`.
   *
   * @param buffer any view of memory.
   * @param offset where in it the bytes go.
   * @param byteLength how many bytes at most, all that fit by default.
   * @param flags `MSG_*` of {@link constants}.
   * @returns how many bytes came; 0 at the end of the stream, or for a length of 0.
   * @throws SysError `ECONNRESET`, `ETIMEDOUT` after the timeout, `EAGAIN` from a non-blocking
   *   socket without data.
   * @throws TypeError for what is no view, RangeError for a range outside of it.
   */
  recv(buffer: ArrayBufferView, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = viewOf(buffer);
    const length = rangeLength(bytes, offset, byteLength, 'receive');
    for (;;) {
      const result = this.#sys.recv(this.fileno(), bytes, offset, length, flags);
      if (result >= 0) return result;
      const socket = this.#during(RECV);
      if (isResumed(socket, result, this.constants.POLLIN, RECV)) continue;
      throw transferError(socket, result, flags, RECV);
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
    return waitUntil(this.#during(POLL), events, POLL);
  }

  /**
   * shutdown(2): ends one direction or both. What was sent before still arrives.
   *
   * @param how `read` (SHUT_RD), `write` (SHUT_WR) or `both` (SHUT_RDWR).
   * @throws SysError `ENOTCONN`.
   * @throws RangeError for another direction.
   */
  shutdown(how: 'read' | 'write' | 'both'): void {
    const result = this.#sys.shutdown(this.fileno(), shutdownNumber(this.#sys, how));
    if (result < 0) throw this.#error(result, 'shutdown', 'shut down', this.#peer);
  }

  /**
   * Sets or clears O_NONBLOCK, and removes the timeout.
   *
   * @param blocking whether calls wait (the default) or fail with `EAGAIN` at once.
   * @throws SysError `EBADF` on a closed socket.
   */
  setBlocking(blocking: boolean): void {
    this.setTimeout(null);
    const result = setNonblocking(this.#sys, this.fileno(), !blocking);
    if (result < 0) throw this.#error(result, 'fcntl', 'change the mode of a socket');
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
    if (timeoutMs !== this.#timeoutMs) this.#applyTimeout(timeoutMs);
  }

  #applyTimeout(timeoutMs: number | null, mayBeReset = false): void {
    this.#hasBeenTimed = true;
    writeTimeouts(this.#sys, this.fileno(), timeoutMs, mayBeReset);
    this.#timeoutMs = timeoutMs;
  }

  /** The socket as the rules for blocking calls take it. */
  #during(call: Call): BlockingSocket {
    return {
      sys: this.#sys,
      fd: this.fileno(),
      timeoutMs: this.#timeoutMs,
      interruptible: this.interruptible,
      on: call === ACCEPT ? this.#nameOrNone() : this.#peer,
    };
  }

  #error(result: number, syscall: string, attempt: string, on?: SocketAddress): SysError {
    return sysError(this.#sys, result, syscall, attempt, on);
  }

  /** The socket's own address for an error, read once; undefined if it cannot be read. */
  #nameOrNone(): SocketAddress | undefined {
    this.#name ??= nameOrNone(this.#sys, this.fileno(), 'getsockname');
    return this.#name;
  }
}
