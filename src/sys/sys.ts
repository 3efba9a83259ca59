import type { Abi } from './abi/abi.ts';
import type { MessageVector } from './message-vector.ts';

/**
 * The system calls, one method each: no policy, no retry, no throw.
 *
 * Names and parameters are those of the man pages. A result is `>= 0` as the man page says, or
 * `-errno`. Buffers belong to the caller; a call does not keep them. A method blocks the calling
 * thread as its man page says, and may be called on any thread.
 *
 * `nativeSys()` gives those of this machine's kernel; a `TracingSys` prints those of another Sys.
 */
export interface Sys {
  /** The constants and layouts of these calls. */
  readonly abi: Abi;

  /** socket(2): a new descriptor. */
  socket(domain: number, type: number, protocol: number): number;
  /** socketpair(2): two connected descriptors, written into `pair`. */
  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number;
  /** bind(2): `address` holds a sockaddr of `length` bytes. */
  bind(fd: number, address: Uint8Array, length: number): number;
  /** listen(2). */
  listen(fd: number, backlog: number): number;
  /** accept(2): `length[0]` is the room in `address` before the call, the peer's length after. */
  accept(fd: number, address: Uint8Array, length: Int32Array): number;
  /** accept4(2): accept with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`; `-ENOSYS` if missing. */
  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number;
  /** connect(2). */
  connect(fd: number, address: Uint8Array, length: number): number;
  /** send(2): `length` bytes of `buffer` from `offset` on. */
  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  /** recv(2): at most `length` bytes into `buffer` at `offset`; 0 is the end of the stream. */
  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  /** sendto(2): as send, to the sockaddr of `addressLength` bytes in `address`; null for none. */
  sendto(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    address: Uint8Array | null,
    addressLength: number,
  ): number;
  /** recvfrom(2): as recv; `addressLength` as for accept, unused where `address` is null. */
  recvfrom(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    address: Uint8Array | null,
    addressLength: Int32Array,
  ): number;
  /** sendmsg(2): `message` has one buffer, and control messages as cmsg(3) lays them out. */
  sendmsg(fd: number, message: MessageHeader, flags: number): number;
  /** recvmsg(2): fills in the parts of `message`, and its lengths and flags. */
  recvmsg(fd: number, message: MessageHeader, flags: number): number;
  /**
   * sendmmsg(2): sends `count` messages from slot `first` on. Returns how many were sent; the error
   * of the first alone is returned. `-ENOSYS` on macOS.
   */
  sendmmsg(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number;
  /**
   * recvmmsg(2): receives at most `count` messages from slot 0 on, and returns how many. There is
   * no timeout: `MSG_DONTWAIT` ends it once there are no more. `-ENOSYS` on macOS.
   */
  recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number;
  /** shutdown(2). */
  shutdown(fd: number, how: number): number;
  /** close(2). The descriptor is closed whatever it returns: do not retry on `-EINTR`. */
  close(fd: number): number;
  /** getsockname(2): `length` as for accept. */
  getsockname(fd: number, address: Uint8Array, length: Int32Array): number;
  /** getpeername(2). */
  getpeername(fd: number, address: Uint8Array, length: Int32Array): number;
  /** getsockopt(2): `length[0]` is the room in `value` before the call, its length after. */
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
  /** ioctl(2), the requests that write one `int`, into `value`. */
  ioctl(fd: number, request: number, value: Int32Array): number;
  /** poll(2): `fds` holds `count` pollfd structures; `timeoutMs` -1 waits for ever. */
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  /**
   * select(2): the sets are fd_sets of at least `nfds` bits, overwritten with the ready ones;
   * `timeout` is a timeval, null waits for ever. Linux writes the time left into it.
   */
  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number;
  /** epoll_create1(2). `-ENOSYS` if missing, as for the next two. */
  epoll_create1(flags: number): number;
  /** epoll_ctl(2): `event` holds an epoll_event. */
  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number;
  /** epoll_wait(2): `events` has room for `maxevents`; `timeoutMs` -1 waits for ever. */
  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number;
  /** kqueue(2). `-ENOSYS` if missing: on Linux without libkqueue. */
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
   * io_uring_setup(2): a descriptor; `params` holds an io_uring_params, filled in. `-ENOSYS` if
   * missing, as for the next two; `-EPERM` if forbidden.
   */
  io_uring_setup(entries: number, params: Uint8Array): number;
  /**
   * io_uring_enter2(2): how many entries were submitted. `arg` is the address of an
   * io_uring_getevents_arg of `argBytes`, or 0.
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
  /** eventfd(2). `-ENOSYS` on macOS. */
  eventfd(initial: number, flags: number): number;
  /** timerfd_create(2). `-ENOSYS` on macOS and older FreeBSD, as for the next. */
  timerfd_create(clockid: number, flags: number): number;
  /** timerfd_settime(2): `value` holds an itimerspec; the old value is not read. */
  timerfd_settime(fd: number, flags: number, value: Uint8Array): number;
  /** pipe2(2): writes the read end and the write end into `pair`. `-ENOSYS` on macOS. */
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
  /** getrlimit(2): fills in the rlimit in `limit`. */
  getrlimit(resource: number, limit: Uint8Array): number;
  /** setrlimit(2). */
  setrlimit(resource: number, limit: Uint8Array): number;
  /** unlink(2). */
  unlink(path: string): number;
  /** mmap(2): the address, which the kernel chooses; `fd` is -1 for anonymous memory. */
  mmap(length: number, protection: number, flags: number, fd: number, offset: number): number;
  /** munmap(2). */
  munmap(address: number, length: number): number;
  /** The mapped memory as bytes. Touching them after munmap ends the process. */
  view(address: number, length: number): Uint8Array;
  /**
   * The address of the first byte of `buffer`, which must lie outside of V8's heap: a view of an
   * ArrayBuffer of more than 64 bytes, referenced for as long as the kernel uses it. A RangeError
   * for any other.
   */
  address(buffer: Uint8Array): number;

  /**
   * The event loop of Node in the calling thread; null in Bun and Deno, and beside a simulated
   * kernel.
   */
  uvLoop(): UvLoop | null;
  /**
   * True if there is {@link batch}: on Linux on x64 and arm64, unless the kernel allows no
   * executable page or `SOCKLOOP_BATCH=0` turns it off. Else why there is none. The first look maps
   * the page.
   */
  readonly batching: true | { readonly reason: string };
  /**
   * Makes `count` system calls in one foreign call, in order: the records at the address `records`,
   * of 64 bytes each. A record holds the number of the call (32 bits), a word whose lowest bit ends
   * the list behind it unless its result is the expected one (32 bits), six arguments (64 bits
   * each), and the expected result, which the call's own replaces (64 bits): that of the kernel,
   * `-errno` for a failure. Returns how many were not made because a record ended the list.
   * Requires {@link batching}; the arguments are not checked.
   */
  batch(records: number, count: number): number;

  /**
   * getaddrinfo(3): returns 0 and fills in `results`, or returns an `EAI_*` code; `results.errno`
   * is set for `EAI_SYSTEM`.
   */
  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number;
  /** getnameinfo(3): writes the name into `results.host`; returns 0 or an `EAI_*` code. */
  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number;
  /** if_nametoindex(3): the index of an interface, 0 if there is none of that name. */
  if_nametoindex(name: string): number;

  /** clock_gettime(2) of CLOCK_MONOTONIC, in milliseconds, from a fixed but arbitrary origin. */
  monotonicMs(): number;

  /** strerror(3): the C library's words for a positive errno. */
  strerror(errno: number): string;
  /** gai_strerror(3): the C library's words for an `EAI_*` code. */
  gai_strerror(code: number): string;
}

/** A msghdr with one iovec. */
export interface MessageHeader {
  /** A sockaddr: of the receiver, or room for that of the sender; null for none. */
  readonly name: Uint8Array | null;
  /** The length of the sockaddr, or the room for it; then the sender's, which may be longer. */
  nameLength: number;
  /** The bytes, or room for them: `length` of them from `offset` on. */
  readonly buffer: Uint8Array;
  readonly offset: number;
  readonly length: number;
  /** Control messages, or room for them; null for none. */
  readonly control: Uint8Array | null;
  /** The length of the control messages, or the room; then of those that came. */
  controlLength: number;
  /** What recvmsg(2) says of the message: `MSG_TRUNC`, `MSG_CTRUNC`, ... */
  flags: number;
}

/** The hints of getaddrinfo(3); 0 for any. */
export interface AddressHints {
  readonly flags: number;
  readonly family: number;
  readonly socktype: number;
  readonly protocol: number;
}

/** The results of getaddrinfo(3): sockaddrs in the order of the resolver (RFC 6724). */
export interface ResolvedAddresses {
  addresses: Uint8Array[];
  canonicalName: string | null;
  errno: number;
}

/** The result of getnameinfo(3). */
export interface HostName {
  host: string;
  errno: number;
}

/** Node's own event loop: libuv's. All methods belong to its thread. */
export interface UvLoop {
  /** uv_backend_fd(): readable while the loop has something to do. */
  readonly fd: number;
  /**
   * uv_backend_timeout(): how long the loop would wait.
   *
   * @returns milliseconds on the loop's own clock, 0 if it has work now, -1 for ever.
   */
  timeoutMs(): number;
  /**
   * uv_loop_alive(): whether something keeps the process from ending.
   *
   * @returns true if it has a referenced handle or a request.
   */
  alive(): boolean;
}
