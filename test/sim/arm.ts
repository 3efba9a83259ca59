import { errnoName } from '#src/sys/errno.js';
import { decodeSockaddr, encodeSockaddr, type SocketAddress } from '#src/sys/sockaddr.js';
import { writeInteger } from '#src/sys/struct.js';
import type { Sys } from '#src/sys/sys.js';

const ADDRESS_BYTES = 128;

/** The blocking mode of both ends, for {@link Arm.tcpPair}. */
export type Blocking = 'blocking' | 'nonblocking';

/** Thrown where another thread of this process opened a descriptor in between: try again. */
class NumberTaken extends Error {
  override readonly name = 'NumberTaken';
}

const TRIES_MAX = 10;

/** The record of `steps` over the real kernel or the simulated one. */
export function logOf(steps: (arm: Arm) => void, sys: Sys, isReal: boolean, tag: string): string[] {
  for (let tries = 1; ; tries += 1) {
    const arm = new Arm(sys, isReal, tag);
    try {
      steps(arm);
      return arm.log;
    } catch (error) {
      if (!(error instanceof NumberTaken) || tries === TRIES_MAX) throw error;
    } finally {
      arm.closeAll();
    }
  }
}

/**
 * One arm of a comparison: the same steps run over the real kernel and over the simulated one, and
 * each arm records their results. Descriptors and ports are recorded as `fd` and `port`.
 */
export class Arm {
  readonly sys: Sys;
  readonly log: string[] = [];
  readonly #opened = new Set<number>();
  readonly #epolls = new Map<number, number>();
  readonly #isReal: boolean;
  /** Makes the UNIX names of a run unique. */
  readonly #tag: string;

  constructor(sys: Sys, isReal: boolean, tag: string) {
    this.sys = sys;
    this.#isReal = isReal;
    this.#tag = tag;
  }

  /** Records a result. */
  note(what: string, seen: number | string | boolean): void {
    this.log.push(`${what}: ${typeof seen === 'number' ? this.name(seen) : seen}`);
  }

  /** A result as a number or the name of its errno. */
  name(result: number): string {
    return result < 0 ? errnoName(this.sys.abi, result) : String(result);
  }

  /** A result that is a descriptor: closed at the end, and recorded as `fd`. */
  keep(what: string, fd: number): number {
    this.log.push(`${what}: ${fd < 0 ? this.name(fd) : 'fd'}`);
    if (fd >= 0) this.#opened.add(fd);
    return fd;
  }

