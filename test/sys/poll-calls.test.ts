// Goal: the calls of the pollers do what their man pages say.
// Method: each call on real descriptors; limits, errors, and missing calls.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PeriodicWakeTimer } from '#src/poller/periodic-wake-timer.js';
import { abiFor } from '#src/sys/abi/index.js';
import type { CLibrary } from '#src/sys/c-library.js';
import { nativeSys } from '#src/sys/native.js';
import { NativeSys } from '#src/sys/native-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();
const { abi } = sys;
const { EAGAIN, EBADF, EEXIST, EINVAL, ENOENT, ENOSYS, EPERM } = abi.errno;
const onLinux = { skip: process.platform === 'linux' ? false : 'only Linux has epoll' };
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The descriptors that `opened` still has to close. */
const open = new Set<number>();

/** A descriptor that a call returned, closed after the test if not before by `closeNow`. */
function opened(t: TestContext, fd: number): number {
  assert.ok(fd >= 0, `-errno ${fd}`);
  open.add(fd);
  t.after(() => {
    if (open.delete(fd)) sys.close(fd);
  });
  return fd;
}

function closeNow(fd: number): void {
  open.delete(fd);
  assert.equal(sys.close(fd), 0);
}

/** The ends of a pipe. */
function pipe(t: TestContext): [reader: number, writer: number] {
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  return [opened(t, reader), opened(t, writer)];
}

function setOf(...fds: number[]): Uint8Array {
  const set = new Uint8Array(abi.structs.fd_set.size);
  for (const fd of fds) set[fd >> 3] = (set[fd >> 3] ?? 0) | (1 << (fd & 7));
  return set;
}

/** A timeval or a timespec: both begin with the seconds. */
function time(seconds: number, fraction: number): Uint8Array {
  return new Uint8Array(new BigInt64Array([BigInt(seconds), BigInt(fraction)]).buffer);
}

test('sys-poll-calls: read and write move bytes at an offset', (t) => {
  leakCheck(t);
  const [reader, writer] = pipe(t);
  const bytes = new TextEncoder().encode('..hello');
  assert.equal(sys.write(writer, bytes, 2, 5), 5);
  const into = new Uint8Array(8);
  assert.equal(sys.read(reader, into, 1, 7), 5);
  assert.deepEqual([...into.subarray(1, 6)], [...bytes.subarray(2)]);
  assert.equal(into[0], 0);
  assert.equal(into[6], 0);
  assert.equal(sys.write(writer, bytes, 7, 0), 0);
  assert.equal(sys.read(-1, into, 0, 1), -EBADF);
  assert.equal(sys.write(-1, into, 0, 1), -EBADF);
  assert.throws(() => sys.read(reader, into, 2, 7), RangeError);
  assert.throws(() => sys.read(reader, into, -1, 2), RangeError);
  assert.throws(() => sys.write(writer, into, 8, 1), RangeError);
});

test('sys-poll-calls: read returns 0 at the end, and EAGAIN if it would block', (t) => {
  leakCheck(t);
  const [reader, writer] = pipe(t);
  const { F_GETFL, F_SETFL, O_NONBLOCK } = abi.constants;
  sys.fcntl(reader, F_SETFL, sys.fcntl(reader, F_GETFL, 0) | O_NONBLOCK);
  const into = new Uint8Array(8);
  assert.equal(sys.read(reader, into, 0, 8), -EAGAIN);
  const other = opened(t, sys.dup(writer));
  closeNow(writer);
  assert.equal(sys.read(reader, into, 0, 8), -EAGAIN, 'the duplicate holds it open');
  closeNow(other);
  assert.equal(sys.read(reader, into, 0, 8), 0);
});

