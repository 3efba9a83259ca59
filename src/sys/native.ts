import koffi from 'koffi';
import type { Abi } from './abi/abi.ts';
import { abiFor } from './abi/index.ts';
import type { AddressHints, HostName, ResolvedAddresses, Sys } from './sys.ts';

// The only file that knows the FFI. A call through it costs 30 to 50 ns more than from C, as long
// as it gets numbers and the same typed arrays: a BigInt or a fresh subarray costs more than that.

type Pointer = Uint8Array | Int32Array | number | null;

let loaded: NativeSys | undefined;

/**
 * The system calls of this machine's kernel.
 *
 * The same object on every call in a thread. Throws an Error that says what to do where the
 * platform is not one of Linux, macOS and FreeBSD on x64 or arm64.
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
  loaded ??= new NativeSys(currentAbi());
  return loaded;
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

/** The C functions, bound once. `accept4` is null on macOS, which has none. */
function bind() {
  // The process itself: Node is linked with the C library of its platform, glibc or musl or BSD.
  const libc = koffi.load(null);
  const length = 'void *';
  return {
    socket: libc.func('socket', 'int', ['int', 'int', 'int']) as Call<[number, number, number]>,
    socketpair: libc.func('socketpair', 'int', ['int', 'int', 'int', 'void *']) as Call<
      [number, number, number, Int32Array]
    >,
    bind: libc.func('bind', 'int', ['int', 'void *', 'uint32_t']) as Call<AddressIn>,
    listen: libc.func('listen', 'int', ['int', 'int']) as Call<[number, number]>,
    accept: libc.func('accept', 'int', ['int', 'void *', length]) as Call<AddressOut>,
    connect: libc.func('connect', 'int', ['int', 'void *', 'uint32_t']) as Call<AddressIn>,
    send: libc.func('send', 'intptr_t', ['int', 'void *', 'size_t', 'int']) as Call<Transfer>,
    recv: libc.func('recv', 'intptr_t', ['int', 'void *', 'size_t', 'int']) as Call<Transfer>,
    shutdown: libc.func('shutdown', 'int', ['int', 'int']) as Call<[number, number]>,
    close: libc.func('close', 'int', ['int']) as Call<[number]>,
    getsockname: libc.func('getsockname', 'int', ['int', 'void *', length]) as Call<AddressOut>,
    getpeername: libc.func('getpeername', 'int', ['int', 'void *', length]) as Call<AddressOut>,
    getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', length]) as Call<
      [number, number, number, Pointer, Int32Array]
    >,
    setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']) as Call<
      [number, number, number, Pointer, number]
    >,
    // fcntl(2) is variadic: arm64 macOS passes variable arguments on the stack.
    fcntl: libc.func('fcntl', 'int', ['int', 'int', '...']) as Call<
      [number, number, 'int', number]
    >,
    poll: libc.func('poll', 'int', ['void *', 'uintptr_t', 'int']) as Call<
      [Uint8Array, number, number]
    >,
    unlink: libc.func('unlink', 'int', ['str']) as Call<[string]>,
    mmap: libc.func('mmap', 'intptr_t', [
      'uintptr_t',
      'size_t',
      'int',
      'int',
      'int',
      'int64_t',
    ]) as Call<[number, number, number, number, number, number]>,
    munmap: libc.func('munmap', 'int', ['uintptr_t', 'size_t']) as Call<[number, number]>,
    getaddrinfo: libc.func('getaddrinfo', 'int', ['str', 'str', 'void *', 'void *']) as Call<
      [string | null, string | null, Uint8Array, BigUint64Array]
    >,
    freeaddrinfo: libc.func('freeaddrinfo', 'void', ['void *']) as Call<[bigint]>,
    getnameinfo: libc.func('getnameinfo', 'int', [
      'void *',
      'uint32_t',
      'void *',
      'uint32_t',
      'void *',
      'uint32_t',
      'int',
    ]) as Call<[Uint8Array, number, Uint8Array, number, null, number, number]>,
    if_nametoindex: libc.func('if_nametoindex', 'uint32_t', ['str']) as Call<[string]>,
    strerror: libc.func('strerror', 'str', ['int']) as (errno: number) => string,
    gai_strerror: libc.func('gai_strerror', 'str', ['int']) as (code: number) => string,
  };
}

type Call<Arguments extends unknown[]> = (...args: Arguments) => number;
type AddressIn = [fd: number, address: Pointer, length: number];
type AddressOut = [fd: number, address: Pointer, length: Int32Array];
type Transfer = [fd: number, buffer: Pointer, length: number, flags: number];

function bindAccept4(abi: Abi): Call<[number, Pointer, Int32Array, number]> | null {
  if (!abi.behaviours.accept4) return null;
  return koffi.load(null).func('accept4', 'int', ['int', 'void *', 'void *', 'int']) as Call<
    [number, Pointer, Int32Array, number]
  >;
}

class NativeSys implements Sys {
  readonly abi: Abi;
  readonly #c = bind();
  readonly #accept4: ReturnType<typeof bindAccept4>;

  constructor(abi: Abi) {
    this.abi = abi;
    this.#accept4 = bindAccept4(abi);
  }

