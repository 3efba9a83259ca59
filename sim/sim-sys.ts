import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import { errnoName, gaiName } from '#src/sys/errno.js';
import type { AddressHints, HostName, ResolvedAddresses, Sys } from '#src/sys/sys.js';
import { FaultPlan } from './faults.ts';
import { FileCalls } from './file-calls.ts';
import { defaultLimits, Kernel, type SimLimits } from './kernel.ts';
import { NullFile } from './open-file.ts';
import { createPipe } from './pipes.ts';
import { Resolver } from './resolver.ts';
import { RingCalls, type SimRings } from './ring/ring-calls.ts';
import type { RingFile } from './ring/ring-file.ts';
import { requireRoom } from './room.ts';
import { SocketSys } from './socket-sys.ts';
import { WaitCalls } from './wait-calls.ts';

/** The options of a simulation. */
export interface SimOptions {
  /** Determines everything that happens: an integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** The platform; Linux on x64 if left out. */
  readonly abi?: Abi;
  /** The faults; none if left out. */
  readonly faults?: FaultPlan;
  readonly limits?: Partial<SimLimits>;
  /** The rings of a Linux; those of a new one if left out. */
  readonly rings?: SimRings;
  /** The number of calls kept for a report; 0 if left out, because it costs time. */
  readonly traceLines?: number;
}

/**
 * The system calls of a simulated kernel: one process, virtual time, one run for each seed. The
 * calls follow the man pages of the platform. See `Kernel` for what happens beside the process, and
 * `Peer` for the other ends of connections.
 */
export class SimSys extends SocketSys implements Sys {
  readonly resolver: Resolver;
  readonly #files: FileCalls;
  readonly #waits: WaitCalls;
  readonly #rings: RingCalls;
  readonly #keyboard;

  constructor(options: SimOptions) {
    const abi = options.abi ?? abiFor('linux', 'x64');
    if (abi === null) throw new Error('there is no table for Linux on x64');
    const { seed, faults = FaultPlan.none, traceLines = 0, limits } = options;
    super(new Kernel(abi, seed, faults, { ...defaultLimits, ...limits }, traceLines));
    this.#files = new FileCalls(this.kernel, this.sockets);
    this.#waits = new WaitCalls(this.kernel, this.#files);
    const { kernel, sockets, transfers } = this;
    this.#rings = new RingCalls(kernel, sockets, transfers, this.#files, options.rings ?? {});
    this.resolver = new Resolver(abi);
    const [keyboard, keys] = createPipe(this.kernel);
    this.#keyboard = keys;
    const files = [keyboard, new NullFile(this.kernel), new NullFile(this.kernel)];
    for (const file of files) this.kernel.descriptors.open(file, false);
  }

  /** A hash over all calls, results and reports: equal for equal runs. */
  get traceHash(): string {
    return this.kernel.trace.hash;
  }

  /** The number of calls by name. */
  get counts(): ReadonlyMap<string, number> {
    return this.kernel.trace.counts;
  }

  /** The open descriptors, without the three standard ones. */
  openDescriptors(): number[] {
    return [...this.kernel.descriptors.entries()].map(([fd]) => fd).filter((fd) => fd > 2);
  }

  /** The rings that are open. */
  get rings(): readonly RingFile[] {
    return this.#rings.open;
  }

  /** A thread has ended that had `fds`, which stay open. */
  threadEnded(fds: readonly number[]): void {
    this.#rings.threadEnded(fds);
  }

  /** The process has ended: its memory may go to another simulation. */
  end(): void {
    this.kernel.memory.end();
  }

  /** Makes `text` readable from descriptor 0. */
  type(text: string): void {
    this.#keyboard.write(Buffer.from(text), 0, Buffer.byteLength(text));
  }

