import { requireTimeout, requireWhole, shown } from '../base/arguments.ts';
import { type Bytes, bytesOf, rangeLength, sendableLength, viewOf } from '../base/bytes.ts';
import type { Constants } from '../sys/abi/abi.ts';
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
import { SysError, sysError } from '../sys/sys-error.ts';
import { type AddressInput, addressOf, withArticle } from './address.ts';
import { connectWithin } from './connect.ts';
import { readNamed, readOption, writeNamed, writeOption } from './options/calls.ts';
import type { GettableOptionName, OptionValue, SettableOptionName } from './options/table.ts';
import { type SocketOptions, TIMEOUT_MS_MAX } from './settings.ts';
import { waitWithin } from './wait.ts';

// Lent to one call at a time: a thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const nameLength = new Int32Array(1);

/**
 * A stream socket: the Berkeley interface, socket(2) and its companions, as a class.
 *
 * Each method is the call of that name. It blocks the calling thread, as the call does, unless
 * {@link setBlocking} or {@link setTimeout} says otherwise; a failed call throws a
 * {@link SysError}. A call that a signal interrupted is made again where its man page says so,
 * unless {@link interruptible} is set. Sending to a peer that has gone is `EPIPE`, never a signal.
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
export class Socket implements Disposable {
  /** The family of the socket and of every address it takes. */
  readonly family: AddressFamily;
  /**
   * Whether a signal ends a wait with `EINTR` instead of the wait being taken up again.
   *
   * Node runs signal handlers on its own loop only, so a program that wants to notice Ctrl-C
   * while it blocks sets this together with a timeout (without one the kernel itself restarts the
   * call, see signal(7)), and lets the loop turn whenever it catches an `EINTR`. The sockets that
   * {@link accept} returns inherit it.
   */
  interruptible = false;
  readonly #sys: Sys;
  #fd: number;
  #blocks = true;
  #timeoutMs: number | null = null;
  #hasBeenTimed = false;
  #name: SocketAddress | undefined;
  #peer: SocketAddress | undefined;

  /** The numbers that go with the calls on this platform: `MSG_*`, `POLLIN`, ... */
  get constants(): Constants {
    return this.#sys.abi.constants;
  }

  /** socket(2): a stream socket of `family`, closed on exec. Throws a SysError (`EMFILE`, ...). */
  constructor(family: AddressFamily, options: SocketOptions = {}) {
    this.#sys = options.sys ?? nativeSys();
    this.family = family;
    const { fd } = options;
    if (fd !== undefined) requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
    this.#fd = fd ?? openStream(this.#sys, familyNumber(this.#sys.abi, family));
    if (this.#fd < 0) throw this.#error(this.#fd, 'socket', `open ${withArticle(family)} socket`);
  }

  /** socketpair(2): two UNIX sockets connected to each other. */
  static pair(options: Pick<SocketOptions, 'sys'> = {}): [Socket, Socket] {
    const sys = options.sys ?? nativeSys();
    const fds = new Int32Array(2);
    const result = openStreamPair(sys, fds);
    if (result < 0) throw sysError(sys, result, 'socketpair', 'open a pair of UNIX sockets');
    const [left = -1, right = -1] = fds;
    return [new Socket('UNIX', { sys, fd: left }), new Socket('UNIX', { sys, fd: right })];
  }

  /** bind(2): names the socket. Port 0 takes a free one: see {@link getSockName}. */
  bind(address: AddressInput): void {
    const on = addressOf(this.family, address, this.#sys);
    const result = this.#sys.bind(this.#fd, name, encodeSockaddr(this.#sys.abi, on, name));
    if (result < 0) throw this.#error(result, 'bind', 'bind to', on);
  }

  /**
   * listen(2): takes connections from now on.
   *
   * `backlog` connections (0 and up; the kernel has its own maximum) may wait for
   * {@link accept}; SOMAXCONN if left out.
   */
  listen(backlog: number = this.#sys.abi.constants.SOMAXCONN): void {
    requireWhole('a backlog', backlog, 0, 2 ** 31 - 1);
    const result = this.#sys.listen(this.#fd, backlog);
    if (result < 0) throw this.#error(result, 'listen', 'listen on', this.#nameOrNone());
  }

  /**
   * accept(2): the next connection and the address of its peer. The caller owns the new socket.
   *
   * The new socket blocks, with the timeout of the listener. Throws a SysError: `ETIMEDOUT` after
   * a timeout, `EAGAIN` where a listener that does not block has none waiting.
   */
  accept(): [socket: Socket, address: SocketAddress] {
    const { abi } = this.#sys;
    for (;;) {
      if (this.#timeoutMs !== null && !abi.behaviours.timeoutsBoundAcceptAndConnect) {
        this.#waitUntil(abi.constants.POLLIN, 'accept', 'accept a connection on');
      }
      nameLength[0] = name.length;
      const fd = acceptStream(this.#sys, this.#fd, name, nameLength);
      if (fd >= 0) return this.#accepted(fd);
      if (this.#resumes(fd, abi.constants.POLLIN, 'accept', 'accept a connection on')) continue;
      throw this.#ended(fd, 'accept', 'accept a connection on');
    }
  }

  #accepted(fd: number): [Socket, SocketAddress] {
    const sys = this.#sys;
    const socket = new Socket(this.family, { sys, fd });
    try {
      const address = decodeSockaddr(sys.abi, name, nameLength[0] ?? 0);
      socket.#peer = address;
      socket.interruptible = this.interruptible;
      // Linux and FreeBSD hand down what was set when the connection came in, which may be long
      // ago, and Linux does so for TCP but not for UNIX sockets.
      if (this.#hasBeenTimed) socket.#applyTimeout(this.#timeoutMs, true);
      return [socket, address];
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /**
   * connect(2), bounded by the timeout where one is set.
   *
   * Throws a SysError: `ECONNREFUSED`, `ETIMEDOUT`, ..., or `EINPROGRESS` where the socket does
   * not block. A socket whose connect failed can only be closed.
   *
   * As in C, a TCP socket that has `address` itself, by {@link bind} or by the kernel's choice,
   * connects to itself where nobody listens; `createConnection` refuses that.
   */
  connect(address: AddressInput): void {
    const on = addressOf(this.family, address, this.#sys);
    const length = encodeSockaddr(this.#sys.abi, on, name);
    const { interruptible } = this;
    const result = connectWithin(this.#sys, this.#fd, name, length, this.#timeoutMs, interruptible);
    if (result < 0) {
      const late = result === -this.#sys.abi.errno.ETIMEDOUT && this.#timeoutMs !== null;
      const reason = late ? `no answer within ${this.#timeoutMs} ms` : undefined;
      throw sysError(this.#sys, result, 'connect', 'connect to', on, reason);
    }
    this.#peer = on;
  }

  /**
   * send(2): hands `length` bytes of `data` (a string as UTF-8, any view as the bytes it covers)
   * from `offset` on to the kernel and returns how many it took, at least 1. `flags` are the man
   * page's `MSG_*` (see {@link constants}). Throws a TypeError for other data.
   *
   * Throws a SysError: `EPIPE` or `ECONNRESET` where the peer has gone, `ETIMEDOUT` after a
   * timeout, `EAGAIN` where a socket that does not block has no room.
   */
  send(data: Bytes, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'send');
    const allFlags = flags | sendFlags(this.#sys);
    for (;;) {
      const result = this.#sys.send(this.#fd, bytes, offset, length, allFlags);
      if (result >= 0) return result;
      if (this.#resumes(result, this.constants.POLLOUT, 'send', 'send to')) continue;
      throw this.#transferError(result, flags, 'send', 'send to');
    }
  }

  /** Sends all of `data`, in as many sends as it takes. Throws as {@link send} does. */
  sendAll(data: Bytes): void {
    const bytes = bytesOf(data);
    for (let sent = 0; sent < bytes.length; ) sent += this.send(bytes, sent);
  }

  /**
   * recv(2): at most `length` bytes into `buffer` at `offset`. Returns how many came; 0 is the
   * end of the stream (or of an empty buffer). Throws as {@link send} does.
   */
  recv(buffer: ArrayBufferView, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = viewOf(buffer);
    const length = rangeLength(bytes, offset, byteLength, 'receive');
    for (;;) {
      const result = this.#sys.recv(this.#fd, bytes, offset, length, flags);
      if (result >= 0) return result;
      if (this.#resumes(result, this.constants.POLLIN, 'recv', 'receive from')) continue;
      throw this.#transferError(result, flags, 'recv', 'receive from');
    }
  }

  /**
   * Waits with poll(2) until `events` (`POLLIN`, `POLLOUT`) are there, at most for the timeout.
   * Returns the events that came, with `POLLERR` and `POLLHUP` among them, never 0.
   */
  poll(events: number): number {
    return this.#waitUntil(events, 'poll', 'wait for');
  }

  /** shutdown(2), SHUT_RD, SHUT_WR or SHUT_RDWR; what was sent before still arrives. */
  shutdown(how: 'read' | 'write' | 'both'): void {
    const { SHUT_RD, SHUT_WR, SHUT_RDWR } = this.#sys.abi.constants;
    const directions = new Map([
      ['read', SHUT_RD] as const,
      ['write', SHUT_WR],
      ['both', SHUT_RDWR],
    ]);
    const direction = directions.get(how);
    if (direction === undefined)
      throw new RangeError(`how is read, write or both, not ${shown(how)}`);
    const result = this.#sys.shutdown(this.#fd, direction);
    if (result < 0) throw this.#error(result, 'shutdown', 'shut down', this.#peer);
  }

  /** close(2). A second call does nothing. Never retried: the descriptor is gone at once. */
  close(): void {
    if (this.#fd < 0) return;
    const result = this.#sys.close(this.detach());
    // Interrupted or not, it is closed; a reset that close(2) reports on FreeBSD is no failure.
    const { EINTR, EINPROGRESS, ECONNRESET } = this.#sys.abi.errno;
    if (result >= 0 || [EINTR, EINPROGRESS, ECONNRESET].includes(-result)) return;
    throw this.#error(result, 'close', 'close a socket');
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The descriptor, -1 once the socket is closed. It stays the socket's own. */
  fileno(): number {
    return this.#fd;
  }

  /** Hands the descriptor over to the caller, who has to close it, and leaves the socket closed. */
  detach(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** getsockname(2): the socket's own address. */
  getSockName(): SocketAddress {
    nameLength[0] = name.length;
    const result = this.#sys.getsockname(this.#fd, name, nameLength);
    if (result < 0) throw this.#error(result, 'getsockname', 'read the name of a socket');
    return decodeSockaddr(this.#sys.abi, name, nameLength[0]);
  }

  /** getpeername(2): the address of the peer. Throws a SysError (`ENOTCONN`) without one. */
  getPeerName(): SocketAddress {
    nameLength[0] = name.length;
    const result = this.#sys.getpeername(this.#fd, name, nameLength);
    if (result < 0) throw this.#error(result, 'getpeername', 'read the name of a peer');
    return decodeSockaddr(this.#sys.abi, name, nameLength[0]);
  }

  /** Whether calls wait (the default) or fail with `EAGAIN` at once. Ends a timeout. */
  setBlocking(blocking: boolean): void {
    this.setTimeout(null);
    const result = setNonblocking(this.#sys, this.#fd, !blocking);
    if (result < 0) throw this.#error(result, 'fcntl', 'change the mode of a socket');
    this.#blocks = blocking;
  }

  /**
   * Bounds every wait of this socket to `timeoutMs` (above 0, at most {@link TIMEOUT_MS_MAX}), and
   * lets it wait; null ends the bound. Sets SO_RCVTIMEO and SO_SNDTIMEO: see socket(7).
   *
   * A call whose time is up throws a SysError with the code `ETIMEDOUT`.
   */
  setTimeout(timeoutMs: number | null): void {
    if (timeoutMs !== null) requireTimeout('a timeout', timeoutMs, TIMEOUT_MS_MAX);
    if (timeoutMs !== null && !this.#blocks) this.setBlocking(true);
    if (timeoutMs !== this.#timeoutMs) this.#applyTimeout(timeoutMs);
  }

  #applyTimeout(timeoutMs: number | null, mayBeReset = false): void {
    this.#hasBeenTimed = true;
    try {
      this.setSockOpt('SO_RCVTIMEO', timeoutMs ?? 0);
      this.setSockOpt('SO_SNDTIMEO', timeoutMs ?? 0);
    } catch (error) {
      // macOS refuses the options of a socket whose peer has reset it: it waits for nothing.
      if (!mayBeReset || !(error instanceof SysError) || error.code !== 'EINVAL') throw error;
    }
    this.#timeoutMs = timeoutMs;
  }

  /**
   * getsockopt(2): the value of a socket option by its name in the man pages (`SO_RCVBUF`,
   * `TCP_INFO`), in the type and unit of the table of options.
   *
   * Throws a RangeError for an option that this platform does not have, a SysError
   * (`ENOPROTOOPT`, `EOPNOTSUPP`) for one that this kernel or family does not have.
   */
  getSockOpt<Name extends GettableOptionName>(optionName: Name): OptionValue<Name> {
    return readNamed(this.#sys, this.#fd, optionName);
  }

  /** setsockopt(2): as {@link getSockOpt}. Throws a RangeError or TypeError for a wrong value. */
  setSockOpt<Name extends SettableOptionName>(optionName: Name, value: OptionValue<Name>): void {
    writeNamed(this.#sys, this.#fd, optionName, value);
  }

  /** getsockopt(2) with the numbers and bytes of the C call: the length of the value in `value`. */
  getSockOptRaw(level: number, optionNumber: number, value: ArrayBufferView): number {
    const bytes = viewOf(value);
    return readOption(this.#sys, this.#fd, [level, optionNumber], bytes, bytes.length);
  }

  /** setsockopt(2) with the numbers and bytes of the C call. */
  setSockOptRaw(level: number, optionNumber: number, value: ArrayBufferView): void {
    const bytes = viewOf(value);
    writeOption(this.#sys, this.#fd, [level, optionNumber], bytes, bytes.length);
  }

  #waitUntil(events: number, syscall: string, attempt: string): number {
    const result = waitWithin(this.#sys, this.#fd, events, this.#timeoutMs, this.interruptible);
    if (result > 0) return result;
    throw this.#ended(result === 0 ? -this.#sys.abi.errno.EAGAIN : result, syscall, attempt);
  }

  /** Whether a call that a signal ended is to be made again, after the rest of its wait. */
  #resumes(result: number, events: number, syscall: string, attempt: string): boolean {
    if (result !== -this.#sys.abi.errno.EINTR || this.interruptible) return false;
    // The call would begin its timeout anew with each signal, and a profiler sends one every ms.
    if (this.#timeoutMs !== null) this.#waitUntil(events, syscall, attempt);
    return true;
  }

  /** The error of a call that may have run out of time: the kernel says EAGAIN for that. */
  #ended(result: number, syscall: string, attempt: string): SysError {
    const on = syscall === 'accept' ? this.#nameOrNone() : this.#peer;
    const { EAGAIN, ETIMEDOUT } = this.#sys.abi.errno;
    if (result !== -EAGAIN || this.#timeoutMs === null) {
      return this.#error(result, syscall, attempt, on);
    }
    const reason = `nothing happened within ${this.#timeoutMs} ms`;
    return sysError(this.#sys, -ETIMEDOUT, syscall, attempt, on, reason);
  }

  /** A transfer that was told not to wait did not run out of time. */
  #transferError(result: number, flags: number, syscall: string, attempt: string): SysError {
    const waited = (flags & this.#sys.abi.constants.MSG_DONTWAIT) === 0;
    return waited
      ? this.#ended(result, syscall, attempt)
      : this.#error(result, syscall, attempt, this.#peer);
  }

  #error(result: number, syscall: string, attempt: string, on?: SocketAddress): SysError {
    return sysError(this.#sys, result, syscall, attempt, on);
  }

  /** The socket's own address for an error message, read once; none if it cannot be read. */
  #nameOrNone(): SocketAddress | undefined {
    if (this.#name !== undefined) return this.#name;
    nameLength[0] = name.length;
    const result = this.#sys.getsockname(this.#fd, name, nameLength);
    if (result >= 0) this.#name = decodeSockaddr(this.#sys.abi, name, nameLength[0]);
    return this.#name;
  }
}
