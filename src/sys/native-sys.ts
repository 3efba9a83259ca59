// The global of this name is a getter that looks its module up at every use (Node 20).
import { performance } from 'node:perf_hooks';
import type { Abi } from './abi/abi.ts';
import { ioUring } from './abi/io-uring.ts';
import { type BatchCode, openBatchCode } from './batch/executable-page.ts';
import type { CLibrary, IoUringLibrary, KqueueLibrary } from './c-library.ts';
import { lengthIn, requireRoom, requireWhole } from './call-arguments.ts';
import { NativeMessages } from './native-messages.ts';
import { lookUp, lookUpName } from './native-names.ts';
import { isStable } from './stable-address.ts';
import type { AddressHints, HostName, ResolvedAddresses, Sys, UvLoop } from './sys.ts';

const { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register } = ioUring.constants;

/** The calls of a C library. A function that the platform lacks gives `-ENOSYS`. */
export class NativeSys extends NativeMessages implements Sys {
  readonly #c: CLibrary;
  /** Undefined until first used: on Linux it is a separate library. */
  #kq: KqueueLibrary | null | undefined;
  readonly #missing: number;
  /** Opened by the first loop that asks: a program without one maps no executable page. */
  #batchCode: BatchCode | undefined;
  #makeBatch: ((records: number, count: number) => number) | null = null;
  /** Likewise, the call of every turn of a ring. */
  readonly #enterRing: IoUringLibrary['enter'] | null;
  readonly #epollEventBytes: number;
  readonly #keventBytes: number;

  constructor(abi: Abi, c: CLibrary) {
    super(abi, c);
    this.#c = c;
    this.#missing = -abi.errno.ENOSYS;
    this.#enterRing = c.ioUring?.enter ?? null;
    this.#epollEventBytes = abi.structs.epoll_event?.size ?? 0;
    this.#keventBytes = abi.structs.kevent.size;
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.#checked(this.#c.socket(domain, type, protocol));
  }

  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number {
    requireRoom(pair.length, 0, 2);
    return this.#checked(this.#c.socketpair(domain, type, protocol, pair));
  }

  bind(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    return this.#checked(this.#c.bind(fd, address, length));
  }

  listen(fd: number, backlog: number): number {
    return this.#checked(this.#c.listen(fd, backlog));
  }

  accept(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return this.#checked(this.#c.accept(fd, address, length));
  }

  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    requireRoom(address.length, 0, lengthIn(length));
    if (this.#c.accept4 === null) return this.#missing;
    return this.#checked(this.#c.accept4(fd, address, length, flags));
  }

  connect(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    return this.#checked(this.#c.connect(fd, address, length));
  }

  shutdown(fd: number, how: number): number {
    return this.#checked(this.#c.shutdown(fd, how));
  }

  close(fd: number): number {
    return this.#checked(this.#c.close(fd));
  }

  getsockname(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return this.#checked(this.#c.getsockname(fd, address, length));
  }

