import type { AddressHints, HostName, ResolvedAddresses, Sys, UvLoop } from '../sys.ts';
import * as format from './format.ts';
import * as waiting from './poll.ts';
import * as ring from './ring.ts';
import { TracedRings } from './ring-operations.ts';
import { TracedMessages } from './traced-messages.ts';

/**
 * A decorator of another {@link Sys} that counts the calls and prints each as strace(1) does, once
 * it has returned: `accept4(3, {AF_INET, 127.0.0.1:51234}, SOCK_CLOEXEC) = 4`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { nativeSys, TracingSys } from 'sockloop/sys';
 *
 * const lines: string[] = [];
 * const sys = new TracingSys(nativeSys(), (line) => lines.push(line));
 * sys.close(-1);
 * assert.deepEqual(lines, ['close(-1) = -1 EBADF (Bad file descriptor)']);
 * assert.equal(sys.counts.get('close'), 1);
 * ```
 */
export class TracingSys extends TracedMessages implements Sys {
  readonly #sys: Sys;
  readonly #print: (line: string) => void;
  readonly #rings: TracedRings;

  /**
   * Traces the calls of `sys`.
   *
   * @param sys the system calls to make.
   * @param print called with a line (without a newline) per call, and after io_uring_enter(2) with
   *   an indented one per operation submitted or completed. An error that it throws is thrown by
   *   the call.
   */
  constructor(sys: Sys, print: (line: string) => void) {
    super(sys, print);
    this.#sys = sys;
    this.#print = print;
    this.#rings = new TracedRings(sys);
  }

  socket(domain: number, type: number, protocol: number): number {
    const result = this.#sys.socket(domain, type, protocol);
    return this.traced('socket', format.socket(this.abi, domain, type, protocol), result);
  }

  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number {
    const result = this.#sys.socketpair(domain, type, protocol, pair);
    const shown = format.socket(this.abi, domain, type, protocol);
    return this.traced('socketpair', `${shown}, ${format.fdPair(pair, result)}`, result);
  }

  bind(fd: number, address: Uint8Array, length: number): number {
    const result = this.#sys.bind(fd, address, length);
    const name = format.sockaddr(this.abi, address, length);
    return this.traced('bind', `${fd}, ${name}, ${length}`, result);
  }

  listen(fd: number, backlog: number): number {
    return this.traced('listen', `${fd}, ${backlog}`, this.#sys.listen(fd, backlog));
  }

  accept(fd: number, address: Uint8Array, length: Int32Array): number {
    const result = this.#sys.accept(fd, address, length);
    const peer = format.filled(this.abi, address, length, result);
    return this.traced('accept', `${fd}, ${peer}`, result);
  }

  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    const result = this.#sys.accept4(fd, address, length, flags);
    const peer = format.filled(this.abi, address, length, result);
    const names = format.flags(this.abi, flags, ['SOCK_CLOEXEC', 'SOCK_NONBLOCK']);
    return this.traced('accept4', `${fd}, ${peer}, ${names}`, result);
  }

  connect(fd: number, address: Uint8Array, length: number): number {
    const result = this.#sys.connect(fd, address, length);
    const name = format.sockaddr(this.abi, address, length);
    return this.traced('connect', `${fd}, ${name}, ${length}`, result);
  }

  shutdown(fd: number, how: number): number {
    const result = this.#sys.shutdown(fd, how);
    return this.traced('shutdown', `${fd}, ${format.shutdown(this.abi, how)}`, result);
  }

  close(fd: number): number {
    this.#rings.closed(fd);
    return this.traced('close', String(fd), this.#sys.close(fd));
  }

  getsockname(fd: number, address: Uint8Array, length: Int32Array): number {
    const result = this.#sys.getsockname(fd, address, length);
    const own = format.filled(this.abi, address, length, result);
    return this.traced('getsockname', `${fd}, ${own}`, result);
  }

  getpeername(fd: number, address: Uint8Array, length: Int32Array): number {
    const result = this.#sys.getpeername(fd, address, length);
    const peer = format.filled(this.abi, address, length, result);
    return this.traced('getpeername', `${fd}, ${peer}`, result);
  }

  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    const result = this.#sys.getsockopt(fd, level, name, value, length);
    const bytes = length[0] ?? 0;
    const shown = format.option(this.abi, level, name, result < 0 ? null : value, bytes);
    return this.traced('getsockopt', `${fd}, ${shown}, [${bytes}]`, result);
  }

  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number {
    const result = this.#sys.setsockopt(fd, level, name, value, length);
    const shown = format.option(this.abi, level, name, value, length);
    return this.traced('setsockopt', `${fd}, ${shown}, ${length}`, result);
  }