  close(fd: number): number {
    this.kernel.enter();
    this.#rings.closing(fd);
    return this.note('close', fd, 0, 0, this.#files.close(fd));
  }

  fcntl(fd: number, command: number, argument: number): number {
    this.kernel.enter();
    return this.note('fcntl', fd, command, argument, this.#files.fcntl(fd, command, argument));
  }

  ioctl(fd: number, request: number, value: Int32Array): number {
    return this.note('ioctl', fd, request, 0, this.#files.ioctl(fd, request, value));
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    requireRoom(fds.length, 0, count * this.abi.structs.pollfd.size);
    this.kernel.enter();
    return this.note('poll', count, timeoutMs, 0, this.#waits.poll(fds, count, timeoutMs));
  }

  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number {
    const setBytes = Math.ceil(nfds / 64) * 8;
    if (readfds !== null) requireRoom(readfds.length, 0, setBytes);
    if (writefds !== null) requireRoom(writefds.length, 0, setBytes);
    this.kernel.enter();
    const result = this.#waits.select(nfds, readfds, writefds, timeout);
    return this.note('select', nfds, 0, 0, result);
  }

  epoll_create1(flags: number): number {
    this.kernel.enter();
    return this.note('epoll_create1', flags, 0, 0, this.#waits.epoll_create1(flags));
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number {
    requireRoom(event.length, 0, this.abi.structs.epoll_event?.size ?? 0);
    this.kernel.enter();
    const result = this.#waits.epoll_ctl(epfd, operation, fd, event);
    return this.note('epoll_ctl', epfd, operation, fd, result);
  }

  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number {
    requireRoom(
      events.length,
      0,
      Math.max(0, maxevents) * (this.abi.structs.epoll_event?.size ?? 0),
    );
    this.kernel.enter();
    const result = this.#waits.epoll_wait(epfd, events, maxevents, timeoutMs);
    return this.note('epoll_wait', epfd, maxevents, timeoutMs, result);
  }

  kqueue(): number {
    this.kernel.enter();
    return this.note('kqueue', 0, 0, 0, this.#waits.kqueue());
  }

  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number {
    const { size } = this.abi.structs.kevent;
    requireRoom(changes?.length ?? 0, 0, changeCount * size);
    requireRoom(events?.length ?? 0, 0, eventCount * size);
    this.kernel.enter();
    const result = this.#waits.kevent(kq, changes, changeCount, events, eventCount, timeout);
    return this.note('kevent', kq, changeCount, eventCount, result);
  }

  io_uring_setup(entries: number, params: Uint8Array): number {
    requireRoom(params.length, 0, this.abi.ioUring?.structs.io_uring_params.size ?? 0);
    this.kernel.enter();
    return this.note('io_uring_setup', entries, 0, 0, this.#rings.setup(entries, params));
  }

  io_uring_enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argBytes: number,
  ): number {
    this.kernel.enter();
    const exists = this.abi.ioUring !== null;
    const result = exists
      ? this.#rings.enter(fd, toSubmit, minComplete, flags, arg, argBytes)
      : this.missing;
    return this.note('io_uring_enter', fd, toSubmit, minComplete, result);
  }

  io_uring_register(fd: number, opcode: number, arg: number, count: number): number {
    this.kernel.enter();
    const exists = this.abi.ioUring !== null;
    const result = exists ? this.#rings.register(fd, opcode, arg, count) : this.missing;
    return this.note('io_uring_register', fd, opcode, count, result);
  }

  uvLoop(): null {
    return null;
  }

  readonly batching = { reason: 'the calls are simulated' };

  /** No call of a list is made: the simulated kernel sees each as itself. */
  batch(_records: number, count: number): number {
    return count;
  }

  eventfd(initial: number, flags: number): number {
    this.kernel.enter();
    return this.note('eventfd', initial, flags, 0, this.#files.eventfd(initial, flags));
  }

  timerfd_create(clockid: number, flags: number): number {
    this.kernel.enter();
    const result = this.#files.timerfd_create(clockid, flags);
    return this.note('timerfd_create', clockid, flags, 0, result);
  }

  timerfd_settime(fd: number, flags: number, value: Uint8Array): number {
    requireRoom(value.length, 0, 2 * this.abi.structs.timespec.size);
    this.kernel.enter();
    const result = this.#files.timerfd_settime(fd, flags, value);
    return this.note('timerfd_settime', fd, flags, 0, result);
  }

  pipe2(pair: Int32Array, flags: number): number {
    requireRoom(pair.length, 0, 2);
    this.kernel.enter();
    // macOS has neither accept4 nor pipe2.
    const result = this.abi.behaviours.accept4 ? this.#files.pipe(pair, flags) : this.missing;
    return this.note('pipe2', flags, 0, 0, result);
  }

  pipe(pair: Int32Array): number {
    requireRoom(pair.length, 0, 2);
    this.kernel.enter();
    return this.note('pipe', 0, 0, 0, this.#files.pipe(pair, 0));
  }

  dup(fd: number): number {
    this.kernel.enter();
    return this.note('dup', fd, 0, 0, this.#files.dup(fd));
  }

  open(path: string, flags: number): number {
    this.kernel.enter();
    return this.note('open', path.length, flags, 0, this.#files.open(path, flags));
  }

  getrlimit(resource: number, limit: Uint8Array): number {
    this.kernel.enter();
    return this.note('getrlimit', resource, 0, 0, this.#files.getrlimit(resource, limit));
  }

  setrlimit(resource: number, limit: Uint8Array): number {
    this.kernel.enter();
    return this.note('setrlimit', resource, 0, 0, this.#files.setrlimit(resource, limit));
  }

  unlink(path: string): number {
    this.kernel.enter();
    return this.note('unlink', path.length, 0, 0, this.sockets.names.unlink(path));
  }

  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number {
    return this.note('mmap', length, protection, flags, this.#files.mmap(length, fd, offset));
  }

  munmap(address: number, length: number): number {
    return this.note('munmap', address, length, 0, this.#files.munmap(address));
  }

  view(address: number, length: number): Uint8Array {
    return this.kernel.memory.view(address, length);
  }

  address(buffer: Uint8Array): number {
    return this.kernel.memory.address(buffer);
  }

  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number {
    const code = this.resolver.getaddrinfo(node, service, hints, results);
    return this.note('getaddrinfo', hints.family, hints.flags, 0, code);
  }

  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number {
    requireRoom(address.length, 0, length);
    const code = this.resolver.getnameinfo(address, length, flags, results);
    return this.note('getnameinfo', length, flags, 0, code);
  }

  if_nametoindex(name: string): number {
    return name === 'lo' || name === 'lo0' ? 1 : 0;
  }

  monotonicMs(): number {
    return this.kernel.clock.nowMs;
  }

  strerror(errno: number): string {
    return `simulated ${errnoName(this.abi, errno)}`;
  }

  gai_strerror(code: number): string {
    return `simulated ${gaiName(this.abi, code)}`;
  }
}
