import koffi from 'koffi';
import type { Abi } from './abi/abi.ts';
import { abiFor } from './abi/index.ts';
import type { CLibrary, KqueueLibrary } from './c-library.ts';
import { NativeSys } from './native-sys.ts';
import type { Sys, UvLoop } from './sys.ts';

// The only user of the FFI. A call costs 30 to 50 ns more than from C, given numbers and typed
// arrays that it has seen before; a BigInt or a fresh subarray adds more than that.

type Library = ReturnType<typeof koffi.load>;

/** The type of the machine code of `batch/machine-code.ts`. */
const batchFunction = koffi.proto('uint32_t sockloop_batch(uintptr_t records, uint32_t count)');

let loaded: NativeSys | undefined;

/**
 * The system calls of this machine's kernel.
 *
 * @returns the same object on every call in a thread.
 * @throws Error on a platform other than Linux, macOS and FreeBSD on x64 or arm64.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { errnoName, nativeSys } from 'sockloop/sys';
 *
 * const sys = nativeSys();
 * const result = sys.listen(-1, 5);
 * assert.equal(errnoName(sys.abi, result), 'EBADF');
 * ```
 */
export function nativeSys(): Sys {
  loaded ??= load(currentAbi());
  return loaded;
}

/**
 * _exit(2): ends the process with `status` at once. `process.exit()` waits for each thread of
 * Node's pool, and so for a look-up whose resolver does not answer.
 */
export function exitAtOnce(status: number): never {
  koffi.load(null).func('_exit', 'void', ['int'])(status);
  throw new Error('the process goes on behind _exit()');
}

function load(abi: Abi): NativeSys {
  return new NativeSys(abi, bind(abi));
}

function currentAbi(): Abi {
  const abi = abiFor(process.platform, process.arch);
  if (abi !== null) return abi;
  const instead = process.platform === 'win32' ? ': on Windows, run it inside WSL' : '';
  throw new Error(
    'sockloop needs Linux, macOS or FreeBSD on x64 or arm64, ' +
      `and this is ${process.platform} on ${process.arch}${instead}`,
  );
}

/** prctl(2), the same on every architecture. */
const PR_SET_PDEATHSIG = 1;

/**
 * Has the kernel send `signal` to this process when the thread that started it ends: Linux only.
 * Returns whether it will. Call it on the main thread.
 */
export function signalAtParentsEnd(signal: number): boolean {
  if (process.platform !== 'linux') return false;
  const prctl = koffi.load(null).func('prctl', 'int', ['int', '...']);
  return prctl(PR_SET_PDEATHSIG, 'ulong', signal) === 0;
}

/** The C functions, bound once. */
function bind(abi: Abi): CLibrary {
  // The process itself: Node is linked with the C library of its platform.
  const libc = koffi.load(null);
  return {
    ...socketFunctions(libc),
    ...waitingFunctions(libc),
    ioUring: abi.ioUring === null ? null : ioUringFunctions(libc),
    ...fileFunctions(libc),
    ...nameFunctions(libc),
    errno: koffi.errno,
    addressOf: (buffer) => koffi.address(buffer),
    view: (address, length) => new Uint8Array(koffi.view(BigInt(address), length)),
    batchAt: (address) => koffi.decode(BigInt(address), batchFunction),
    text: (address) => koffi.decode.string(address),
    openKqueue: () => bindKqueue(libc),
    uvLoop: bindUvLoop(libc),
  };
}

function socketFunctions(libc: Library) {
  const length = 'void *';
  return {
    socket: libc.func('socket', 'int', ['int', 'int', 'int']),
    socketpair: libc.func('socketpair', 'int', ['int', 'int', 'int', 'void *']),
    bind: libc.func('bind', 'int', ['int', 'void *', 'uint32_t']),
    listen: libc.func('listen', 'int', ['int', 'int']),
    accept: libc.func('accept', 'int', ['int', 'void *', length]),
    accept4: optional(libc, 'accept4', 'int', ['int', 'void *', length, 'int']),
    connect: libc.func('connect', 'int', ['int', 'void *', 'uint32_t']),
    send: libc.func('send', 'intptr_t', ['int', 'void *', 'size_t', 'int']),
    recv: libc.func('recv', 'intptr_t', ['int', 'void *', 'size_t', 'int']),
    // Linux and the BSDs transfer at most 2^31 - 1 bytes in one call: an int holds the result.
    sendFrom: libc.func('send', 'int', ['int', 'uintptr_t', 'size_t', 'int']),
    recvInto: libc.func('recv', 'int', ['int', 'uintptr_t', 'size_t', 'int']),
    sendmsg: libc.func('sendmsg', 'intptr_t', ['int', 'void *', 'int']),
    recvmsg: libc.func('recvmsg', 'intptr_t', ['int', 'void *', 'int']),
    ...datagramFunctions(libc),
    shutdown: libc.func('shutdown', 'int', ['int', 'int']),
    getsockname: libc.func('getsockname', 'int', ['int', 'void *', length]),
    getpeername: libc.func('getpeername', 'int', ['int', 'void *', length]),
    getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', length]),
    setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']),
  };
}

function datagramFunctions(libc: Library) {
  const bytes = ['int', 'void *', 'size_t', 'int'];
  return {
    sendto: libc.func('sendto', 'intptr_t', [...bytes, 'void *', 'uint32_t']),
    recvfrom: libc.func('recvfrom', 'intptr_t', [...bytes, 'void *', 'void *']),
    // The count is an unsigned int on Linux, a size_t on FreeBSD.
    sendmmsg: optional(libc, 'sendmmsg', 'int', ['int', 'uintptr_t', 'size_t', 'int']),
    recvmmsg: optional(libc, 'recvmmsg', 'int', ['int', 'uintptr_t', 'size_t', 'int', 'void *']),
  };
}