test('sys-poll-calls: dup and open give descriptors, or an errno', (t) => {
  leakCheck(t);
  const { O_RDONLY, O_RDWR, O_CLOEXEC, F_GETFD, FD_CLOEXEC } = abi.constants;
  const fd = opened(t, sys.open('/dev/null', O_RDWR | O_CLOEXEC));
  assert.equal(sys.fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  assert.equal(sys.write(fd, new Uint8Array(3), 0, 3), 3);
  const other = opened(t, sys.dup(fd));
  assert.notEqual(other, fd);
  assert.equal(sys.fcntl(other, F_GETFD, 0) & FD_CLOEXEC, 0);
  assert.equal(sys.open('/dev/null/nothing', O_RDONLY), -(abi.errno['ENOTDIR'] ?? 0));
  assert.equal(sys.open('/nowhere-at-all', O_RDONLY), -ENOENT);
  assert.equal(sys.dup(-1), -EBADF);
  assert.throws(() => sys.open('/dev/null\0', O_RDONLY), RangeError);
});

test('sys-poll-calls: pipe2 sets its flags on both ends', (t) => {
  leakCheck(t);
  const { O_CLOEXEC, O_NONBLOCK, F_GETFD, F_GETFL, FD_CLOEXEC } = abi.constants;
  const pair = new Int32Array(2);
  const result = sys.pipe2(pair, O_CLOEXEC | O_NONBLOCK);
  if (result === -ENOSYS) return assert.equal(abi.platform.startsWith('darwin'), true);
  assert.equal(result, 0);
  for (const fd of pair) {
    opened(t, fd);
    assert.equal(sys.fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
    assert.equal(sys.fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
  }
  assert.equal(sys.pipe2(pair, -1), -EINVAL);
  assert.throws(() => sys.pipe2(new Int32Array(1), 0), RangeError);
  assert.throws(() => sys.pipe(new Int32Array(1)), RangeError);
});

test('sys-poll-calls: select overwrites its sets with the ready descriptors', (t) => {
  leakCheck(t);
  const [reader, writer] = pipe(t);
  const [idle] = pipe(t);
  const nfds = Math.max(reader, writer, idle) + 1;
  let [reads, writes] = [setOf(reader, idle), setOf(writer)];
  assert.equal(sys.select(nfds, reads, writes, time(0, 0)), 1);
  assert.deepEqual([reads, writes], [setOf(), setOf(writer)]);
  sys.write(writer, new Uint8Array(1), 0, 1);
  [reads, writes] = [setOf(reader, idle), setOf(writer)];
  assert.equal(sys.select(nfds, reads, writes, null), 2);
  assert.deepEqual([reads, writes], [setOf(reader), setOf(writer)]);
  assert.equal(sys.select(nfds, setOf(reader), null, null), 1);
  assert.equal(sys.select(nfds, null, setOf(writer), null), 1);
});

test('sys-poll-calls: select waits for its timeout', () => {
  const start = sys.monotonicMs();
  assert.equal(sys.select(0, null, null, time(0, 20_000)), 0);
  assert.ok(sys.monotonicMs() - start >= 20);
});

test('sys-poll-calls: select refuses wrong arguments', (t) => {
  leakCheck(t);
  const [reader] = pipe(t);
  const closed = sys.dup(reader);
  sys.close(closed);
  assert.equal(sys.select(closed + 1, setOf(closed), null, time(0, 0)), -EBADF);
  assert.equal(sys.select(-1, null, null, time(0, 0)), -EINVAL);
  assert.equal(sys.select(0, null, null, time(-1, 0)), -EINVAL);
  // A set of 64 bits is one word; the 65th bit would lie beyond it.
  assert.equal(sys.select(64, new Uint8Array(8), null, time(0, 0)), 0);
  assert.throws(() => sys.select(65, new Uint8Array(8), null, null), RangeError);
  assert.throws(() => sys.select(65, null, new Uint8Array(15), null), RangeError);
  assert.throws(() => sys.select(0, null, null, new Uint8Array(15)), RangeError);
});

/** The numbers and the layout of epoll, on a machine that has it. */
function epollAbi() {
  const { EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLL_CLOEXEC } = abi.constants;
  const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = abi.constants;
  const layout = abi.structs.epoll_event;
  assert.ok(layout && EPOLLIN && EPOLLOUT && EPOLLHUP && EPOLL_CLOEXEC);
  assert.ok(EPOLL_CTL_ADD && EPOLL_CTL_MOD && EPOLL_CTL_DEL);
  const { events, data } = layout.fields;
  return {
    EPOLLIN,
    EPOLLOUT,
    EPOLLHUP,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_MOD,
    EPOLL_CTL_DEL,
    size: layout.size,
    event(bits: number, low: number, high: number): Uint8Array {
      const view = new DataView(new ArrayBuffer(layout.size));
      view.setUint32(events.offset, bits, true);
      view.setUint32(data.offset, low, true);
      view.setUint32(data.offset + 4, high, true);
      return new Uint8Array(view.buffer);
    },
    decoded(list: Uint8Array, count: number): [bits: number, low: number, high: number][] {
      const view = new DataView(list.buffer, list.byteOffset);
      return Array.from({ length: count }, (_, index) => {
        const base = index * layout.size;
        return [
          view.getUint32(base + events.offset, true),
          view.getUint32(base + data.offset, true),
          view.getUint32(base + data.offset + 4, true),
        ];
      });
    },
  };
}

test('sys-poll-calls: epoll reports what was added, with both halves of its data', onLinux, (t) => {
  leakCheck(t);
  const e = epollAbi();
  const [reader, writer] = pipe(t);
  const epfd = opened(t, sys.epoll_create1(e.EPOLL_CLOEXEC));
  const events = new Uint8Array(4 * e.size);
  const wait = (timeoutMs: number) => {
    const count = sys.epoll_wait(epfd, events, 4, timeoutMs);
    return e.decoded(events, count).sort(([a], [b]) => a - b);
  };
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, reader, e.event(e.EPOLLIN, 7, 0)), 0);
  assert.deepEqual(wait(0), []);
  sys.write(writer, new Uint8Array(1), 0, 1);
  assert.deepEqual(wait(-1), [[e.EPOLLIN, 7, 0]]);
  const writing = e.event(e.EPOLLOUT, 0x8765_4321, 0xffff_fffe);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, writer, writing), 0);
  assert.deepEqual(wait(0), [
    [e.EPOLLIN, 7, 0],
    [e.EPOLLOUT, 0x8765_4321, 0xffff_fffe],
  ]);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_MOD, reader, e.event(0, 8, 1)), 0);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_DEL, writer, writing), 0);
  assert.deepEqual(wait(0), []);
  closeNow(writer);
  assert.deepEqual(wait(0), [[e.EPOLLHUP, 8, 1]]);
});

