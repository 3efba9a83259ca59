// Goal: each call of a Sys is the C function of its name, with every argument at its place, and
// with buffers that are long enough, to the byte.
// Method: a C library that writes down what it is called with.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abis } from '#src/sys/abi/index.js';
import { ioUring } from '#src/sys/abi/io-uring.js';
import type { CLibrary } from '#src/sys/c-library.js';
import { MessageVector } from '#src/sys/message-vector.js';
import { NativeSys } from '#src/sys/native-sys.js';

type Called = readonly [name: string, ...args: unknown[]];

const ERRNO = 77;

/** A library whose functions return `result`; those in `lacking` do not exist. */
function libraryOf(called: Called[], result = 1, lacking: ReadonlySet<string> = new Set()) {
  const functionOf =
    (name: string) =>
    (...args: unknown[]): number => {
      called.push([name, ...args]);
      return result;
    };
  const groups: Record<string, unknown> = {
    ioUring: {
      setup: functionOf('setup'),
      enter: functionOf('enter'),
      register: functionOf('register'),
    },
    openKqueue: () =>
      lacking.has('kqueue') ? null : { kqueue: functionOf('kqueue'), kevent: functionOf('kevent') },
    errno: () => ERRNO,
    addressOf: () => 4096n,
  };
  return new Proxy({} as CLibrary, {
    get: (_, name: string) => {
      if (lacking.has(name)) return null;
      return groups[name] ?? functionOf(name);
    },
  });
}

const linux = abis.find(({ platform }) => platform === 'linux-x64');
assert.ok(linux !== undefined);
const { structs } = linux;
const { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register } = ioUring.constants;

const bytes = (length: number): Uint8Array => new Uint8Array(length);
const room = (length: number): Int32Array => Int32Array.of(length);
const pair = new Int32Array(2);
const name = bytes(16);
const buffer = bytes(40);
const PARAMS_BYTES = ioUring.structs.io_uring_params.size;

/** What is called, and what the library is called with. */
type Row = readonly [make: (sys: NativeSys) => number, called: Called];