  socket(domain: number, type: number, protocol: number): number {
    return checked(this.#c.socket(domain, type, protocol));
  }

  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number {
    requireRoom(pair.length, 0, 2);
    return checked(this.#c.socketpair(domain, type, protocol, pair));
  }

  bind(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    return checked(this.#c.bind(fd, address, length));
  }

  listen(fd: number, backlog: number): number {
    return checked(this.#c.listen(fd, backlog));
  }

  accept(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return checked(this.#c.accept(fd, address, length));
  }

  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    requireRoom(address.length, 0, lengthIn(length));
    if (this.#accept4 === null) return -this.abi.errno.ENOSYS;
    return checked(this.#accept4(fd, address, length, flags));
  }

  connect(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    return checked(this.#c.connect(fd, address, length));
  }

  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    const from = offset === 0 ? buffer : buffer.subarray(offset);
    return checked(this.#c.send(fd, from, length, flags));
  }

  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    const into = offset === 0 ? buffer : buffer.subarray(offset);
    return checked(this.#c.recv(fd, into, length, flags));
  }

  shutdown(fd: number, how: number): number {
    return checked(this.#c.shutdown(fd, how));
  }

  close(fd: number): number {
    return checked(this.#c.close(fd));
  }

  getsockname(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return checked(this.#c.getsockname(fd, address, length));
  }

  getpeername(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, lengthIn(length));
    return checked(this.#c.getpeername(fd, address, length));
  }

  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    requireRoom(value.length, 0, lengthIn(length));
    return checked(this.#c.getsockopt(fd, level, name, value, length));
  }

  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number {
    requireRoom(value.length, 0, length);
    return checked(this.#c.setsockopt(fd, level, name, value, length));
  }

  fcntl(fd: number, command: number, argument: number): number {
    return checked(this.#c.fcntl(fd, command, 'int', argument));
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    requireRoom(fds.length, 0, count * this.abi.structs.pollfd.size);
    return checked(this.#c.poll(fds, count, timeoutMs));
  }

  unlink(path: string): number {
    requireWhole(path);
    return checked(this.#c.unlink(path));
  }

  mmap(length: number, protection: number, flags: number): number {
    return checked(this.#c.mmap(0, length, protection, flags, -1, 0));
  }

  munmap(address: number, length: number): number {
    return checked(this.#c.munmap(address, length));
  }

  view(address: number, length: number): Uint8Array {
    return new Uint8Array(koffi.view(BigInt(address), length));
  }

  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number {
    requireWhole(node ?? '');
    requireWhole(service ?? '');
    const { size, fields } = this.abi.structs.addrinfo;
    const hint = new DataView(new ArrayBuffer(size));
    hint.setInt32(fields.ai_flags.offset, hints.flags, true);
    hint.setInt32(fields.ai_family.offset, hints.family, true);
    hint.setInt32(fields.ai_socktype.offset, hints.socktype, true);
    hint.setInt32(fields.ai_protocol.offset, hints.protocol, true);
    const list = new BigUint64Array(1);
    const code = this.#c.getaddrinfo(node, service, new Uint8Array(hint.buffer), list);
    results.errno = koffi.errno();
    results.addresses = [];
    results.canonicalName = null;
    if (code !== 0) return code;
    const head = list[0] ?? 0n;
    this.#copyAddresses(head, results);
    this.#c.freeaddrinfo(head);
    return 0;
  }

  #copyAddresses(head: bigint, results: ResolvedAddresses): void {
    const { size, fields } = this.abi.structs.addrinfo;
    for (let at = head; at !== 0n; ) {
      const bytes = copyOf(at, size);
      const info = new DataView(bytes.buffer, bytes.byteOffset);
      const address = info.getBigUint64(fields.ai_addr.offset, true);
      const length = info.getUint32(fields.ai_addrlen.offset, true);
      if (address !== 0n) results.addresses.push(copyOf(address, length));
      const name = info.getBigUint64(fields.ai_canonname.offset, true);
      if (name !== 0n) results.canonicalName = koffi.decode.string(name);
      at = info.getBigUint64(fields.ai_next.offset, true);
    }
  }

  getnameinfo(address: Uint8Array, length: number, flags: number, results: HostName): number {
    requireRoom(address.length, 0, length);
    const host = new Uint8Array(this.abi.constants.NI_MAXHOST);
    const code = this.#c.getnameinfo(address, length, host, host.length, null, 0, flags);
    results.errno = koffi.errno();
    results.host = code === 0 ? new TextDecoder().decode(host.subarray(0, host.indexOf(0))) : '';
    return code;
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
}

/** errno is the thread's and the next call's, so it is read right after this one. */
function checked(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/** The kernel would write past the end of a buffer that is too small, and nobody would notice. */
function requireRoom(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new RangeError(`${length} bytes at ${offset} do not fit into a buffer of ${size}`);
}

/** The room that a call is told of, in an array that has room for the answer too. */
function lengthIn(length: Int32Array): number {
  requireRoom(length.length, 0, 1);
  return length[0] ?? 0;
}

/** C would read the text up to its first NUL byte: another path, another host. */
function requireWhole(text: string): void {
  if (text.includes('\0')) throw new RangeError('a C string cannot hold a NUL byte');
}

function copyOf(address: bigint, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length)).slice();
}