  getpeername(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return this.#checked(this.#c.getpeername(fd, address, length));
  }

  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    requireRoom(value.length, 0, lengthIn(length));
    return this.#checked(this.#c.getsockopt(fd, level, name, value, length));
  }

  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number {
    requireRoom(value.length, 0, length);
    return this.#checked(this.#c.setsockopt(fd, level, name, value, length));
  }

  fcntl(fd: number, command: number, argument: number): number {
    return this.#checked(this.#c.fcntl(fd, command, 'int', argument));
  }

  ioctl(fd: number, request: number, value: Int32Array): number {
    return this.#checked(this.#c.ioctl(fd, request, 'void *', value));
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    requireRoom(fds.length, 0, count * this.abi.structs.pollfd.size);
    return this.#checked(this.#c.poll(fds, count, timeoutMs));
  }

  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number {
    // The kernel accesses whole words of a set.
    const setBytes = Math.ceil(nfds / 64) * 8;
    if (readfds !== null) requireRoom(readfds.length, 0, setBytes);
    if (writefds !== null) requireRoom(writefds.length, 0, setBytes);
    if (timeout !== null) requireRoom(timeout.length, 0, this.abi.structs.timeval.size);
    return this.#checked(this.#c.select(nfds, readfds, writefds, null, timeout));
  }

  epoll_create1(flags: number): number {
    if (this.#c.epoll_create1 === null) return this.#missing;
    return this.#checked(this.#c.epoll_create1(flags));
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number {
    requireRoom(event.length, 0, this.#epollEventBytes);
    if (this.#c.epoll_ctl === null) return this.#missing;
    return this.#checked(this.#c.epoll_ctl(epfd, operation, fd, event));
  }

  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number {
    requireRoom(events.length, 0, maxevents * this.#epollEventBytes);
    if (this.#c.epoll_wait === null) return this.#missing;
    return this.#checked(this.#c.epoll_wait(epfd, events, maxevents, timeoutMs));
  }

  kqueue(): number {
    const library = this.#kqueueLibrary();
    return library === null ? this.#missing : this.#checked(library.kqueue());
  }

  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number {
    requireRoom(changes?.length ?? 0, 0, changeCount * this.#keventBytes);
    requireRoom(events?.length ?? 0, 0, eventCount * this.#keventBytes);
    if (timeout !== null) requireRoom(timeout.length, 0, this.abi.structs.timespec.size);
    const library = this.#kq ?? this.#kqueueLibrary();
    if (library === null) return this.#missing;
    return this.#checked(library.kevent(kq, changes, changeCount, events, eventCount, timeout));
  }

  /** kevent may be the first call: a thread can get a kqueue from another one. */
  #kqueueLibrary(): KqueueLibrary | null {
    if (this.#kq === undefined) this.#kq = this.#c.openKqueue();
    return this.#kq;
  }

  io_uring_setup(entries: number, params: Uint8Array): number {
    requireRoom(params.length, 0, ioUring.structs.io_uring_params.size);
    if (this.#c.ioUring === null) return this.#missing;
    return this.#checked(this.#c.ioUring.setup(SYS_io_uring_setup, entries, params));
  }

  io_uring_enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argBytes: number,
  ): number {
    const enter = this.#enterRing;
    if (enter === null) return this.#missing;
    const call = SYS_io_uring_enter;
    return this.#checked(enter(call, fd, toSubmit, minComplete, flags, arg, argBytes));
  }

  io_uring_register(fd: number, opcode: number, arg: number, count: number): number {
    if (this.#c.ioUring === null) return this.#missing;
    const call = SYS_io_uring_register;
    return this.#checked(this.#c.ioUring.register(call, fd, opcode, arg, count));
  }

  eventfd(initial: number, flags: number): number {
    if (this.#c.eventfd === null) return this.#missing;
    return this.#checked(this.#c.eventfd(initial, flags));
  }

  timerfd_create(clockid: number, flags: number): number {
    if (this.#c.timerfd_create === null) return this.#missing;
    return this.#checked(this.#c.timerfd_create(clockid, flags));
  }

  timerfd_settime(fd: number, flags: number, value: Uint8Array): number {
    // Two timespecs, of 16 bytes on every platform that has the call.
    requireRoom(value.length, 0, 2 * this.abi.structs.timespec.size);
    if (this.#c.timerfd_settime === null) return this.#missing;
    return this.#checked(this.#c.timerfd_settime(fd, flags, value, null));
  }

  pipe2(pair: Int32Array, flags: number): number {
    requireRoom(pair.length, 0, 2);
    if (this.#c.pipe2 === null) return this.#missing;
    return this.#checked(this.#c.pipe2(pair, flags));
  }

  pipe(pair: Int32Array): number {
    requireRoom(pair.length, 0, 2);
    return this.#checked(this.#c.pipe(pair));
  }

  read(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    requireRoom(buffer.length, offset, length);
    const into = offset === 0 ? buffer : buffer.subarray(offset);
    return this.#checked(this.#c.read(fd, into, length));
  }

  write(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    requireRoom(buffer.length, offset, length);
    const from = offset === 0 ? buffer : buffer.subarray(offset);
    return this.#checked(this.#c.write(fd, from, length));
  }

  dup(fd: number): number {
    return this.#checked(this.#c.dup(fd));
  }

  open(path: string, flags: number): number {
    requireWhole(path);
    return this.#checked(this.#c.open(path, flags));
  }

  getrlimit(resource: number, limit: Uint8Array): number {
    requireRoom(limit.length, 0, this.abi.structs.rlimit.size);
    return this.#checked(this.#c.getrlimit(resource, limit));
  }

  setrlimit(resource: number, limit: Uint8Array): number {
    requireRoom(limit.length, 0, this.abi.structs.rlimit.size);
    return this.#checked(this.#c.setrlimit(resource, limit));
  }

  unlink(path: string): number {
    requireWhole(path);
    return this.#checked(this.#c.unlink(path));
  }

  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number {
    return this.#checked(this.#c.mmap(0, length, protection, flags, fd, offset));
  }

  munmap(address: number, length: number): number {
    return this.#checked(this.#c.munmap(address, length));
  }

  view(address: number, length: number): Uint8Array {
    return this.#c.view(address, length);
  }

  address(buffer: Uint8Array): number {
    if (isStable(buffer)) return Number(this.#c.addressOf(buffer));
    const bytes = buffer.buffer.byteLength;
    throw new RangeError(`an ArrayBuffer of ${bytes} bytes may be moved and has no address`);
  }

  uvLoop(): UvLoop | null {
    return this.#c.uvLoop;
  }

  get batching(): true | { readonly reason: string } {
    if (this.#batchCode === undefined) this.#openBatchCode();
    return this.#makeBatch !== null || (this.#batchCode as { reason: string });
  }

  batch(records: number, count: number): number {
    const make = this.#makeBatch;
    return make === null ? count : make(records, count);
  }

  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number {
    requireWhole(node ?? '');
    requireWhole(service ?? '');
    return lookUp(this.#c, this.abi, [node, service], hints, results);
  }

  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number {
    requireRoom(address.length, 0, length);
    return lookUpName(this.#c, this.abi, address.subarray(0, length), flags, results);
  }

  if_nametoindex(name: string): number {
    requireWhole(name);
    return this.#c.if_nametoindex(name);
  }

  monotonicMs(): number {
    return performance.now();
  }

  strerror(errno: number): string {
    return this.#c.strerror(errno);
  }

  gai_strerror(code: number): string {
    return this.#c.gai_strerror(code);
  }

  #openBatchCode(): void {
    const code = openBatchCode(this.#c, this.abi);
    this.#batchCode = code;
    if ('make' in code) this.#makeBatch = code.make;
  }

  /** Reads errno right after the call: the next one overwrites it. */
  #checked(result: number): number {
    return result < 0 ? -this.#c.errno() : result;
  }
}