const ROWS: readonly Row[] = [
  [(sys) => sys.socket(2, 3, 4), ['socket', 2, 3, 4]],
  [(sys) => sys.socketpair(2, 3, 4, pair), ['socketpair', 2, 3, 4, pair]],
  [(sys) => sys.bind(5, name, 16), ['bind', 5, name, 16]],
  [(sys) => sys.listen(5, 6), ['listen', 5, 6]],
  [(sys) => sys.accept(5, name, room(16)), ['accept', 5, name, room(16)]],
  [(sys) => sys.accept4(5, name, room(16), 7), ['accept4', 5, name, room(16), 7]],
  [(sys) => sys.connect(5, name, 16), ['connect', 5, name, 16]],
  [(sys) => sys.shutdown(5, 2), ['shutdown', 5, 2]],
  [(sys) => sys.close(5), ['close', 5]],
  [(sys) => sys.getsockname(5, name, room(16)), ['getsockname', 5, name, room(16)]],
  [(sys) => sys.getpeername(5, name, room(16)), ['getpeername', 5, name, room(16)]],
  [(sys) => sys.getsockopt(5, 1, 2, name, room(16)), ['getsockopt', 5, 1, 2, name, room(16)]],
  [(sys) => sys.setsockopt(5, 1, 2, name, 16), ['setsockopt', 5, 1, 2, name, 16]],
  [(sys) => sys.fcntl(5, 6, 7), ['fcntl', 5, 6, 'int', 7]],
  [(sys) => sys.ioctl(5, 6, pair), ['ioctl', 5, 6, 'void *', pair]],
  [(sys) => sys.poll(bytes(24), 3, 9), ['poll', bytes(24), 3, 9]],
  [
    (sys) => sys.select(65, bytes(16), bytes(17), bytes(16)),
    ['select', 65, bytes(16), bytes(17), null, bytes(16)],
  ],
  [(sys) => sys.select(1, null, null, null), ['select', 1, null, null, null, null]],
  [(sys) => sys.epoll_create1(8), ['epoll_create1', 8]],
  [(sys) => sys.epoll_ctl(4, 2, 5, bytes(12)), ['epoll_ctl', 4, 2, 5, bytes(12)]],
  [(sys) => sys.epoll_wait(4, bytes(36), 3, 9), ['epoll_wait', 4, bytes(36), 3, 9]],
  [(sys) => sys.kqueue(), ['kqueue']],
  [
    (sys) => sys.kevent(4, bytes(64), 2, bytes(96), 3, bytes(16)),
    ['kevent', 4, bytes(64), 2, bytes(96), 3, bytes(16)],
  ],
  [(sys) => sys.kevent(4, null, 0, null, 0, null), ['kevent', 4, null, 0, null, 0, null]],
  [
    (sys) => sys.io_uring_setup(8, bytes(PARAMS_BYTES)),
    ['setup', SYS_io_uring_setup, 8, bytes(PARAMS_BYTES)],
  ],
  [(sys) => sys.io_uring_enter(4, 5, 6, 7, 8, 9), ['enter', SYS_io_uring_enter, 4, 5, 6, 7, 8, 9]],
  [(sys) => sys.io_uring_register(4, 5, 6, 7), ['register', SYS_io_uring_register, 4, 5, 6, 7]],
  [(sys) => sys.eventfd(1, 2), ['eventfd', 1, 2]],
  [(sys) => sys.timerfd_create(1, 2), ['timerfd_create', 1, 2]],
  [(sys) => sys.timerfd_settime(5, 1, bytes(32)), ['timerfd_settime', 5, 1, bytes(32), null]],
  [(sys) => sys.pipe2(pair, 3), ['pipe2', pair, 3]],
  [(sys) => sys.pipe(pair), ['pipe', pair]],
  [(sys) => sys.read(5, buffer, 0, 40), ['read', 5, buffer, 40]],
  [(sys) => sys.read(5, buffer, 30, 10), ['read', 5, buffer.subarray(30), 10]],
  [(sys) => sys.write(5, buffer, 0, 40), ['write', 5, buffer, 40]],
  [(sys) => sys.write(5, buffer, 30, 10), ['write', 5, buffer.subarray(30), 10]],
  [(sys) => sys.dup(5), ['dup', 5]],
  [(sys) => sys.open('/a', 6), ['open', '/a', 6]],
  [(sys) => sys.unlink('/a'), ['unlink', '/a']],
  [(sys) => sys.getrlimit(7, bytes(16)), ['getrlimit', 7, bytes(16)]],
  [(sys) => sys.setrlimit(7, bytes(16)), ['setrlimit', 7, bytes(16)]],
  [(sys) => sys.mmap(1, 2, 3, 4, 5), ['mmap', 0, 1, 2, 3, 4, 5]],
  [(sys) => sys.munmap(1, 2), ['munmap', 1, 2]],
  [(sys) => sys.send(5, buffer, 0, 40, 6), ['send', 5, buffer, 40, 6]],
  [(sys) => sys.send(5, buffer, 30, 10, 6), ['send', 5, buffer.subarray(30), 10, 6]],
  [(sys) => sys.recv(5, buffer, 0, 40, 6), ['recv', 5, buffer, 40, 6]],
  [(sys) => sys.recv(5, buffer, 30, 10, 6), ['recv', 5, buffer.subarray(30), 10, 6]],
  [(sys) => sys.sendto(5, buffer, 0, 40, 6, name, 16), ['sendto', 5, buffer, 40, 6, name, 16]],
  [
    (sys) => sys.sendto(5, buffer, 30, 10, 6, null, 16),
    ['sendto', 5, buffer.subarray(30), 10, 6, null, 0],
  ],
  [
    (sys) => sys.recvfrom(5, buffer, 0, 40, 6, name, room(16)),
    ['recvfrom', 5, buffer, 40, 6, name, room(16)],
  ],
  [
    (sys) => sys.recvfrom(5, buffer, 30, 10, 6, null, room(16)),
    ['recvfrom', 5, buffer.subarray(30), 10, 6, null, null],
  ],
];

/** Calls that do not fit, by a byte or a slot. */
const TOO_SMALL: readonly ((sys: NativeSys) => number)[] = [
  (sys) => sys.socketpair(2, 3, 4, new Int32Array(1)),
  (sys) => sys.bind(5, name, 17),
  (sys) => sys.accept(5, name, room(17)),
  (sys) => sys.accept(5, name, new Int32Array(0)),
  (sys) => sys.accept4(5, name, room(17), 0),
  (sys) => sys.connect(5, name, 17),
  (sys) => sys.getsockname(5, name, room(17)),
  (sys) => sys.getpeername(5, name, room(17)),
  (sys) => sys.getsockopt(5, 1, 2, name, room(17)),
  (sys) => sys.setsockopt(5, 1, 2, name, 17),
  (sys) => sys.poll(bytes(3 * structs.pollfd.size - 1), 3, 0),
  (sys) => sys.select(65, bytes(15), null, null),
  (sys) => sys.select(65, null, bytes(15), null),
  (sys) => sys.select(64, bytes(7), null, null),
  (sys) => sys.select(0, null, null, bytes(15)),
  (sys) => sys.epoll_ctl(4, 2, 5, bytes(11)),
  (sys) => sys.epoll_wait(4, bytes(35), 3, 0),
  (sys) => sys.kevent(4, bytes(63), 2, null, 0, null),
  (sys) => sys.kevent(4, null, 1, null, 0, null),
  (sys) => sys.kevent(4, null, 0, bytes(95), 3, null),
  (sys) => sys.kevent(4, null, 0, null, 0, bytes(15)),
  (sys) => sys.io_uring_setup(8, bytes(PARAMS_BYTES - 1)),
  (sys) => sys.timerfd_settime(5, 0, bytes(31)),
  (sys) => sys.pipe(new Int32Array(1)),
  (sys) => sys.pipe2(new Int32Array(1), 0),
  ...(['read', 'write'] as const).flatMap((call) => [
    (sys: NativeSys) => sys[call](5, buffer, 0, 41),
    (sys: NativeSys) => sys[call](5, buffer, 30, 11),
    (sys: NativeSys) => sys[call](5, buffer, -1, 5),
    (sys: NativeSys) => sys[call](5, buffer, 0, -1),
  ]),
  ...(['send', 'recv'] as const).flatMap((call) => [
    (sys: NativeSys) => sys[call](5, buffer, 0, 41, 0),
    (sys: NativeSys) => sys[call](5, buffer, 30, 11, 0),
  ]),
  (sys) => sys.sendto(5, buffer, 30, 11, 0, null, 0),
  (sys) => sys.sendto(5, buffer, 0, 1, 0, name, 17),
  (sys) => sys.recvfrom(5, buffer, 30, 11, 0, null, room(0)),
  (sys) => sys.recvfrom(5, buffer, 0, 1, 0, name, room(17)),
  (sys) => sys.getrlimit(7, bytes(15)),
  (sys) => sys.setrlimit(7, bytes(15)),
  (sys) => sys.open('/a\0b', 0),
  (sys) => sys.unlink('\0'),
];

