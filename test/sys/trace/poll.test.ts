// Goal: a trace prints the calls of the pollers as strace does.
// Method: golden lines of real calls, and of a stand-in with fixed numbers.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { abiFor } from '#src/sys/abi/index.js';
import type { CLibrary } from '#src/sys/c-library.js';
import { nativeSys } from '#src/sys/native.js';
import { NativeSys } from '#src/sys/native-sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

/** A kernel of Linux on x64 whose calls all return `result`, after `fill`. */
function traced(platform: string, result: number, fill = (..._: unknown[]): void => undefined) {
  const abi = abiFor(platform, 'x64');
  assert.ok(abi);
  const call = (...args: unknown[]) => {
    fill(...args);
    return result;
  };
  const library = new Proxy({} as CLibrary, {
    get: (_, name) => {
      if (name === 'openKqueue') return () => ({ kqueue: call, kevent: call });
      if (name === 'strerror') return () => 'Words';
      return name === 'errno' ? () => 9 : call;
    },
  });
  const lines: string[] = [];
  const sys = new TracingSys(new NativeSys(abi, library), (line) => lines.push(line));
  return { sys, lines, constants: abi.constants, structs: abi.structs };
}

function setOf(size: number, ...fds: number[]): Uint8Array {
  const set = new Uint8Array(size);
  for (const fd of fds) set[fd >> 3] = (set[fd >> 3] ?? 0) | (1 << (fd & 7));
  return set;
}

function time(seconds: number, fraction: number): Uint8Array {
  return new Uint8Array(new BigInt64Array([BigInt(seconds), BigInt(fraction)]).buffer);
}

test('sys-poll-trace: select', () => {
  const ready = traced('linux', 1, (_nfds, reads) => (reads as Uint8Array).fill(0b1000, 0, 1));
  ready.sys.select(7, setOf(8, 3, 4), setOf(8), time(1, 500));
  ready.sys.select(70, setOf(16, 3, 64, 69), null, null);
  const none = traced('linux', 0);
  none.sys.select(0, null, null, time(0, 0));
  assert.deepEqual(
    [...ready.lines, ...none.lines],
    [
      'select(7, [3 4], [], {tv_sec=1, tv_usec=500}) = 1 ([3], [])',
      'select(70, [3 64 69], NULL, NULL) = 1 ([3 64 69], NULL)',
      'select(0, NULL, NULL, {tv_sec=0, tv_usec=0}) = 0',
    ],
  );
});

function epollEvent(events: number, data: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint32(0, events, true);
  view.setBigUint64(4, data, true);
  return new Uint8Array(view.buffer);
}

test('sys-poll-trace: epoll', () => {
  const { sys, lines, constants } = traced('linux', 1);
  const { EPOLL_CLOEXEC = 0, EPOLLIN = 0, EPOLLRDHUP = 0, EPOLLET = 0 } = constants;
  const { EPOLL_CTL_ADD = 0, EPOLL_CTL_MOD = 0, EPOLL_CTL_DEL = 0 } = constants;
  sys.epoll_create1(EPOLL_CLOEXEC);
  sys.epoll_ctl(5, EPOLL_CTL_ADD, 6, epollEvent(EPOLLIN | EPOLLRDHUP, 0x1_0000_0003n));
  sys.epoll_ctl(5, EPOLL_CTL_MOD, 6, epollEvent(EPOLLIN | EPOLLET, 2n ** 64n - 1n));
  sys.epoll_ctl(5, EPOLL_CTL_DEL, 6, epollEvent(0, 0n));
  sys.epoll_wait(5, epollEvent(EPOLLIN, 0x1_0000_0003n), 1, -1);
  const idle = traced('linux', 0);
  idle.sys.epoll_wait(5, new Uint8Array(64 * 12), 64, 0);
  const failing = traced('linux', -1);
  failing.sys.epoll_wait(5, new Uint8Array(64 * 12), 64, 0);
  assert.deepEqual(
    [...lines, ...idle.lines, ...failing.lines],
    [
      'epoll_create1(EPOLL_CLOEXEC) = 1',
      'epoll_ctl(5, EPOLL_CTL_ADD, 6, {EPOLLIN|EPOLLRDHUP, data=0x100000003}) = 1',
      'epoll_ctl(5, EPOLL_CTL_MOD, 6, {EPOLLIN|EPOLLET, data=0xffffffffffffffff}) = 1',
      'epoll_ctl(5, EPOLL_CTL_DEL, 6) = 1',
      'epoll_wait(5, [{EPOLLIN, data=0x100000003}], 1, -1) = 1',
      'epoll_wait(5, [], 64, 0) = 0',
      'epoll_wait(5, ?, 64, 0) = -1 EBADF (Words)',
    ],
  );
});