test('sys-poll-calls: epoll refuses with the errno of its man page', onLinux, (t) => {
  leakCheck(t);
  const e = epollAbi();
  const [reader] = pipe(t);
  const epfd = opened(t, sys.epoll_create1(0));
  const event = e.event(e.EPOLLIN, 1, 0);
  const events = new Uint8Array(2 * e.size);
  assert.equal(sys.epoll_create1(-1), -EINVAL);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_MOD, reader, event), -ENOENT);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, reader, event), 0);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, reader, event), -EEXIST);
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, -1, event), -EBADF);
  const file = opened(t, sys.open(fileURLToPath(import.meta.url), abi.constants.O_RDONLY));
  assert.equal(sys.epoll_ctl(epfd, e.EPOLL_CTL_ADD, file, event), -EPERM);
  assert.equal(sys.epoll_wait(-1, events, 1, 0), -EBADF);
  assert.equal(sys.epoll_wait(epfd, events, 0, 0), -EINVAL);
  assert.throws(() => sys.epoll_wait(epfd, events, 3, 0), RangeError);
  assert.throws(() => sys.epoll_ctl(epfd, e.EPOLL_CTL_MOD, reader, new Uint8Array(8)), RangeError);
});

test('sys-poll-calls: a periodic timer makes its descriptor ready repeatedly', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const timer = PeriodicWakeTimer.open(sys, 10);
  if (sys.abi.constants.TFD_CLOEXEC === undefined) return assert.equal(timer, null);
  assert.ok(timer !== null);
  const pollfd = new Int32Array([timer.fd, sys.abi.constants.POLLIN]);
  const bytes = new Uint8Array(pollfd.buffer);
  const beats = new BigUint64Array(1);
  for (let beat = 0; beat < 3; beat += 1) {
    assert.equal(sys.poll(bytes, 1, 5000), 1);
    assert.equal(sys.read(timer.fd, new Uint8Array(beats.buffer), 0, 8), 8);
    assert.ok((beats[0] ?? 0n) >= 1n);
  }
  return timer.close();
});