test('native calls: each is the function of its name, with each argument at its place', () => {
  for (const [make, expected] of ROWS) {
    const called: Called[] = [];
    assert.equal(make(new NativeSys(linux, libraryOf(called, 3))), 3);
    assert.deepEqual(called, [expected]);
    const failing = new NativeSys(linux, libraryOf([], -1));
    assert.equal(make(failing), -ERRNO, `${expected[0]} that fails`);
    assert.equal(make(new NativeSys(linux, libraryOf([], 0))), 0);
  }
});

test('native calls: what does not fit is refused before the call', () => {
  const called: Called[] = [];
  const sys = new NativeSys(linux, libraryOf(called));
  for (const make of TOO_SMALL) assert.throws(() => make(sys), RangeError, String(make));
  assert.deepEqual(called, []);
});

test('native calls: a function that is not there is ENOSYS, and nothing is called for it', () => {
  const called: Called[] = [];
  const words =
    'accept4 epoll_create1 epoll_ctl epoll_wait kqueue ioUring eventfd timerfd_create ' +
    'timerfd_settime pipe2';
  const lacking = new Set(words.split(' '));
  const sys = new NativeSys(linux, libraryOf(called, 1, lacking));
  const names = /^(accept4|epoll_|k|setup|enter|register|eventfd|timerfd_|pipe2)/;
  const rows = ROWS.filter(([, [name]]) => names.test(name));
  assert.equal(rows.length, 14);
  for (const [make, [which]] of rows) assert.equal(make(sys), -linux.errno.ENOSYS, which);
  assert.deepEqual(called, []);
});

test('native calls: a buffer that comes again goes by its address, at the offset', () => {
  for (const [call, fast] of [
    ['send', 'sendFrom'],
    ['recv', 'recvInto'],
  ] as const) {
    const called: Called[] = [];
    const sys = new NativeSys(linux, libraryOf(called));
    const large = bytes(1000);
    const other = bytes(1000);
    for (const [from, offset] of [
      [large, 5],
      [large, 7],
      [large, 0],
      [other, 9],
      [large, 1],
      [buffer, 3],
      [buffer, 3],
      [buffer, 3],
    ] as const) {
      sys[call](4, from, offset, 20, 6);
    }
    assert.deepEqual(called, [
      [call, 4, large.subarray(5), 20, 6],
      [fast, 4, 4096 + 7, 20, 6],
      [fast, 4, 4096, 20, 6],
      [call, 4, other.subarray(9), 20, 6],
      [fast, 4, 4096 + 1, 20, 6],
      // V8 may move the bytes of a small one.
      ...new Array<Called>(3).fill([call, 4, buffer.subarray(3), 20, 6]),
    ]);
    assert.throws(() => sys[call](4, large, 990, 11, 0), RangeError);
  }
});

test('native calls: the messages of a vector are at its address, from the first one on', () => {
  const called: Called[] = [];
  const sys = new NativeSys(linux, libraryOf(called, 2));
  const sizes = { count: 4, nameBytes: 16, controlBytes: 0, bufferBytes: 8 };
  const messages = new MessageVector(sys, sizes);
  assert.equal(sys.sendmmsg(5, messages, 1, 3, 6), 2);
  assert.equal(sys.recvmmsg(5, messages, 4, 6), 2);
  assert.deepEqual(called, [
    ['sendmmsg', 5, messages.address + messages.recordBytes, 3, 6],
    ['recvmmsg', 5, messages.address, 4, 6, null],
  ]);
  assert.equal(messages.recordBytes, structs.mmsghdr?.size);
  for (const [first, count] of [
    [2, 3],
    [-1, 2],
    [0, 5],
    [0, -1],
  ] as const) {
    assert.throws(() => sys.sendmmsg(5, messages, first, count, 0), RangeError);
  }
  assert.throws(() => sys.recvmmsg(5, messages, 5, 0), RangeError);
});