  fcntl(fd: number, command: number, argument: number): number {
    const result = this.#sys.fcntl(fd, command, argument);
    return this.traced('fcntl', `${fd}, ${format.fcntl(this.abi, command, argument)}`, result);
  }

  ioctl(fd: number, request: number, value: Int32Array): number {
    const result = this.#sys.ioctl(fd, request, value);
    return this.traced('ioctl', format.ioctl(this.abi, fd, request, value, result), result);
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    const asked = waiting.pollfds(this.abi, fds, count, 'events');
    const result = this.#sys.poll(fds, count, timeoutMs);
    const came = result > 0 ? ` (${waiting.pollfds(this.abi, fds, count, 'revents')})` : '';
    return this.traced('poll', `${asked}, ${count}, ${timeoutMs}`, result, came);
  }

  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number {
    const sets = () => `${waiting.fdSet(readfds, nfds)}, ${waiting.fdSet(writefds, nfds)}`;
    const asked = `${nfds}, ${sets()}, ${waiting.timeval(this.abi, timeout)}`;
    const result = this.#sys.select(nfds, readfds, writefds, timeout);
    return this.traced('select', asked, result, result > 0 ? ` (${sets()})` : '');
  }

  epoll_create1(flags: number): number {
    const names = format.flags(this.abi, flags, ['EPOLL_CLOEXEC']);
    return this.traced('epoll_create1', names, this.#sys.epoll_create1(flags));
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number {
    const result = this.#sys.epoll_ctl(epfd, operation, fd, event);
    const change = waiting.epollChange(this.abi, operation, fd, event);
    return this.traced('epoll_ctl', `${epfd}, ${change}`, result);
  }

  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number {
    const result = this.#sys.epoll_wait(epfd, events, maxevents, timeoutMs);
    const came = waiting.epollEvents(this.abi, events, result);
    return this.traced('epoll_wait', `${epfd}, ${came}, ${maxevents}, ${timeoutMs}`, result);
  }

  kqueue(): number {
    return this.traced('kqueue', '', this.#sys.kqueue());
  }

  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number {
    // Formatted before the call: one buffer may be both lists.
    const asked = waiting.kevents(this.abi, changes, changeCount);
    const result = this.#sys.kevent(kq, changes, changeCount, events, eventCount, timeout);
    const came = `${waiting.kevents(this.abi, events, result)}, ${eventCount}`;
    const bound = waiting.timespec(this.abi, timeout);
    return this.traced('kevent', `${kq}, ${asked}, ${changeCount}, ${came}, ${bound}`, result);
  }

  io_uring_setup(entries: number, params: Uint8Array): number {
    const result = this.#sys.io_uring_setup(entries, params);
    this.#rings.setUp(result, params);
    const shown = ring.params(this.abi, params, result);
    return this.traced('io_uring_setup', `${entries}, ${shown}`, result);
  }

  io_uring_enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argBytes: number,
  ): number {
    const entered = this.#rings.entered(fd, flags);
    const result = this.#sys.io_uring_enter(fd, toSubmit, minComplete, flags, arg, argBytes);
    const names = ring.enterFlags(this.abi, flags) + (entered?.timeout(flags, arg) ?? '');
    this.traced('io_uring_enter', `${fd}, ${toSubmit}, ${minComplete}, ${names}`, result);
    for (const line of entered?.moved() ?? []) this.#print(line);
    return result;
  }

  io_uring_register(fd: number, opcode: number, arg: number, count: number): number {
    const result = this.#sys.io_uring_register(fd, opcode, arg, count);
    this.#rings.registered(fd, opcode, arg, result);
    const name = ring.registration(this.abi, opcode);
    return this.traced('io_uring_register', `${fd}, ${name}, ${count}`, result);
  }

  eventfd(initial: number, flags: number): number {
    const names = format.flags(this.abi, flags, ['EFD_CLOEXEC', 'EFD_NONBLOCK']);
    return this.traced('eventfd', `${initial}, ${names}`, this.#sys.eventfd(initial, flags));
  }

  timerfd_create(clockid: number, flags: number): number {
    const result = this.#sys.timerfd_create(clockid, flags);
    return this.traced('timerfd_create', waiting.timerfd(this.abi, clockid, flags), result);
  }

  timerfd_settime(fd: number, flags: number, value: Uint8Array): number {
    const shown = `${fd}, ${flags}, ${waiting.itimerspec(this.abi, value)}, NULL`;
    return this.traced('timerfd_settime', shown, this.#sys.timerfd_settime(fd, flags, value));
  }

  pipe2(pair: Int32Array, flags: number): number {
    const result = this.#sys.pipe2(pair, flags);
    return this.traced('pipe2', format.pipe(this.abi, pair, result, flags), result);
  }

  pipe(pair: Int32Array): number {
    const result = this.#sys.pipe(pair);
    return this.traced('pipe', format.fdPair(pair, result), result);
  }

  read(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    const result = this.#sys.read(fd, buffer, offset, length);
    const bytes = result < 0 ? '?' : format.bytesLiteral(buffer, offset, result);
    return this.traced('read', `${fd}, ${bytes}, ${length}`, result);
  }

  write(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    const result = this.#sys.write(fd, buffer, offset, length);
    const bytes = format.bytesLiteral(buffer, offset, length);
    return this.traced('write', `${fd}, ${bytes}, ${length}`, result);
  }

  dup(fd: number): number {
    return this.traced('dup', String(fd), this.#sys.dup(fd));
  }

  open(path: string, flags: number): number {
    const shown = `${format.textLiteral(path)}, ${format.openFlags(this.abi, flags)}`;
    return this.traced('open', shown, this.#sys.open(path, flags));
  }

  getrlimit(resource: number, limit: Uint8Array): number {
    const result = this.#sys.getrlimit(resource, limit);
    const shown = result < 0 ? '?' : format.rlimit(this.abi, limit);
    return this.traced('getrlimit', `${format.resource(this.abi, resource)}, ${shown}`, result);
  }

  setrlimit(resource: number, limit: Uint8Array): number {
    const shown = `${format.resource(this.abi, resource)}, ${format.rlimit(this.abi, limit)}`;
    return this.traced('setrlimit', shown, this.#sys.setrlimit(resource, limit));
  }

  unlink(path: string): number {
    return this.traced('unlink', format.textLiteral(path), this.#sys.unlink(path));
  }

  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number {
    const result = this.#sys.mmap(length, protection, flags, fd, offset);
    this.#rings.mapped(fd, offset, result, length);
    const shown = `NULL, ${ring.mapping(this.abi, length, protection, flags, fd, offset)}`;
    if (result >= 0) this.note('mmap', `${shown}) = 0x${result.toString(16)}`);
    return result < 0 ? this.traced('mmap', shown, result) : result;
  }

  munmap(address: number, length: number): number {
    const result = this.#sys.munmap(address, length);
    return this.traced('munmap', `0x${address.toString(16)}, ${length}`, result);
  }

  view(address: number, length: number): Uint8Array {
    return this.#sys.view(address, length);
  }

  address(buffer: Uint8Array): number {
    return this.#sys.address(buffer);
  }

  uvLoop(): UvLoop | null {
    return this.#sys.uvLoop();
  }

  /** None: each call is shown as itself. */
  get batching(): { readonly reason: string } {
    return { reason: 'each call is traced' };
  }

  batch(_records: number, count: number): number {
    return count;
  }

  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number {
    const code = this.#sys.getaddrinfo(node, service, hints, results);
    const shown = format.lookup(this.abi, node, service, hints, results);
    this.note('getaddrinfo', `${shown})${format.gaiOutcome(this.#sys, code)}`);
    return code;
  }

  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number {
    const code = this.#sys.getnameinfo(address, length, flags, results);
    const host = format.hostName(this.abi, results, flags, code);
    const shown = `${format.sockaddr(this.abi, address, length)}, ${host}`;
    this.note('getnameinfo', `${shown})${format.gaiOutcome(this.#sys, code)}`);
    return code;
  }

  if_nametoindex(name: string): number {
    const index = this.#sys.if_nametoindex(name);
    this.note('if_nametoindex', `${format.textLiteral(name)}) = ${index}`);
    return index;
  }

  monotonicMs(): number {
    return this.#sys.monotonicMs();
  }

  strerror(errno: number): string {
    return this.#sys.strerror(errno);
  }

  gai_strerror(code: number): string {
    return this.#sys.gai_strerror(code);
  }
}
