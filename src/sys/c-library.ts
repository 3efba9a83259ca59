import type { UvLoop } from './sys.ts';

// The types of what the FFI binds: C functions, with arguments as JavaScript passes them.

type Call<Arguments extends unknown[]> = (...args: Arguments) => number;
type AddressIn = [fd: number, address: Uint8Array, length: number];
type AddressOut = [fd: number, address: Uint8Array, length: Int32Array];
type Message = [fd: number, buffer: Uint8Array, length: number, flags: number];
type MessageAt = [fd: number, address: number, length: number, flags: number];
type Transfer = [fd: number, buffer: Uint8Array, length: number];
type Option = [fd: number, level: number, name: number, value: Uint8Array];
type Bytes = Uint8Array | null;

/** The C functions: -1 for an error, with the cause in `errno`. Null for a missing one. */
export interface CLibrary {
  readonly socket: Call<[domain: number, type: number, protocol: number]>;
  readonly socketpair: Call<[domain: number, type: number, protocol: number, pair: Int32Array]>;
  readonly bind: Call<AddressIn>;
  readonly listen: Call<[fd: number, backlog: number]>;
  readonly accept: Call<AddressOut>;
  readonly accept4: Call<[...AddressOut, flags: number]> | null;
  readonly connect: Call<AddressIn>;
  readonly send: Call<Message>;
  readonly recv: Call<Message>;
  /** The same two with the buffer's address: the FFI takes numbers fastest. */
  readonly sendFrom: Call<MessageAt>;
  readonly recvInto: Call<MessageAt>;
  readonly sendmsg: Call<[fd: number, header: Uint8Array, flags: number]>;
  readonly recvmsg: Call<[fd: number, header: Uint8Array, flags: number]>;
  readonly sendto: Call<[...Message, address: Bytes, addressLength: number]>;
  readonly recvfrom: Call<[...Message, address: Bytes, addressLength: Int32Array | null]>;
  /** Null on macOS. The messages are at an address. */
  readonly sendmmsg: Call<[fd: number, messages: number, count: number, flags: number]> | null;
  readonly recvmmsg: Call<[fd: number, number, count: number, flags: number, null]> | null;
  readonly shutdown: Call<[fd: number, how: number]>;
  readonly getsockname: Call<AddressOut>;
  readonly getpeername: Call<AddressOut>;
  readonly getsockopt: Call<[...Option, length: Int32Array]>;
  readonly setsockopt: Call<[...Option, length: number]>;

  readonly poll: Call<[fds: Uint8Array, count: number, timeoutMs: number]>;
  readonly select: Call<[nfds: number, read: Bytes, write: Bytes, except: null, timeout: Bytes]>;
  readonly epoll_create1: Call<[flags: number]> | null;
  readonly epoll_ctl: Call<[epfd: number, op: number, fd: number, event: Uint8Array]> | null;
  readonly epoll_wait: Call<[epfd: number, events: Uint8Array, max: number, ms: number]> | null;
  readonly eventfd: Call<[initial: number, flags: number]> | null;
  readonly timerfd_create: Call<[clockid: number, flags: number]> | null;
  readonly timerfd_settime: Call<[fd: number, flags: number, value: Uint8Array, old: null]> | null;
  readonly ioUring: IoUringLibrary | null;
  /** Loads the library that has kqueue(2), at its first use. */
  openKqueue(): KqueueLibrary | null;

  readonly close: Call<[fd: number]>;
  readonly read: Call<Transfer>;
  readonly write: Call<Transfer>;
  readonly dup: Call<[fd: number]>;
  readonly pipe: Call<[pair: Int32Array]>;
  readonly pipe2: Call<[pair: Int32Array, flags: number]> | null;
  readonly fcntl: Call<[fd: number, command: number, type: 'int', argument: number]>;
  readonly ioctl: Call<[fd: number, request: number, type: 'void *', value: Int32Array]>;
  readonly open: Call<[path: string, flags: number]>;
  readonly unlink: Call<[path: string]>;
  readonly getrlimit: Call<[resource: number, limit: Uint8Array]>;
  readonly setrlimit: Call<[resource: number, limit: Uint8Array]>;
  readonly mmap: Call<
    [number, length: number, prot: number, flags: number, fd: number, offset: number]
  >;
  readonly munmap: Call<[address: number, length: number]>;
  readonly mprotect: Call<[address: number, length: number, prot: number]>;

  readonly getaddrinfo: Call<[string | null, string | null, Uint8Array, BigUint64Array]>;
  readonly freeaddrinfo: (list: bigint) => void;
  readonly getnameinfo: Call<[Uint8Array, number, Uint8Array, number, null, 0, flags: number]>;
  readonly if_nametoindex: Call<[name: string]>;
  readonly strerror: (errno: number) => string;
  readonly gai_strerror: (code: number) => string;

  errno(): number;
  /** The address of the first byte of a buffer. */
  addressOf(buffer: Uint8Array): bigint;
  /** The memory at an address, not a copy of it. */
  view(address: number | bigint, length: number): Uint8Array;
  /** The function `uint32_t (uintptr_t records, uint32_t count)` at an address. */
  batchAt(address: number): (records: number, count: number) => number;
  /** Node's event loop of the calling thread; null elsewhere than in Node. */
  readonly uvLoop: UvLoop | null;
  /** The string at an address. */
  text(address: bigint): string;
}

/**
 * syscall(2) with the number of the call first: the C library has no wrappers for io_uring. An
 * address is a number, 0 for none.
 */
export interface IoUringLibrary {
  readonly setup: Call<[call: number, entries: number, params: Uint8Array]>;
  readonly enter: Call<
    [call: number, fd: number, submit: number, min: number, flags: number, number, number]
  >;
  readonly register: Call<[call: number, fd: number, op: number, address: number, count: number]>;
}

/** From libkqueue on Linux, from the C library elsewhere. */
export interface KqueueLibrary {
  readonly kqueue: Call<[]>;
  readonly kevent: Call<
    [kq: number, changes: Bytes, count: number, events: Bytes, room: number, timeout: Bytes]
  >;
}
