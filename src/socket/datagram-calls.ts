import { type Bytes, bytesOf, rangeLength, sendableLength, viewOf } from '../base/bytes.ts';
import { sendFlags } from '../sys/descriptors.ts';
import {
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import { type AddressInput, addressOf } from './address.ts';
import { BaseSocket, UNNAMED } from './base-socket.ts';
import { type Call, isResumed, transferError } from './blocking-call.ts';
import type { ReceivedMessage } from './messages.ts';
import { changeGroup, type GroupOptions, writeMulticastInterface } from './multicast.ts';
import { nameOrNone } from './names.ts';

// In use during one call only: each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const nameLength = new Int32Array(1);

const SENDTO: Call = { syscall: 'sendto', attempt: 'send to' };
const RECVFROM: Call = { syscall: 'recvfrom', attempt: 'receive from' };

/**
 * The calls that datagrams need, a part of {@link Socket}: with addresses, the error queue, and
 * multicast.
 *
 * A datagram is sent and received whole, or not at all: what does not fit into the buffer of a
 * receive is lost. Over UDP it may be lost, come twice, or overtake another.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { Socket } from 'sockloop/socket';
 *
 * using server = new Socket('IPv4', { type: 'SOCK_DGRAM' });
 * server.bind({ address: '127.0.0.1', port: 0 });
 * using client = new Socket('IPv4', { type: 'SOCK_DGRAM' });
 * client.sendTo('hello', server.getSockName());
 *
 * const buffer = new Uint8Array(65536);
 * const [length, from] = server.recvFrom(buffer);
 * assert.equal(new TextDecoder().decode(buffer.subarray(0, length)), 'hello');
 * server.sendTo(buffer.subarray(0, length), from);
 * assert.equal(client.recv(buffer), 5);
 * ```
 */
export abstract class DatagramCalls extends BaseSocket {
  /**
   * connect(2) to AF_UNSPEC: takes `connect` of a datagram socket back.
   *
   * @throws SysError `EBADF` on a closed socket.
   */
  disconnect(): void {
    const { abi } = this.sys;
    // All zeros: AF_UNSPEC.
    name.fill(0);
    const result = this.sys.connect(this.fileno(), name, abi.structs.sockaddr.size);
    // The BSDs have done it when they answer with an error.
    if (result < 0 && nameOrNone(this.sys, this.fileno(), 'getpeername') !== undefined) {
      throw this.error(result, 'connect', 'disconnect from', this.peer);
    }
    if (result === -abi.errno.EBADF) throw this.error(result, 'connect', 'disconnect a socket');
    this.peer = undefined;
  }

  /**
   * sendto(2): sends one datagram.
   *
   * @param data a string (sent as UTF-8) or any view of memory (sent as the bytes it covers).
   * @param address the receiver.
   * @param offset the first byte to send.
   * @param byteLength how many bytes, all that follow by default; 0 is a datagram as well.
   * @param flags `MSG_*` of `constants`.
   * @returns how many bytes were sent: all.
   * @throws SysError `EMSGSIZE` for more than a datagram takes, `EACCES` for a broadcast without
   *   SO_BROADCAST, `EINVAL` for port 0, `ENETUNREACH`, `EPERM`, `ENOBUFS`; `EAGAIN` from a
   *   non-blocking socket; `ECONNREFUSED` over UNIX sockets; after IP_RECVERR what an earlier
   *   datagram met.
   * @throws TypeError, RangeError as `bind` for the address, as `send` for the data.
   */
  sendTo(data: Bytes, address: AddressInput, offset = 0, byteLength?: number, flags = 0): number {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'send');
    const on = addressOf(this.family, address, this.sys);
    const nameBytes = encodeSockaddr(this.sys.abi, on, name);
    const all = flags | sendFlags(this.sys);
    for (;;) {
      const fd = this.fileno();
      const result = this.sys.sendto(fd, bytes, offset, length, all, name, nameBytes);
      if (result >= 0) return result;
      const socket = this.during(on);
      if (isResumed(socket, result, this.constants.POLLOUT, SENDTO)) continue;
      throw transferError(socket, result, flags, SENDTO);
    }
  }

  /**
   * recvfrom(2): receives one datagram and the address of its sender.
   *
   * @param buffer any view of memory.
   * @param offset where in it the bytes go.
   * @param byteLength how many bytes at most, all that fit by default.
   * @param flags `MSG_*` of `constants`; with `MSG_TRUNC` Linux returns the length of the datagram,
   *   which may be more than fits.
   * @returns how many bytes came, 0 for an empty datagram; and the sender, of an unbound UNIX
   *   socket an empty path, of a connection the peer.
   * @throws SysError `ETIMEDOUT` after the timeout, `EAGAIN` from a non-blocking socket,
   *   `ECONNREFUSED` if the peer of a connected socket has refused a datagram.
   * @throws TypeError for what is no view, RangeError for a range outside of it.
   */
  recvFrom(
    buffer: ArrayBufferView,
    offset = 0,
    byteLength?: number,
    flags = 0,
  ): [length: number, address: SocketAddress] {
    const bytes = viewOf(buffer);
    const length = rangeLength(bytes, offset, byteLength, 'receive');
    for (;;) {
      nameLength[0] = name.length;
      const fd = this.fileno();
      const result = this.sys.recvfrom(fd, bytes, offset, length, flags, name, nameLength);
      if (result >= 0) return [result, this.#sender()];
      const socket = this.during();
      if (isResumed(socket, result, this.constants.POLLIN, RECVFROM)) continue;
      throw transferError(socket, result, flags, RECVFROM);
    }
  }

  #sender(): SocketAddress {
    const length = nameLength[0] ?? 0;
    return length === 0 ? (this.peer ?? UNNAMED) : decodeSockaddr(this.sys.abi, name, length);
  }

  /**
   * recvmsg(2) with MSG_ERRQUEUE: the oldest entry of the error queue, which Linux keeps for a
   * socket after `setSockOpt('IP_RECVERR', true)`, or `IPV6_RECVERR`. Never waits.
   *
   * The control message of the kind `IP_RECVERR` or `IPV6_RECVERR` says what happened; `address` is
   * the receiver, and the bytes are those of the datagram as far as they were sent back.
   *
   * @param buffer room for the bytes.
   * @returns the entry, null if there is none.
   * @throws SysError `EBADF` on a closed socket.
   * @throws RangeError where there is no error queue: on macOS and FreeBSD.
   */
  recvError(buffer: ArrayBufferView): ReceivedMessage | null {
    const { MSG_ERRQUEUE, MSG_DONTWAIT } = this.constants;
    if (MSG_ERRQUEUE === undefined) {
      throw new RangeError(`the error queue does not exist on ${this.sys.abi.platform}`);
    }
    try {
      return this.recvMsg(buffer, { flags: MSG_ERRQUEUE | MSG_DONTWAIT });
    } catch (error) {
      if (this.#isEmptyQueue(error)) return null;
      throw error;
    }
  }

  #isEmptyQueue(error: unknown): boolean {
    const { EAGAIN } = this.sys.abi.errno;
    return error instanceof Error && 'errno' in error && error.errno === -EAGAIN;
  }

  /**
   * Receives what is sent to a multicast group (IP_ADD_MEMBERSHIP, MCAST_JOIN_GROUP and their kin).
   * Bind to the port first, and to `0.0.0.0`, `::` or the group.
   *
   * @param group the address of the group: `239.1.2.3`, `ff02::1:2`.
   * @param options the interface, and the only source that counts.
   * @throws SysError `ENODEV` (no interface, or no route to the group), `EADDRINUSE` (it is joined
   *   already), `ENOBUFS` (too many groups: `net.ipv4.igmp_max_memberships`), ...
   * @throws RangeError for an address that is no group, an unknown interface; TypeError for a wrong
   *   type.
   */
  joinGroup(group: string, options: GroupOptions = {}): void {
    changeGroup(this.sys, this.fileno(), 'join', group, options);
  }

  /**
   * Takes {@link joinGroup} back.
   *
   * @param group the group.
   * @param options the interface and the source that it was joined with.
   * @throws SysError `EADDRNOTAVAIL` (it was not joined so), ...
   * @throws RangeError, TypeError as {@link joinGroup}.
   */
  leaveGroup(group: string, options: GroupOptions = {}): void {
    changeGroup(this.sys, this.fileno(), 'leave', group, options);
  }

  /**
   * The interface that multicasts leave by (IP_MULTICAST_IF, IPV6_MULTICAST_IF). How far they go
   * and whether this machine hears them too: `setSockOpt` of IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
   * IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP.
   *
   * @param on its name or its index, 0 for any; of IPv4 also one of its addresses.
   * @throws SysError `ENODEV`, `EADDRNOTAVAIL`, ...
   * @throws RangeError for an unknown interface, or a UNIX socket; TypeError for a wrong type.
   */
  setMulticastInterface(on: string | number): void {
    if (this.family === 'UNIX') throw new RangeError('a UNIX socket has no multicast');
    writeMulticastInterface(this.sys, this.fileno(), this.family, on);
  }
}