function waitingFunctions(libc: Library) {
  const sets = ['void *', 'void *', 'void *'];
  return {
    poll: libc.func('poll', 'int', ['void *', 'uintptr_t', 'int']),
    // On macOS x64 the plain symbol is an older select(2); the headers use this one.
    select:
      optional(libc, 'select$1050', 'int', ['int', ...sets, 'void *']) ??
      libc.func('select', 'int', ['int', ...sets, 'void *']),
    epoll_create1: optional(libc, 'epoll_create1', 'int', ['int']),
    epoll_ctl: optional(libc, 'epoll_ctl', 'int', ['int', 'int', 'int', 'void *']),
    epoll_wait: optional(libc, 'epoll_wait', 'int', ['int', 'void *', 'int', 'int']),
    eventfd: optional(libc, 'eventfd', 'int', ['uint32_t', 'int']),
    timerfd_create: optional(libc, 'timerfd_create', 'int', ['int', 'int']),
    timerfd_settime: optional(libc, 'timerfd_settime', 'int', ['int', 'int', 'void *', 'void *']),
  };
}

/**
 * syscall(2) is variadic. On Linux x64 and arm64 its arguments are passed as those of any function,
 * and a call declared as a plain one costs half.
 */
function ioUringFunctions(libc: Library) {
  const call = 'long';
  const number = 'uint32_t';
  const address = 'uintptr_t';
  return {
    setup: libc.func('syscall', 'int', [call, number, 'void *']),
    enter: libc.func('syscall', 'int', [call, 'int', number, number, number, address, 'size_t']),
    register: libc.func('syscall', 'int', [call, 'int', number, address, number]),
  };
}

function fileFunctions(libc: Library) {
  return {
    close: libc.func('close', 'int', ['int']),
    read: libc.func('read', 'intptr_t', ['int', 'void *', 'size_t']),
    write: libc.func('write', 'intptr_t', ['int', 'void *', 'size_t']),
    dup: libc.func('dup', 'int', ['int']),
    pipe: libc.func('pipe', 'int', ['void *']),
    pipe2: optional(libc, 'pipe2', 'int', ['void *', 'int']),
    // Variadic: macOS arm64 passes variable arguments on the stack.
    fcntl: libc.func('fcntl', 'int', ['int', 'int', '...']),
    ioctl: libc.func('ioctl', 'int', ['int', 'unsigned long', '...']),
    open: libc.func('open', 'int', ['str', 'int', '...']),
    unlink: libc.func('unlink', 'int', ['str']),
    getrlimit: libc.func('getrlimit', 'int', ['int', 'void *']),
    setrlimit: libc.func('setrlimit', 'int', ['int', 'void *']),
    mmap: libc.func('mmap', 'intptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']),
    munmap: libc.func('munmap', 'int', ['uintptr_t', 'size_t']),
    mprotect: libc.func('mprotect', 'int', ['uintptr_t', 'size_t', 'int']),
  };
}

function nameFunctions(libc: Library) {
  const buffer = ['void *', 'uint32_t'];
  return {
    getaddrinfo: libc.func('getaddrinfo', 'int', ['str', 'str', 'void *', 'void *']),
    freeaddrinfo: libc.func('freeaddrinfo', 'void', ['void *']),
    getnameinfo: libc.func('getnameinfo', 'int', [...buffer, ...buffer, ...buffer, 'int']),
    if_nametoindex: libc.func('if_nametoindex', 'uint32_t', ['str']),
    strerror: libc.func('strerror', 'str', ['int']),
    gai_strerror: libc.func('gai_strerror', 'str', ['int']),
  };
}

/** kqueue(2) and kevent(2), on Linux those of libkqueue; null if missing. */
function bindKqueue(libc: Library): KqueueLibrary | null {
  const library = process.platform === 'linux' ? loadLibkqueue() : libc;
  if (library === null) return null;
  const list = ['void *', 'int'];
  const kqueue = optional(library, 'kqueue', 'int', []);
  const kevent = optional(library, 'kevent', 'int', ['int', ...list, ...list, 'void *']);
  return kqueue === null || kevent === null ? null : { kqueue, kevent };
}

function loadLibkqueue(): Library | null {
  try {
    return koffi.load(process.env['SOCKLOOP_LIBKQUEUE'] || 'libkqueue.so.0');
  } catch {
    return null;
  }
}

/** A function that some platforms lack: null there. */
function optional(library: Library, name: string, result: string, args: string[]) {
  try {
    return library.func(name, result, args);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Cannot find function')) return null;
    throw error;
  }
}

/**
 * libuv's functions, which the node program exports; Bun has such names that abort. They are bound
 * with the others: koffi 3.3 aborts the process if a thread is terminated while it binds one.
 */
function bindUvLoop(libc: Library): UvLoop | null {
  if ('Bun' in globalThis || 'Deno' in globalThis) return null;
  const of = optional(libc, 'napi_get_uv_event_loop', 'int', ['void *', '_Out_ void **']);
  const backendFd = optional(libc, 'uv_backend_fd', 'int', ['uintptr_t']);
  const timeout = optional(libc, 'uv_backend_timeout', 'int', ['uintptr_t']);
  const isAlive = optional(libc, 'uv_loop_alive', 'int', ['uintptr_t']);
  if (of === null || backendFd === null || timeout === null || isAlive === null) return null;
  const found: [bigint | null] = [null];
  if (of(koffi.node.env, found) !== 0 || found[0] === null) return null;
  const loop = Number(koffi.address(found[0]));
  return {
    fd: backendFd(loop),
    timeoutMs: () => timeout(loop),
    alive: () => isAlive(loop) !== 0,
  };
}