test('sys-poll-calls: eventfd counts, and a read resets the count', (t) => {
  leakCheck(t);
  const { EFD_CLOEXEC, EFD_NONBLOCK, F_GETFD, FD_CLOEXEC } = abi.constants;
  if (EFD_CLOEXEC === undefined || EFD_NONBLOCK === undefined) {
    return assert.equal(sys.eventfd(0, 0), -ENOSYS);
  }
  const fd = opened(t, sys.eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK));
  assert.equal(sys.fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  const count = new BigUint64Array([40n]);
  const bytes = new Uint8Array(count.buffer);
  assert.equal(sys.write(fd, bytes, 0, 8), 8);
  assert.equal(sys.read(fd, bytes, 0, 8), 8);
  assert.equal(count[0], 42n);
  assert.equal(sys.read(fd, bytes, 0, 8), -EAGAIN);
  assert.equal(sys.read(fd, bytes, 0, 4), -EINVAL);
  assert.equal(sys.eventfd(0, -1), -EINVAL);
});

test('sys-poll-calls: getrlimit and setrlimit', () => {
  const { RLIMIT_NOFILE } = abi.constants;
  const limit = new Uint8Array(abi.structs.rlimit.size);
  assert.equal(sys.getrlimit(RLIMIT_NOFILE, limit), 0);
  const [soft = 0n, hard = 0n] = new BigUint64Array(limit.buffer);
  assert.ok(soft > 0n && soft <= hard);
  assert.equal(sys.setrlimit(RLIMIT_NOFILE, limit), 0);
  assert.equal(sys.getrlimit(-1, limit), -EINVAL);
  assert.throws(() => sys.getrlimit(RLIMIT_NOFILE, new Uint8Array(8)), RangeError);
  assert.throws(() => sys.setrlimit(RLIMIT_NOFILE, new Uint8Array(15)), RangeError);
});

test('sys-poll-calls: kqueue is ENOSYS on Linux without libkqueue', onLinux, () => {
  const program = `
    import { nativeSys } from 'sockloop/sys';
    const sys = nativeSys();
    const event = new Uint8Array(sys.abi.structs.kevent.size);
    const results = [sys.kevent(3, event, 1, null, 0, null), sys.kqueue(), sys.kqueue()];
    console.log(JSON.stringify(results));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, SOCKLOOP_LIBKQUEUE: '/nowhere/libkqueue.so' },
  });
  assert.equal(result.stdout, `[${-ENOSYS},${-ENOSYS},${-ENOSYS}]\n`, result.stderr);
});

test('sys-poll-calls: kevent takes no list without room for it', () => {
  const { size } = abi.structs.kevent;
  const list = new Uint8Array(2 * size - 1);
  assert.throws(() => sys.kevent(-1, list, 2, null, 0, null), RangeError);
  assert.throws(() => sys.kevent(-1, null, 0, list, 2, null), RangeError);
  assert.throws(() => sys.kevent(-1, null, 1, null, 0, null), RangeError);
  assert.throws(() => sys.kevent(-1, null, 0, null, 0, new Uint8Array(15)), RangeError);
});

test('sys-poll-calls: what a platform lacks is ENOSYS with its own number', () => {
  const lacking: Partial<CLibrary> = {
    accept4: null,
    epoll_create1: null,
    epoll_ctl: null,
    epoll_wait: null,
    eventfd: null,
    timerfd_create: null,
    timerfd_settime: null,
    pipe2: null,
    openKqueue: () => null,
  };
  const darwin = abiFor('darwin', 'arm64');
  assert.ok(darwin);
  const bare = new NativeSys(darwin, lacking as CLibrary);
  const bytes = new Uint8Array(64);
  const numbers = new Int32Array(2);
  const results = [
    bare.accept4(3, bytes, numbers, 0),
    bare.epoll_create1(0),
    bare.epoll_ctl(3, 1, 4, bytes),
    bare.epoll_wait(3, bytes, 1, 0),
    bare.eventfd(0, 0),
    bare.timerfd_create(1, 0),
    bare.timerfd_settime(3, 0, bytes),
    bare.pipe2(numbers, 0),
    bare.kqueue(),
    bare.kevent(3, null, 0, null, 0, null),
  ];
  assert.deepEqual(new Set(results), new Set([-78]));
});
