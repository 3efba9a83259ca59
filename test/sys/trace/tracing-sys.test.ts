// Goal: a trace prints each system call as strace(1) does, and counts it.
// Method: calls with known arguments on a Sys with known results, against golden lines.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { abiFor } from '#src/sys/abi/index.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const abi = abiFor('linux', 'x64') ?? assert.fail('no table');
const { constants: c, errno } = abi;
const UINT16 = 2;

const WORDS: Readonly<Record<number, string>> = {
  [errno.EADDRINUSE]: 'Address already in use',
  [errno.EAGAIN]: 'Resource temporarily unavailable',
  [errno.EBADF]: 'Bad file descriptor',
  [errno.ECONNREFUSED]: 'Connection refused',
  [errno.EMFILE]: 'Too many open files',
  [errno.ENOENT]: 'No such file or directory',
  [errno.ENOMEM]: 'Cannot allocate memory',
  [errno.EPIPE]: 'Broken pipe',
};

function sockaddr(address: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  return bytes.subarray(0, encodeSockaddr(abi, address, bytes));
}

const four = sockaddr({ family: 'IPv4', address: '127.0.0.1', port: 7007 });
const six = sockaddr({ family: 'IPv6', address: '::1', port: 7007 });
const path = sockaddr({ family: 'UNIX', path: '/tmp/a "b"\n\u{e4}' });
const abstract = sockaddr({ family: 'UNIX', path: '\0a\0b' });

/** A kernel whose calls all return `result`, the peer 127.0.0.1:7007 and the bytes "hi". */
class AnsweringSys {
  readonly abi = abi;
  readonly #result: number;

  constructor(result: number) {
    this.#result = result;
  }

  socket = (): number => this.#result;
  bind = (): number => this.#result;
  listen = (): number => this.#result;
  connect = (): number => this.#result;
  send = (): number => this.#result;
  shutdown = (): number => this.#result;
  close = (): number => this.#result;
  setsockopt = (): number => this.#result;
  fcntl = (): number => this.#result;
  ioctl = (_fd: number, _request: number, value: Int32Array): number => {
    value[0] = 5;
    return this.#result;
  };
  unlink = (): number => this.#result;
  mmap = (): number => this.#result;
  munmap = (): number => this.#result;
  if_nametoindex = (): number => this.#result;

