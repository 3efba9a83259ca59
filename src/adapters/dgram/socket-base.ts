import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Sys } from '../../sys/sys.ts';
import { type ThreadLoop, threadLoop } from '../thread-loop.ts';
import { checkString, requireNumber } from './arguments.ts';
import type { BoundSocket } from './bound-socket.ts';
import { bindSocket, nameOf, openUnbound } from './descriptor.ts';
import { badBufferSize, bufferSizeError, callError, missing, notRunning } from './errors.ts';
import type { SocketEvents, SocketOptions, SocketType } from './options.ts';
import {
  bufferSize,
  setBroadcast,
  setMembership,
  setMulticastInterface,
  setMulticastLoop,
  setMulticastTtl,
  setSourceMembership,
  setTtl,
} from './socket-options.ts';

/** The addresses of all interfaces. */
export const ANY = { udp4: '0.0.0.0', udp6: '::' } as const;

/** What a socket sets and tells: the part of it that needs a descriptor and no more. */
export abstract class SocketBase extends EventEmitter<SocketEvents> {
  /** The family: `udp4` or `udp6`. */
  readonly type: SocketType;
  /** @internal */
  protected readonly thread: ThreadLoop;
  /** @internal */
  protected readonly options: SocketOptions;
  /** @internal The descriptor before the loop has it, -1 without one. */
  protected ownFd = -1;
  /** @internal */
  protected bound: BoundSocket | null = null;
  /** @internal Whether it was not closed. */
  protected isOpen = true;
  /** @internal The descriptor at the loop is not closed yet. */
  protected isClosing = false;
  #referenced = true;
  #held = false;

  /** @internal */
  protected constructor(type: SocketType, options: SocketOptions) {
    super();
    this.type = type;
    this.options = options;
    this.thread = threadLoop();
  }

  /** @internal The descriptor, -1 without one, as which the kernel refuses it. */
  protected get fd(): number {
    return this.bound?.fd ?? this.ownFd;
  }

  /** @internal */
  protected get sys(): Sys {
    return this.thread.loop.sys;
  }

  /** @internal */
  protected checkRunning(): void {
    if (!this.isOpen) throw notRunning();
  }