  /** Waits until the network has delivered everything. */
  deliverAll(): void {
    if (this.#isReal) this.sys.poll(new Uint8Array(0), 0, 3);
  }

  /** Throws unless a number was reused, as the lowest free one. */
  requireReuse(fd: number, expected: number): void {
    if (fd !== expected && this.#isReal) throw new NumberTaken(`${fd} instead of ${expected}`);
    this.note('the number is reused', fd === expected);
  }

  close(fd: number): number {
    this.#opened.delete(fd);
    const result = this.sys.close(fd);
    this.deliverAll();
    return result;
  }

  closeAll(): void {
    for (const fd of this.#opened) this.sys.close(fd);
    this.#opened.clear();
  }

  /** A name for a UNIX socket that no other run uses. */
  path(name: string): string {
    return `/tmp/sockloop-${this.#tag}-${name}`;
  }

  socket(family: 'IPv4' | 'IPv6' | 'UNIX' = 'IPv4', blocking: Blocking = 'nonblocking'): number {
    const { AF_INET, AF_INET6, AF_UNIX } = this.sys.abi.constants;
    const { SOCK_STREAM, SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 } = this.sys.abi.constants;
    const domain = { IPv4: AF_INET, IPv6: AF_INET6, UNIX: AF_UNIX }[family];
    const flags = SOCK_CLOEXEC | (blocking === 'blocking' ? 0 : SOCK_NONBLOCK);
    const fd = this.sys.socket(domain, SOCK_STREAM | flags, 0);
    if (fd < 0) return fd;
    if (blocking === 'nonblocking') this.nonblocking(fd);
    return this.own(fd);
  }

  /** Sets O_NONBLOCK where socket(2) and the like could not: macOS. */
  nonblocking(fd: number): void {
    const { SOCK_NONBLOCK, F_SETFL, O_NONBLOCK } = this.sys.abi.constants;
    if (SOCK_NONBLOCK === undefined) this.sys.fcntl(fd, F_SETFL, O_NONBLOCK);
  }

  bind(fd: number, address: SocketAddress): number {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    return this.sys.bind(fd, bytes, encodeSockaddr(this.sys.abi, address, bytes));
  }

  connect(fd: number, address: SocketAddress): number {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const result = this.sys.connect(fd, bytes, encodeSockaddr(this.sys.abi, address, bytes));
    this.deliverAll();
    return result;
  }

  accept(listener: number, flags = 0): number {
    const length = new Int32Array([ADDRESS_BYTES]);
    const address = new Uint8Array(ADDRESS_BYTES);
    if (!this.sys.abi.behaviours.accept4) return this.sys.accept(listener, address, length);
    return this.sys.accept4(listener, address, length, flags);
  }

  /** The name of a socket by getsockname(2). */
  nameOf(fd: number): SocketAddress {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const length = new Int32Array([ADDRESS_BYTES]);
    const result = this.sys.getsockname(fd, bytes, length);
    if (result < 0) throw new Error(`getsockname: ${this.name(result)}`);
    return decodeSockaddr(this.sys.abi, bytes, length[0] ?? 0);
  }

  /** The name of the other end as text, its port as `port`, or the errno. */
  peerOf(fd: number): string {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const length = new Int32Array([ADDRESS_BYTES]);
    const result = this.sys.getpeername(fd, bytes, length);
    if (result < 0) return this.name(result);
    const address = decodeSockaddr(this.sys.abi, bytes, length[0] ?? 0);
    if (address.family === 'UNIX') return `UNIX "${address.path.replace(this.#tag, 'tag')}"`;
    return `${address.family} ${address.address} port`;
  }

  /** A listener at a free port, and its address. */
  listener(
    family: 'IPv4' | 'IPv6' = 'IPv4',
    backlog = 16,
  ): { readonly fd: number; readonly address: SocketAddress } {
    const fd = this.socket(family);
    this.setInt(fd, 'SO_REUSEADDR', 1);
    const address = family === 'IPv4' ? '127.0.0.1' : '::1';
    const bound = this.bind(fd, { family, address, port: 0 });
    const listening = this.sys.listen(fd, backlog);
    if (bound < 0 || listening < 0) throw new Error(`no listener: ${this.name(bound)}`);
    return { fd, address: this.nameOf(fd) };
  }

  /** Both ends of a TCP connection, non-blocking. */
  tcpPair(): readonly [client: number, server: number] {
    const { fd, address } = this.listener();
    const client = this.socket();
    this.connect(client, address);
    // On macOS it inherits O_NONBLOCK of the listener.
    const server = this.accept(fd, this.sys.abi.constants.SOCK_NONBLOCK);
    if (server < 0) throw new Error(`no connection: ${this.name(server)}`);
    this.#opened.add(server);
    this.close(fd);
    return [client, server];
  }

  /** Both ends of a socketpair(2), non-blocking. */
  unixPair(): readonly [left: number, right: number] {
    const { AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK = 0 } = this.sys.abi.constants;
    const pair = new Int32Array(2);
    const result = this.sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    if (result < 0) throw new Error(`no pair: ${this.name(result)}`);
    const [left = -1, right = -1] = pair;
    this.nonblocking(left);
    this.nonblocking(right);
    this.#opened.add(left).add(right);
    return [left, right];
  }

  pipe(flags = this.sys.abi.constants.O_NONBLOCK): readonly [reader: number, writer: number] {
    const pair = new Int32Array(2);
    const atOnce = this.sys.pipe2(pair, flags);
    const result = atOnce === -this.sys.abi.errno.ENOSYS ? this.sys.pipe(pair) : atOnce;
    if (result < 0) throw new Error(`no pipe: ${this.name(result)}`);
    const [reader = -1, writer = -1] = pair;
    this.nonblocking(reader);
    this.nonblocking(writer);
    this.#opened.add(reader).add(writer);
    return [reader, writer];
  }

  send(fd: number, text: string): number {
    const bytes = new TextEncoder().encode(text);
    const flags = this.sys.abi.constants.MSG_NOSIGNAL ?? 0;
    const result = this.sys.send(fd, bytes, 0, bytes.length, flags);
    this.deliverAll();
    return result;
  }

  /** The result of recv(2): text in quotes, or the errno. */
  recv(fd: number, length = 64, flags = 0): string {
    const bytes = new Uint8Array(length);
    const result = this.sys.recv(fd, bytes, 0, length, flags);
    if (result < 0) return this.name(result);
    return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, result)));
  }