interface Kevent {
  readonly ident: number;
  readonly filter: number;
  readonly flags: number;
  readonly fflags?: number;
  readonly data?: number;
  readonly udata: bigint;
}

function keventList(size: number, ...events: Kevent[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(size * events.length));
  for (const [index, event] of events.entries()) {
    const base = index * size;
    view.setBigUint64(base, BigInt(event.ident), true);
    view.setInt16(base + 8, event.filter, true);
    view.setUint16(base + 10, event.flags, true);
    view.setUint32(base + 12, event.fflags ?? 0, true);
    view.setBigInt64(base + 16, BigInt(event.data ?? 0), true);
    view.setBigUint64(base + 24, event.udata, true);
  }
  return new Uint8Array(view.buffer);
}

for (const platform of ['linux', 'darwin', 'freebsd']) {
  test(`sys-poll-trace: kqueue on ${platform}`, () => {
    const { sys, lines, constants, structs } = traced(platform, 0);
    const { EVFILT_READ, EVFILT_USER, EV_ADD, EV_CLEAR, NOTE_TRIGGER } = constants;
    const list = (...events: Kevent[]) => keventList(structs.kevent.size, ...events);
    const reading = { ident: 4, filter: EVFILT_READ, flags: EV_ADD, udata: 7n };
    const waking = { ident: 0, filter: EVFILT_USER, flags: EV_CLEAR, udata: 2n ** 31n };
    sys.kqueue();
    sys.kevent(3, list(reading), 1, null, 0, null);
    sys.kevent(3, list(reading, { ...waking, fflags: NOTE_TRIGGER }), 2, null, 0, time(1, 5));
    assert.deepEqual(lines, [
      'kqueue() = 0',
      'kevent(3, [{ident=4, EVFILT_READ, EV_ADD, udata=7}], 1, [], 0, NULL) = 0',
      'kevent(3, [{ident=4, EVFILT_READ, EV_ADD, udata=7}, {ident=0, EVFILT_USER, EV_CLEAR, ' +
        'fflags=NOTE_TRIGGER, udata=2147483648}], 2, [], 0, {tv_sec=1, tv_nsec=5}) = 0',
    ]);
  });

  test(`sys-poll-trace: what kevent found on ${platform}`, () => {
    const { constants, structs } = traced(platform, 0);
    const { EVFILT_READ, EVFILT_WRITE, EV_EOF, EV_ERROR, EV_DELETE } = constants;
    const change = { ident: 9, filter: EVFILT_WRITE, flags: EV_DELETE, udata: 0n };
    const ended = { ident: 4, filter: EVFILT_READ, flags: EV_EOF, fflags: 2, data: 12, udata: 7n };
    const failed = { ...change, flags: EV_ERROR | EV_DELETE, data: 9 };
    const found = keventList(structs.kevent.size, ended, failed);
    // One buffer is both the list of changes and that of events.
    const both = keventList(structs.kevent.size, change, change);
    const { sys, lines } = traced(platform, 2, () => both.set(found));
    sys.kevent(3, both, 1, both, 2, null);
    assert.deepEqual(lines, [
      'kevent(3, [{ident=9, EVFILT_WRITE, EV_DELETE, udata=0}], 1, ' +
        '[{ident=4, EVFILT_READ, EV_EOF, fflags=2, data=12, udata=7}, ' +
        '{ident=9, EVFILT_WRITE, EV_DELETE|EV_ERROR, data=EBADF, udata=0}], 2, NULL) = 2',
    ]);
  });
}

