import type { Abi } from './abi/abi.ts';

/**
 * The system calls, one method each: no policy, no retry, no throw.
 *
 * A result is a number: `>= 0` as the man page says, or `-errno` on failure. Buffers are the
 * caller's and are lent for the length of the call. Every method may block the calling thread as
 * its man page says, and any thread may call it.
 *
 * Implementations: `NativeSys` (the kernel, through the FFI), `TracingSys` (a decorator that prints
 * each call as strace would).
 */
export interface Sys {
  /** The numbers and layouts that go with these calls. */
  readonly abi: Abi;

  /** socket(2): a new descriptor. */
  socket(domain: number, type: number, protocol: number): number;
  /** socketpair(2): two connected descriptors, written into `pair`. */
  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number;
  /** bind(2): `address` holds a sockaddr of `length` bytes. */
  bind(fd: number, address: Uint8Array, length: number): number;
  /** listen(2). */
  listen(fd: number, backlog: number): number;
  /** accept(2): `length[0]` goes in as the room in `address`, comes out as the peer's length. */
  accept(fd: number, address: Uint8Array, length: Int32Array): number;
  /** accept4(2): accept with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`; `-ENOSYS` where there is none. */
  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number;
  /** connect(2). */
  connect(fd: number, address: Uint8Array, length: number): number;
  /** send(2): `length` bytes of `buffer` from `offset` on. */
  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  /** recv(2): at most `length` bytes into `buffer` at `offset`; 0 is the end of the stream. */
  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  /** shutdown(2). */
  shutdown(fd: number, how: number): number;
  /** close(2). The descriptor is gone whatever it returns, so `-EINTR` must not be retried. */
  close(fd: number): number;
  /** getsockname(2): as accept, the length goes in and comes out. */
  getsockname(fd: number, address: Uint8Array, length: Int32Array): number;
  /** getpeername(2). */
  getpeername(fd: number, address: Uint8Array, length: Int32Array): number;
  /** getsockopt(2): `length[0]` is the room in `value` on the way in, its length on the way out. */
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number;
  /** setsockopt(2). */
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  /** fcntl(2), the commands with one integer argument. */
  fcntl(fd: number, command: number, argument: number): number;
  /** ioctl(2), the requests that answer with one `int`, which is written into `value`. */
  ioctl(fd: number, request: number, value: Int32Array): number;
  /** poll(2): `fds` holds `count` pollfd structures; `timeoutMs` -1 waits for ever. */
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  /**
   * select(2): the sets are fd_sets of at least `nfds` bits, rewritten with what is ready;
   * `timeout` is a timeval, null waits for ever. Linux writes the time left into it.
   */
  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number;
  /** epoll_create1(2). `-ENOSYS` where there is none, as for the next two. */
  epoll_create1(flags: number): number;
  /** epoll_ctl(2): `event` holds an epoll_event. */
  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number;
  /** epoll_wait(2): `events` has room for `maxevents`; `timeoutMs` -1 waits for ever. */
  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number;
  /** kqueue(2). `-ENOSYS` where there is none: on Linux, where libkqueue cannot be loaded. */
  kqueue(): number;
  /** kevent(2): both lists hold kevent structures; `timeout` is a timespec, null waits for ever. */
  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number;
  /**
   * io_uring_setup(2): `params` holds an io_uring_params, filled in. A descriptor. `-ENOSYS` where
   * there is none, as for the next two; `-EPERM` where it is forbidden.
   */
  io_uring_setup(entries: number, params: Uint8Array): number;
  /**
   * io_uring_enter2(2): `arg` is the address of an io_uring_getevents_arg of `argBytes`, or 0.
   * Returns how many were submitted.
   */
  io_uring_enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argBytes: number,
  ): number;
  /** io_uring_register(2): `arg` is an address, or 0. */
  io_uring_register(fd: number, opcode: number, arg: number, count: number): number;
  /** eventfd(2). `-ENOSYS` where there is none: macOS. */
  eventfd(initial: number, flags: number): number;
  /** timerfd_create(2). `-ENOSYS` where there is none, as for the next: macOS, older FreeBSD. */
  timerfd_create(clockid: number, flags: number): number;
  /** timerfd_settime(2): `value` holds an itimerspec; what was set before is not asked for. */
  timerfd_settime(fd: number, flags: number, value: Uint8Array): number;
  /** pipe2(2): the ends for reading and for writing into `pair`. `-ENOSYS` on macOS. */
  pipe2(pair: Int32Array, flags: number): number;
  /** pipe(2). */
  pipe(pair: Int32Array): number;
  /** read(2): at most `length` bytes into `buffer` at `offset`. */
  read(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** write(2): `length` bytes of `buffer` from `offset` on. */
  write(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** dup(2). */
  dup(fd: number): number;
  /** open(2) of an existing file, without a mode. */
  open(path: string, flags: number): number;
  /** getrlimit(2): `limit` holds an rlimit afterwards. */
  getrlimit(resource: number, limit: Uint8Array): number;
  /** setrlimit(2). */
  setrlimit(resource: number, limit: Uint8Array): number;
  /** unlink(2). */
  unlink(path: string): number;
  /** mmap(2) at an address of the kernel's choice, or `-errno`; `fd` -1 for anonymous memory. */
  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number;
  /** munmap(2). */
  munmap(address: number, length: number): number;
  /** The mapped memory as bytes. They are gone, and touching them is fatal, after munmap. */
  view(address: number, length: number): Uint8Array;
  /**
   * Where the first byte of `buffer` lies. Only for memory outside of V8's heap, which is never
   * moved: an ArrayBuffer of more than 64 bytes, kept alive by the caller for as long as the kernel
   * uses it. A RangeError for any other.
   */
  address(buffer: Uint8Array): number;

  /**
   * getaddrinfo(3), blocking: fills `results` and returns 0, or returns an `EAI_*` code, with
   * `results.errno` set where the code is `EAI_SYSTEM`.
   */
  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number;
  /** getnameinfo(3): the host's name into `results.host`; returns 0 or an `EAI_*` code. */
  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number;
  /** if_nametoindex(3): the interface's index, 0 where there is none of that name. */
  if_nametoindex(name: string): number;

  /** clock_gettime(2) of CLOCK_MONOTONIC, in milliseconds with fractions, from any fixed point. */
  monotonicMs(): number;

  /** strerror(3): the words for a positive errno, as the C library has them. */
  strerror(errno: number): string;
  /** gai_strerror(3): the words for an `EAI_*` code. */
  gai_strerror(code: number): string;
}

/** What getaddrinfo(3) is asked for; zero where anything will do. */
export interface AddressHints {
  readonly flags: number;
  readonly family: number;
  readonly socktype: number;
  readonly protocol: number;
}

/** What getaddrinfo(3) answered: socket addresses in the order of the resolver (RFC 6724). */
export interface ResolvedAddresses {
  addresses: Uint8Array[];
  canonicalName: string | null;
  errno: number;
}

/** What getnameinfo(3) answered. */
export interface HostName {
  host: string;
  errno: number;
}