  shutdown(fd: number, how: 'SHUT_RD' | 'SHUT_WR' | 'SHUT_RDWR'): number {
    const result = this.sys.shutdown(fd, this.sys.abi.constants[how]);
    this.deliverAll();
    return result;
  }

  setInt(fd: number, name: string, value: number): number {
    const bytes = new Uint8Array(new Int32Array([value]).buffer);
    return this.sys.setsockopt(fd, this.level(name), this.option(name), bytes, 4);
  }

  /** The value of an option, or its errno. */
  getInt(fd: number, name: string): string {
    const bytes = new Uint8Array(4);
    const length = new Int32Array([4]);
    const { sys } = this;
    const result = sys.getsockopt(fd, this.level(name), this.option(name), bytes, length);
    return result < 0 ? this.name(result) : String(new Int32Array(bytes.buffer)[0]);
  }

  /** SO_ERROR by its name. */
  errorOf(fd: number): string {
    const value = Number(this.getInt(fd, 'SO_ERROR'));
    return value === 0 ? 'none' : errnoName(this.sys.abi, value);
  }

  level(name: string): number {
    const { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IPV6 } = this.sys.abi.constants;
    if (name.startsWith('TCP_')) return IPPROTO_TCP;
    return name.startsWith('IPV6_') ? IPPROTO_IPV6 : SOL_SOCKET;
  }

  option(name: string): number {
    return this.sys.abi.options[name] ?? 9999;
  }

  /** SO_LINGER, with its time in seconds. */
  linger(fd: number, seconds: number): number {
    const { linger } = this.sys.abi.structs;
    const bytes = new Uint8Array(linger.size);
    const view = new DataView(bytes.buffer);
    writeInteger(view, 0, linger.fields.l_onoff, 1);
    writeInteger(view, 0, linger.fields.l_linger, seconds);
    return this.sys.setsockopt(
      fd,
      this.level('SO_'),
      this.option('SO_LINGER'),
      bytes,
      bytes.length,
    );
  }

  /** SO_RCVTIMEO or SO_SNDTIMEO, in milliseconds. */
  timeout(fd: number, name: 'SO_RCVTIMEO' | 'SO_SNDTIMEO', milliseconds: number): number {
    const { timeval } = this.sys.abi.structs;
    const bytes = new Uint8Array(timeval.size);
    writeInteger(new DataView(bytes.buffer), 0, timeval.fields.tv_usec, milliseconds * 1000);
    return this.sys.setsockopt(fd, this.level(name), this.option(name), bytes, bytes.length);
  }

  /** Sends until there is no room. Returns the number of bytes sent. */
  fill(fd: number): number {
    const block = new Uint8Array(65_536);
    let total = 0;
    for (;;) {
      const result = this.sys.write(fd, block, 0, block.length);
      this.deliverAll();
      if (result <= 0) return total;
      total += result;
    }
  }

  /** Reads until nothing is left. Returns the number of bytes read. */
  drain(fd: number, most = Number.POSITIVE_INFINITY): number {
    const block = new Uint8Array(65_536);
    let total = 0;
    while (total < most) {
      const result = this.sys.read(fd, block, 0, Math.min(block.length, most - total));
      this.deliverAll();
      if (result <= 0) return total;
      total += result;
    }
    return total;
  }

  own(fd: number): number {
    this.#opened.add(fd);
    return fd;
  }

  /** The epoll instance of one descriptor alone, created at first use. */
  epollOf(fd: number): number {
    const known = this.#epolls.get(fd);
    if (known !== undefined) return known;
    const epoll = this.own(this.sys.epoll_create1(0));
    this.#epolls.set(fd, epoll);
    return epoll;
  }
}