  #check(result: number, syscall: string): void {
    if (result < 0) throw callError(this.sys.abi, result, syscall);
  }

  /** @internal The descriptor, opened unless it is. Returns `-errno` if it cannot be. */
  protected opened(): number {
    if (this.fd < 0) this.ownFd = openUnbound(this.sys, this.type);
    return this.fd;
  }

  /** A socket that is not bound is bound to join a group, as by libuv. */
  #boundForGroup(syscall: string): number {
    if (this.fd >= 0) return this.fd;
    const fd = this.opened();
    this.#check(fd, syscall);
    const options = { ...this.options, reuseAddr: true };
    this.#check(bindSocket(this.sys, fd, ANY[this.type], 0, options), syscall);
    return fd;
  }

  /**
   * Tells where the socket is bound.
   *
   * @returns the address.
   * @throws Error `EBADF` for a socket that is not bound, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  address(): AddressInfo {
    this.checkRunning();
    const name = nameOf(this.sys, this.fd, 'getsockname');
    if (typeof name === 'number') throw callError(this.sys.abi, name, 'getsockname');
    return name;
  }

  /**
   * Allows to send to broadcast addresses, or forbids it: SO_BROADCAST.
   *
   * @param flag whether it may.
   * @throws Error `EBADF` for a socket that is not bound, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  setBroadcast(flag: boolean): void {
    this.checkRunning();
    this.#check(setBroadcast(this.sys, this.fd, Boolean(flag)), 'setBroadcast');
  }

  /**
   * Sets how many routers a datagram may pass.
   *
   * @param ttl 1 to 255.
   * @returns `ttl`.
   * @throws Error `EINVAL`, `EBADF` for a socket that is not bound, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   * @throws TypeError if it is no number.
   */
  setTTL(ttl: number): number {
    requireNumber(ttl, 'ttl');
    this.checkRunning();
    this.#check(setTtl(this.sys, this.fd, this.type, ttl), 'setTTL');
    return ttl;
  }

  /**
   * Sets how many routers a multicast may pass.
   *
   * @param ttl 0 to 255.
   * @returns `ttl`.
   * @throws Error and TypeError as {@link setTTL}.
   */
  setMulticastTTL(ttl: number): number {
    requireNumber(ttl, 'ttl');
    this.checkRunning();
    this.#check(setMulticastTtl(this.sys, this.fd, this.type, ttl), 'setMulticastTTL');
    return ttl;
  }

  /**
   * Delivers multicasts on this host, too, or does not.
   *
   * @param flag whether it does.
   * @returns `flag`.
   * @throws Error `EBADF` for a socket that is not bound, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  setMulticastLoopback(flag: boolean): boolean {
    this.checkRunning();
    const result = setMulticastLoop(this.sys, this.fd, this.type, Boolean(flag));
    this.#check(result, 'setMulticastLoopback');
    return flag;
  }

  /**
   * Sets the interface that multicasts leave by.
   *
   * @param multicastInterface an address of it; of IPv6 one with a zone, such as `::%eth0`.
   * @throws Error `EINVAL`, `EADDRNOTAVAIL`, ... and `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   * @throws TypeError if it is no string.
   */
  setMulticastInterface(multicastInterface: string): void {
    this.checkRunning();
    checkString(multicastInterface, 'interfaceAddress');
    const result = setMulticastInterface(this.sys, this.fd, multicastInterface);
    this.#check(result, 'setMulticastInterface');
  }

  /**
   * Joins a multicast group. A socket that is not bound gets a port of the system's choice.
   *
   * @param multicastAddress the address of the group.
   * @param multicastInterface the interface, by an address of it; of IPv6 one with a zone.
   * @throws Error `EINVAL`, `ENODEV`, `EADDRINUSE` if it is in the group, ...
   * @throws TypeError without a group.
   */
  addMembership(multicastAddress: string, multicastInterface?: string): void {
    this.#membership(multicastAddress, multicastInterface, true, 'addMembership');
  }

  /**
   * Leaves a multicast group.
   *
   * @param multicastAddress the address of the group.
   * @param multicastInterface the interface, as for {@link addMembership}.
   * @throws Error `EADDRNOTAVAIL` if it is not in the group, ...
   * @throws TypeError without a group.
   */
  dropMembership(multicastAddress: string, multicastInterface?: string): void {
    this.#membership(multicastAddress, multicastInterface, false, 'dropMembership');
  }

  #membership(group: string, at: string | undefined, joins: boolean, syscall: string): void {
    this.checkRunning();
    if (!group) throw missing('multicastAddress');
    const fd = this.#boundForGroup(syscall);
    // As Node: what is no string is one that is no address.
    const text = String(group);
    this.#check(setMembership(this.sys, fd, text, at ?? undefined, joins), syscall);
  }

  /**
   * Joins a multicast group of IPv4 for what one source sends.
   *
   * @param sourceAddress the address of the source.
   * @param groupAddress the address of the group.
   * @param multicastInterface the interface, by an address of it.
   * @throws Error `EINVAL`, `EADDRNOTAVAIL`, `ENOPROTOOPT` for IPv6, ...
   * @throws TypeError for an address that is no string.
   */
  addSourceSpecificMembership(
    sourceAddress: string,
    groupAddress: string,
    multicastInterface?: string,
  ): void {
    const syscall = 'addSourceSpecificMembership';
    this.#sourceMembership(sourceAddress, groupAddress, multicastInterface, true, syscall);
  }

  /**
   * Leaves what one source sends to a multicast group.
   *
   * @param sourceAddress the address of the source.
   * @param groupAddress the address of the group.
   * @param multicastInterface the interface, by an address of it.
   * @throws Error and TypeError as {@link addSourceSpecificMembership}.
   */
  dropSourceSpecificMembership(
    sourceAddress: string,
    groupAddress: string,
    multicastInterface?: string,
  ): void {
    const syscall = 'dropSourceSpecificMembership';
    this.#sourceMembership(sourceAddress, groupAddress, multicastInterface, false, syscall);
  }

  #sourceMembership(
    source: string,
    group: string,
    at: string | undefined,
    joins: boolean,
    syscall: string,
  ): void {
    this.checkRunning();
    checkString(source, 'sourceAddress');
    checkString(group, 'groupAddress');
    const fd = this.#boundForGroup(syscall);
    const { sys } = this;
    this.#check(setSourceMembership(sys, fd, source, group, at ?? undefined, joins), syscall);
  }

  /** @internal Sets SO_RCVBUF or SO_SNDBUF, or reads it if `size` is 0. */
  protected bufferSize(size: number, option: 'SO_RCVBUF' | 'SO_SNDBUF'): number {
    if (size >>> 0 !== size) throw badBufferSize();
    this.checkRunning();
    const result = bufferSize(this.sys, this.fd, option, size);
    if (result >= 0) return result;
    const direction = option === 'SO_RCVBUF' ? 'recv' : 'send';
    throw bufferSizeError(this.sys.abi, result, `uv_${direction}_buffer_size`);
  }

  /**
   * Sets SO_RCVBUF: how many bytes wait for a slow program. Linux doubles it.
   *
   * @param size bytes, 1 to 2147483647.
   * @throws Error `ERR_SOCKET_BUFFER_SIZE`, `ERR_SOCKET_BAD_BUFFER_SIZE`.
   */
  setRecvBufferSize(size: number): void {
    this.bufferSize(size, 'SO_RCVBUF');
  }

  /**
   * Sets SO_SNDBUF. Linux doubles it.
   *
   * @param size bytes, 1 to 2147483647.
   * @throws Error `ERR_SOCKET_BUFFER_SIZE`, `ERR_SOCKET_BAD_BUFFER_SIZE`.
   */
  setSendBufferSize(size: number): void {
    this.bufferSize(size, 'SO_SNDBUF');
  }

  /**
   * Reads SO_RCVBUF.
   *
   * @returns bytes.
   * @throws Error `ERR_SOCKET_BUFFER_SIZE` for a socket that is not bound.
   */
  getRecvBufferSize(): number {
    return this.bufferSize(0, 'SO_RCVBUF');
  }

  /**
   * Reads SO_SNDBUF.
   *
   * @returns bytes.
   * @throws Error `ERR_SOCKET_BUFFER_SIZE` for a socket that is not bound.
   */
  getSendBufferSize(): number {
    return this.bufferSize(0, 'SO_SNDBUF');
  }

  /**
   * Tells how many bytes wait because the kernel has no room for them.
   *
   * @returns bytes.
   * @throws Error `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  getSendQueueSize(): number {
    this.checkRunning();
    this.bound?.flush();
    return this.bound?.sends.queuedBytes ?? 0;
  }

  /**
   * Tells how many datagrams wait because the kernel has no room for them.
   *
   * @returns their number.
   * @throws Error `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  getSendQueueCount(): number {
    this.checkRunning();
    this.bound?.flush();
    return this.bound?.sends.queuedDatagrams ?? 0;
  }

  /** @internal Keeps the process alive, or lets it end, as the state asks for. */
  protected hold(): void {
    const isHeld = this.#referenced && (this.bound !== null || this.isClosing);
    if (isHeld === this.#held) return;
    this.#held = isHeld;
    if (isHeld) this.thread.hold();
    else this.thread.release();
  }

  /**
   * Has the bound socket keep the process alive, as it does at first.
   *
   * @returns the socket.
   */
  ref(): this {
    this.#referenced = true;
    this.hold();
    return this;
  }

  /**
   * Lets the process end although the socket is bound.
   *
   * @returns the socket.
   */
  unref(): this {
    this.#referenced = false;
    this.hold();
    return this;
  }
}