  socketpair(_domain: number, _type: number, _protocol: number, pair: Int32Array): number {
    if (this.#result === 0) pair.set([3, 4]);
    return this.#result;
  }

  accept(_fd: number, address: Uint8Array, length: Int32Array): number {
    if (this.#result < 0) return this.#result;
    address.set(four);
    length[0] = four.length;
    return this.#result;
  }

  accept4 = this.accept;
  getsockname = this.accept;
  getpeername = this.accept;

  recv(_fd: number, buffer: Uint8Array, offset: number): number {
    buffer.set([104, 105], offset);
    return this.#result;
  }

  sendto = (): number => this.#result;

  recvfrom(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    _length: number,
    _flags: number,
    address: Uint8Array | null,
    addressLength: Int32Array,
  ): number {
    if (address !== null) this.accept(fd, address, addressLength);
    return this.recv(fd, buffer, offset);
  }

  getsockopt(
    _fd: number,
    _level: number,
    _name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    if (this.#result < 0) return this.#result;
    length[0] = 4;
    new DataView(value.buffer).setInt32(0, errno.ECONNREFUSED, true);
    return this.#result;
  }

  poll(fds: Uint8Array): number {
    const { fields } = abi.structs.pollfd;
    if (this.#result > 0) fds.set([c.POLLIN | c.POLLHUP], fields.revents.offset);
    return this.#result;
  }

  getaddrinfo(_node: unknown, _service: unknown, _hints: unknown, results: { addresses: unknown }) {
    results.addresses = this.#result === 0 ? [four, six] : [];
    return this.#result;
  }

  getnameinfo(_address: unknown, _length: number, _flags: number, results: { host: string }) {
    results.host = this.#result === 0 ? 'localhost' : '';
    return this.#result;
  }

  strerror = (number: number): string => WORDS[number] ?? `Unknown error ${number}`;
  gai_strerror = (): string => 'Name or service not known';
}

function pollfds(...fds: readonly (readonly [fd: number, events: number])[]): Uint8Array {
  const { size, fields } = abi.structs.pollfd;
  const view = new DataView(new ArrayBuffer(size * fds.length));
  for (const [index, [fd, events]] of fds.entries()) {
    view.setInt32(index * size + fields.fd.offset, fd, true);
    view.setUint16(index * size + fields.events.offset, events, true);
  }
  assert.equal(fields.events.size, UINT16);
  return new Uint8Array(view.buffer);
}

const room = (): Int32Array => Int32Array.of(SOCKADDR_BYTES_MAX);
const blank = (): Uint8Array => new Uint8Array(SOCKADDR_BYTES_MAX);
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const hints = { flags: c.AI_PASSIVE | c.AI_NUMERICSERV, family: 0, socktype: 1, protocol: 0 };
const anyResults = () => ({ addresses: [], canonicalName: null, errno: 0 });

/** The result of a call, the call, and its line. */
const LINES: readonly (readonly [number, (sys: Sys) => unknown, string])[] = [
  [3, (s) => s.socket(2, 1, 0), 'socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3'],
  [
    3,
    (s) => s.socket(10, 1 | 0o2004000, 6),
    'socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP) = 3',
  ],
  [3, (s) => s.socket(1, 1, 0), 'socket(AF_UNIX, SOCK_STREAM, 0) = 3'],
  [-errno.EMFILE, (s) => s.socket(16, 3, 9), 'socket(16, 3, 9) = -1 EMFILE (Too many open files)'],
  [
    0,
    (s) => s.socketpair(1, 1, 0, new Int32Array(2)),
    'socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0',
  ],
  [
    -errno.EMFILE,
    (s) => s.socketpair(1, 1, 0, new Int32Array(2)),
    'socketpair(AF_UNIX, SOCK_STREAM, 0, ?) = -1 EMFILE (Too many open files)',
  ],
  [0, (s) => s.bind(3, four, 16), 'bind(3, {AF_INET, 127.0.0.1:7007}, 16) = 0'],
  [
    -errno.EADDRINUSE,
    (s) => s.bind(3, six, 28),
    'bind(3, {AF_INET6, [::1]:7007}, 28) = -1 EADDRINUSE (Address already in use)',
  ],
  [
    0,
    (s) => s.bind(3, path, path.length),
    'bind(3, {AF_UNIX, "/tmp/a \\"b\\"\\n\\303\\244"}, 16) = 0',
  ],
  [0, (s) => s.bind(3, abstract, abstract.length), 'bind(3, {AF_UNIX, @"a\\0b"}, 6) = 0'],
  [0, (s) => s.bind(3, sockaddr({ family: 'UNIX', path: '' }), 2), 'bind(3, {AF_UNIX}, 2) = 0'],
  [0, (s) => s.bind(3, Uint8Array.of(16, 0, 1, 1), 4), 'bind(3, {4 bytes}, 4) = 0'],
  [0, (s) => s.listen(3, 5), 'listen(3, 5) = 0'],
  [-errno.EBADF, (s) => s.listen(-1, 5), 'listen(-1, 5) = -1 EBADF (Bad file descriptor)'],
  [4, (s) => s.accept(3, blank(), room()), 'accept(3, {AF_INET, 127.0.0.1:7007}) = 4'],
  [
    4,
    (s) => s.accept4(3, blank(), room(), 0o2000000),
    'accept4(3, {AF_INET, 127.0.0.1:7007}, SOCK_CLOEXEC) = 4',
  ],
  [
    -errno.EAGAIN,
    (s) => s.accept4(3, blank(), room(), 0o2004000),
    'accept4(3, ?, SOCK_CLOEXEC|SOCK_NONBLOCK) = -1 EAGAIN (Resource temporarily unavailable)',
  ],
  [0, (s) => s.connect(3, four, 16), 'connect(3, {AF_INET, 127.0.0.1:7007}, 16) = 0'],
  [
    -errno.ECONNREFUSED,
    (s) => s.connect(3, six, 28),
    'connect(3, {AF_INET6, [::1]:7007}, 28) = -1 ECONNREFUSED (Connection refused)',
  ],
  [5, (s) => s.send(3, bytes('xhello'), 1, 5, 0x4000), 'send(3, "hello", 5, MSG_NOSIGNAL) = 5'],
  [
    -errno.EPIPE,
    (s) => s.send(3, bytes('\0'), 0, 1, 0),
    'send(3, "\\0", 1, 0) = -1 EPIPE (Broken pipe)',
  ],
  [
    32,
    (s) => s.send(3, bytes('a'.repeat(32)), 0, 32, 0),
    `send(3, "${'a'.repeat(32)}", 32, 0) = 32`,
  ],
  [
    33,
    (s) => s.send(3, bytes('a'.repeat(33)), 0, 33, 0),
    `send(3, "${'a'.repeat(32)}"..., 33, 0) = 33`,
  ],
  [
    14,
    (s) => s.send(3, bytes('\t\n\v\f\r"\\\x001\x018\xff\x1b!'), 0, 14, 0),
    'send(3, "\\t\\n\\v\\f\\r\\"\\\\\\0001\\0018\\377\\33!", 14, 0) = 14',
  ],
  [
    2,
    (s) => s.recv(3, new Uint8Array(8), 3, 5, c.MSG_DONTWAIT | c.MSG_PEEK),
    'recv(3, "hi", 5, MSG_DONTWAIT|MSG_PEEK) = 2',
  ],
  [0, (s) => s.recv(3, new Uint8Array(8), 0, 8, 0), 'recv(3, "", 8, 0) = 0'],
  [
    5,
    (s) => s.sendto(3, bytes('xhello'), 1, 5, 0x4000, four, 16),
    'sendto(3, "hello", 5, MSG_NOSIGNAL, {AF_INET, 127.0.0.1:7007}, 16) = 5',
  ],
  [
    2,
    (s) => s.recvfrom(3, new Uint8Array(8), 3, 5, c.MSG_DONTWAIT, blank(), room()),
    'recvfrom(3, "hi", 5, MSG_DONTWAIT, {AF_INET, 127.0.0.1:7007}, [16]) = 2',
  ],
  [
    -errno.EAGAIN,
    (s) => s.recvfrom(3, new Uint8Array(8), 0, 8, 0, blank(), room()),
    'recvfrom(3, ?, 8, 0, ?, [128]) = -1 EAGAIN (Resource temporarily unavailable)',
  ],
  [
    -errno.EAGAIN,
    (s) => s.recv(3, new Uint8Array(8), 0, 8, 0x10000001),
    'recv(3, ?, 8, MSG_OOB|0x10000000) = -1 EAGAIN (Resource temporarily unavailable)',
  ],
  [0, (s) => s.shutdown(3, 1), 'shutdown(3, SHUT_WR) = 0'],
  [-errno.EBADF, (s) => s.shutdown(3, 7), 'shutdown(3, 7) = -1 EBADF (Bad file descriptor)'],
  [0, (s) => s.close(3), 'close(3) = 0'],
  [0, (s) => s.getsockname(3, blank(), room()), 'getsockname(3, {AF_INET, 127.0.0.1:7007}) = 0'],
  [
    -errno.EBADF,
    (s) => s.getpeername(3, blank(), room()),
    'getpeername(3, ?) = -1 EBADF (Bad file descriptor)',
  ],
  [
    0,
    (s) => s.getsockopt(3, 1, 4, new Uint8Array(4), Int32Array.of(4)),
    'getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0',
  ],
  [
    0,
    (s) => s.getsockopt(3, 6, 1, new Uint8Array(4), Int32Array.of(4)),
    `getsockopt(3, IPPROTO_TCP, TCP_NODELAY, [${errno.ECONNREFUSED}], [4]) = 0`,
  ],
  [
    -errno.EBADF,
    (s) => s.getsockopt(-1, 77, 78, new Uint8Array(4), Int32Array.of(4)),
    'getsockopt(-1, 77, 78, ?, [4]) = -1 EBADF (Bad file descriptor)',
  ],
  [
    0,
    (s) => s.setsockopt(3, 1, 2, Uint8Array.of(1, 0, 0, 0), 4),
    'setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0',
  ],
  [
    0,
    (s) => s.setsockopt(3, 1, 20, new Uint8Array(BigInt64Array.of(1n, 500000n).buffer), 16),
    'setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=500000}, 16) = 0',
  ],
  [
    0,
    (s) => s.setsockopt(3, 1, 13, new Uint8Array(Int32Array.of(1, 0).buffer), 8),
    'setsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=0}, 8) = 0',
  ],
  [
    0,
    (s) => s.setsockopt(3, 6, 13, bytes('reno'), 5),
    'setsockopt(3, IPPROTO_TCP, TCP_CONGESTION, "reno", 5) = 0',
  ],
  [
    -errno.EBADF,
    (s) => s.setsockopt(3, 0, 1, Uint8Array.of(16, 0, 0, 0), 4),
    'setsockopt(3, IPPROTO_IP, IP_TOS, [16], 4) = -1 EBADF (Bad file descriptor)',
  ],
  [
    0,
    (s) => s.setsockopt(3, 41, 26, Uint8Array.of(1, 0, 0, 0), 4),
    'setsockopt(3, IPPROTO_IPV6, IPV6_V6ONLY, [1], 4) = 0',
  ],
  [2, (s) => s.fcntl(3, c.F_GETFL, 0), 'fcntl(3, F_GETFL) = 2'],
  [1, (s) => s.fcntl(3, c.F_GETFD, 0), 'fcntl(3, F_GETFD) = 1'],
  [0, (s) => s.fcntl(3, c.F_SETFD, 1), 'fcntl(3, F_SETFD, FD_CLOEXEC) = 0'],
  [0, (s) => s.fcntl(3, c.F_SETFL, 0o4002), 'fcntl(3, F_SETFL, O_NONBLOCK|0x2) = 0'],
  [0, (s) => s.ioctl(3, c.FIONREAD, new Int32Array(1)), 'ioctl(3, FIONREAD, [5]) = 0'],
  [-errno.EBADF, (s) => s.fcntl(3, 99, 7), 'fcntl(3, 99, 7) = -1 EBADF (Bad file descriptor)'],
  [
    1,
    (s) => s.poll(pollfds([3, 1], [4, 5]), 2, -1),
    'poll([{fd=3, events=POLLIN}, {fd=4, events=POLLIN|POLLOUT}], 2, -1) = 1 ' +
      '([{fd=3, revents=POLLIN|POLLHUP}])',
  ],
  [0, (s) => s.poll(pollfds([3, 4]), 1, 50), 'poll([{fd=3, events=POLLOUT}], 1, 50) = 0'],
  [-errno.EBADF, (s) => s.poll(pollfds(), 0, 0), 'poll([], 0, 0) = -1 EBADF (Bad file descriptor)'],
  [0, (s) => s.unlink('/tmp/a\n'), 'unlink("/tmp/a\\n") = 0'],
  [-errno.ENOENT, (s) => s.unlink('a'), 'unlink("a") = -1 ENOENT (No such file or directory)'],
  [
    0x7f0000001000,
    (s) => s.mmap(4096, 3, 34, -1, 0),
    'mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000',
  ],
  [
    -errno.ENOMEM,
    (s) => s.mmap(4096, 1, 0, -1, 0),
    'mmap(NULL, 4096, PROT_READ, 0, -1, 0) = -1 ENOMEM (Cannot allocate memory)',
  ],
  [0, (s) => s.munmap(0x7f0000001000, 4096), 'munmap(0x7f0000001000, 4096) = 0'],
  [
    0,
    (s) => s.getaddrinfo('local"host', '80', hints, anyResults()),
    'getaddrinfo("local\\"host", "80", {AI_PASSIVE|AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM}, ' +
      '[{AF_INET, 127.0.0.1:7007}, {AF_INET6, [::1]:7007}]) = 0',
  ],
  [
    c.EAI_NONAME,
    (s) => s.getaddrinfo(null, null, { ...hints, flags: 0, family: 2, socktype: 0 }, anyResults()),
    'getaddrinfo(NULL, NULL, {0, AF_INET, 0}, []) = EAI_NONAME (Name or service not known)',
  ],
  [
    0,
    (s) => s.getnameinfo(four, 16, c.NI_NAMEREQD, { host: '', errno: 0 }),
    'getnameinfo({AF_INET, 127.0.0.1:7007}, "localhost", NI_NAMEREQD) = 0',
  ],
  [
    c.EAI_NONAME,
    (s) => s.getnameinfo(six, 28, 0, { host: '', errno: 0 }),
    'getnameinfo({AF_INET6, [::1]:7007}, ?, 0) = EAI_NONAME (Name or service not known)',
  ],
  [1, (s) => s.if_nametoindex('lo'), 'if_nametoindex("lo") = 1'],
];

describe('trace', () => {
  for (const [result, call, line] of LINES) {
    it(`the line ${line}`, (t) => {
      leakCheck(t);
      const lines: string[] = [];
      const kernel = new AnsweringSys(result) as unknown as Sys;
      const returned = call(new TracingSys(kernel, (printed) => lines.push(printed)));
      assert.deepEqual(lines, [line]);
      assert.equal(returned, result, 'the result passes through');
    });
  }

  it('every call is in the list, and counts', (t) => {
    leakCheck(t);
    const silent = 'constructor view address uvLoop batching batch monotonicMs strerror '
      .concat('gai_strerror traced note')
      .split(' ');
    // Those of the pollers, of the ring and of messages have lists of their own.
    const elsewhere = 'select epoll_create1 epoll_ctl epoll_wait kqueue kevent eventfd pipe2 pipe '
      .concat('timerfd_create timerfd_settime read write dup open getrlimit setrlimit ')
      .concat('io_uring_setup io_uring_enter io_uring_register sendmsg recvmsg sendmmsg recvmmsg')
      .split(' ');
    const calls = [TracingSys.prototype, Object.getPrototypeOf(TracingSys.prototype)]
      .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
      .filter((name) => !silent.includes(name) && !elsewhere.includes(name));
    const sys = new TracingSys(new AnsweringSys(0) as unknown as Sys, () => undefined);
    for (const [, call] of LINES) call(sys);
    assert.deepEqual([...sys.counts.keys()].sort(), [...new Set(calls)].sort());
    for (const [name, count] of sys.counts) {
      const expected = LINES.filter(([, , line]) => line.startsWith(`${name}(`)).length;
      assert.equal(count, expected, name);
    }
  });

  it('an errno that the platform does not have is a number', (t) => {
    leakCheck(t);
    const lines: string[] = [];
    const kernel = new AnsweringSys(-4095) as unknown as Sys;
    new TracingSys(kernel, (line) => lines.push(line)).close(3);
    assert.deepEqual(lines, ['close(3) = -1 UNKNOWN_4095 (Unknown error 4095)']);
  });
});
