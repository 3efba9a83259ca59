import { requireWhole } from '../base/arguments.ts';
import { type Bytes, bytesOf } from '../base/bytes.ts';
import { acceptStream } from '../sys/descriptors.ts';
import { nativeSys } from '../sys/native.ts';
import {
  type AddressFamily,
  decodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import { type Call, endedError, isResumed, waitUntil } from './blocking-call.ts';
import { DatagramCalls } from './datagram-calls.ts';
import { openedPair, openedSocket } from './open.ts';
import type { SocketOptions } from './settings.ts';

// In use during one call only: each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const nameLength = new Int32Array(1);

const ACCEPT: Call = { syscall: 'accept', attempt: 'accept a connection on' };

/**
 * A socket: socket(2) and the calls that go with it, as a class. By default it carries a stream of
 * bytes over TCP or a UNIX socket; by its type and protocol also datagrams, records, or a stream
 * over Multipath TCP.
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
export class Socket extends DatagramCalls {
  /**
   * socket(2): a stream socket, or one of another type, closed on exec.
   *
   * @param family `IPv4`, `IPv6` or `UNIX`.
   * @param options the type, the protocol, the system calls to use, or a descriptor to take over.
   * @throws SysError `EMFILE`, `ENFILE`, `EAFNOSUPPORT`, `EPROTONOSUPPORT` (the kernel has no
   *   Multipath TCP), `ESOCKTNOSUPPORT`, ...
   * @throws RangeError for another family, type or protocol, or one that the platform lacks.
   */
  constructor(family: AddressFamily, options: SocketOptions = {}) {
    const { sys = nativeSys(), fd, type = 'SOCK_STREAM', protocol } = options;
    if (fd !== undefined) requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
    super(family, sys, fd ?? openedSocket(sys, family, type, protocol));
  }

  /**
   * socketpair(2): two UNIX sockets connected to each other.
   *
   * @param options the system calls to use, and the type: `SOCK_STREAM` by default.
   * @returns the two sockets; the caller owns both.
   * @throws SysError `EMFILE`, `ENFILE`, ...
   * @throws RangeError for another type, or one that the platform lacks.
   */
  static pair(options: Pick<SocketOptions, 'sys' | 'type'> = {}): [Socket, Socket] {
    const { sys = nativeSys(), type = 'SOCK_STREAM' } = options;
    const [left, right] = openedPair(sys, type);
    return [new Socket('UNIX', { sys, fd: left }), new Socket('UNIX', { sys, fd: right })];
  }

  /**
   * listen(2): makes the socket a listener.
   *
   * @param backlog the length of the queue of connections not yet accepted, 0 to 2^31 - 1,
   *   SOMAXCONN by default. The kernel caps it (`net.core.somaxconn`).
   * @throws SysError `EADDRINUSE`, `EINVAL` (is connected), ...
   * @throws RangeError for a backlog out of its range.
   */
  listen(backlog: number = this.sys.abi.constants.SOMAXCONN): void {
    requireWhole('a backlog', backlog, 0, 2 ** 31 - 1);
    const result = this.sys.listen(this.fileno(), backlog);
    if (result < 0) throw this.error(result, 'listen', 'listen on', this.nameOrNone());
  }

  /**
   * accept(2): the next connection. The new socket blocks, with the timeout of the listener.
   *
   * @returns the new socket, which the caller owns, and the address of its peer.
   * @throws SysError `ETIMEDOUT` after the timeout, `EAGAIN` from a non-blocking listener without
   *   a connection, `ECONNABORTED`, `EMFILE`, ...
   */
  accept(): [socket: Socket, address: SocketAddress] {
    const { abi } = this.sys;
    for (;;) {
      if (this.timeoutMs !== null && !abi.behaviours.timeoutsBoundAcceptAndConnect) {
        waitUntil(this.during(this.nameOrNone()), abi.constants.POLLIN, ACCEPT);
      }
      nameLength[0] = name.length;
      const fd = acceptStream(this.sys, this.fileno(), name, nameLength);
      if (fd >= 0) return this.#accepted(fd);
      const socket = this.during(this.nameOrNone());
      if (isResumed(socket, fd, abi.constants.POLLIN, ACCEPT)) continue;
      throw endedError(socket, fd, ACCEPT);
    }
  }

  #accepted(fd: number): [Socket, SocketAddress] {
    const sys = this.sys;
    const socket = new Socket(this.family, { sys, fd });
    try {
      const address = decodeSockaddr(sys.abi, name, nameLength[0] ?? 0);
      socket.peer = address;
      socket.interruptible = this.interruptible;
      // Linux and FreeBSD pass on the timeouts as of the connection's arrival, Linux for TCP only.
      if (this.hasBeenTimed) socket.applyTimeout(this.timeoutMs, true);
      return [socket, address];
    } catch (error) {
      socket.close();
      throw error;
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
}