test('sys-poll-trace: eventfd, pipes, limits', () => {
  const { sys, lines, constants } = traced('linux', 0);
  const { EFD_CLOEXEC = 0, EFD_NONBLOCK = 0, O_CLOEXEC, O_NONBLOCK, RLIMIT_NOFILE } = constants;
  const limit = new BigUint64Array([20_000n, 2n ** 64n - 1n]);
  sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sys.eventfd(3, 0);
  const { CLOCK_MONOTONIC = -1, TFD_CLOEXEC = 0, TFD_NONBLOCK = 0 } = constants;
  sys.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  const halves = new BigUint64Array([0n, 500_000_000n, 2n, 0n]);
  sys.timerfd_settime(3, 0, new Uint8Array(halves.buffer));
  sys.pipe2(new Int32Array([3, 4]), O_CLOEXEC | O_NONBLOCK);
  sys.pipe(new Int32Array([3, 4]));
  sys.getrlimit(RLIMIT_NOFILE, new Uint8Array(limit.buffer));
  sys.setrlimit(RLIMIT_NOFILE, new Uint8Array(limit.buffer));
  sys.getrlimit(99, new Uint8Array(16));
  assert.deepEqual(lines, [
    'eventfd(0, EFD_CLOEXEC|EFD_NONBLOCK) = 0',
    'eventfd(3, 0) = 0',
    'timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC|TFD_NONBLOCK) = 0',
    'timerfd_settime(3, 0, {it_interval={tv_sec=0, tv_nsec=500000000}, ' +
      'it_value={tv_sec=2, tv_nsec=0}}, NULL) = 0',
    'pipe2([3, 4], O_CLOEXEC|O_NONBLOCK) = 0',
    'pipe([3, 4]) = 0',
    'getrlimit(RLIMIT_NOFILE, {rlim_cur=20000, rlim_max=RLIM_INFINITY}) = 0',
    'setrlimit(RLIMIT_NOFILE, {rlim_cur=20000, rlim_max=RLIM_INFINITY}) = 0',
    'getrlimit(99, {rlim_cur=0, rlim_max=0}) = 0',
  ]);
  const failing = traced('darwin', -1);
  failing.sys.pipe(new Int32Array([3, 4]));
  failing.sys.getrlimit(8, new Uint8Array(16));
  assert.deepEqual(failing.lines, [
    'pipe(?) = -1 EBADF (Words)',
    'getrlimit(RLIMIT_NOFILE, ?) = -1 EBADF (Words)',
  ]);
});

test('sys-poll-trace: files, by the kernel of this machine', (t: TestContext) => {
  leakCheck(t);
  const lines: string[] = [];
  const sys = new TracingSys(nativeSys(), (line) => lines.push(line));
  const { O_RDONLY, O_RDWR, O_CLOEXEC, O_NONBLOCK } = sys.abi.constants;
  const pair = new Int32Array(2);
  sys.pipe(pair);
  const [reader = -1, writer = -1] = pair;
  const copy = sys.dup(writer);
  const bytes = new TextEncoder().encode('..hello\n');
  sys.write(copy, bytes, 2, 6);
  sys.read(reader, bytes, 0, 8);
  const file = sys.open('/dev/null', O_RDWR | O_CLOEXEC | O_NONBLOCK);
  const again = sys.open('/dev/null', O_RDONLY);
  sys.read(-1, bytes, 0, 8);
  for (const fd of [reader, writer, copy, file, again]) sys.close(fd);
  assert.deepEqual(lines.slice(0, 7), [
    `pipe([${reader}, ${writer}]) = 0`,
    `dup(${writer}) = ${copy}`,
    `write(${copy}, "hello\\n", 6) = 6`,
    `read(${reader}, "hello\\n", 8) = 6`,
    `open("/dev/null", O_RDWR|O_CLOEXEC|O_NONBLOCK) = ${file}`,
    `open("/dev/null", O_RDONLY) = ${again}`,
    'read(-1, ?, 8) = -1 EBADF (Bad file descriptor)',
  ]);
  assert.equal(sys.counts.get('read'), 2);
});
