// Goal: a kernel that refuses a change or a wait keeps no poller busy, and hides nothing ready.
// Method: pollers over simulated kernels that answer a call as it is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { EpollPoller } from '#src/poller/epoll.js';
import { Interest } from '#src/poller/poller.js';
import { createPoller } from '#src/poller/pollers.js';
import type { Sys } from '#src/sys/index.js';
import { abiOf } from '#test/sys/stand-in.js';
import { sysWith } from './simulated-sys.ts';

const linux = abiOf('linux-x64');
const freebsd = abiOf('freebsd-arm64');
const silent = { ready: () => assert.fail('nothing is ready') };

test('epoll: a descriptor that was forgotten hides no later one that cannot be removed', () => {
  const sys = sysWith(linux, {});
  const poller = new EpollPoller(sys);
  const twins: number[] = [];
  const lost = (leave: (fd: number) => void): void => {
    const pair = new Int32Array(2);
    assert.equal(sys.pipe(pair), 0);
    const [reader = -1, writer = -1] = pair;
    poller.register(reader, Interest.read, 1);
    twins.push(sys.dup(reader), writer);
    sys.write(writer, new Uint8Array(1), 0, 1);
    leave(reader);
  };
  lost((fd) => {
    poller.forget(fd);
    sys.close(fd);
  });
  assert.equal(poller.wait(10, silent), 0);
  lost((fd) => {
    sys.close(fd);
    poller.deregister(fd);
  });
  assert.equal(poller.wait(10, silent), 0);
  const startMs = sys.monotonicMs();
  assert.equal(poller.wait(10, silent), 0);
  assert.ok(sys.monotonicMs() - startMs >= 10, 'the set was renewed');
  poller.close();
  for (const fd of twins) sys.close(fd);
  assert.deepEqual(sys.openDescriptors(), []);
});

test('select: a descriptor beyond its sets is refused, the last of them is not', () => {
  const sys = sysWith(linux, { fcntl: () => 0 });
  const poller = createPoller('select', { sys });
  poller.register(1023, Interest.read, 1);
  assert.throws(() => poller.register(1024, Interest.read, 1), {
    name: 'RangeError',
    message: /^select cannot hold descriptor 1024 \(its sets end at 1023\)/,
  });
  poller.close();
});

test('select: what is not watched any more is not looked at', () => {
  const looked: number[] = [];
  const calm = new SimSys({ seed: 1, abi: linux });
  const select = calm.select.bind(calm);
  const sys = Object.assign(calm, {
    fcntl: () => 0,
    select: (...args: Parameters<Sys['select']>) => {
      looked.push(args[0]);
      return select(20, args[1], args[2], args[3]);
    },
  });
  const poller = createPoller('select', { sys });
  poller.register(900, Interest.read, 1);
  poller.deregister(900);
  looked.length = 0;
  assert.equal(poller.wait(1, silent), 0);
  assert.ok((looked[0] ?? 900) < 20, `${looked} numbers`);
  poller.close();
});

test('select: EBADF takes closed descriptors out, the lowest too, and ends no wait', () => {
  for (const isOpenAgain of [false, true]) {
    const calm = new SimSys({ seed: 1, abi: linux });
    const [select, fcntl] = [calm.select.bind(calm), calm.fcntl.bind(calm)];
    let refusals = 0;
    const sys = Object.assign(calm, {
      fcntl: (fd: number, ...rest: [number, number]) => {
        if (fd !== 0) return fcntl(fd, ...rest);
        return refusals > 0 && !isOpenAgain ? -linux.errno.EBADF : 0;
      },
      select: (...args: Parameters<Sys['select']>) => {
        const [nfds, read] = args;
        if (read === null) return select(...args);
        const has0 = ((read[0] ?? 0) & 1) !== 0;
        if (has0 && (refusals === 0 || !isOpenAgain)) {
          refusals += 1;
          assert.ok(refusals < 100, 'it spins');
          return -linux.errno.EBADF;
        }
        assert.ok(nfds > 0);
        read[0] = (read[0] ?? 0) & ~1;
        return select(...args);
      },
    });
    const poller = createPoller('select', { sys });
    poller.register(0, Interest.read, 1);
    const startMs = sys.monotonicMs();
    assert.equal(poller.wait(10, silent), 0);
    assert.ok(sys.monotonicMs() - startMs >= 10, 'it waited');
    assert.equal(refusals, 1);
    poller.close();
  }
});

test('select: EBADF that no descriptor is to blame for ends the wait by an error', () => {
  let refusals = 0;
  const sys = sysWith(linux, {
    select: (nfds) => {
      if (nfds === 0) return 0;
      refusals += 1;
      assert.ok(refusals < 100, 'it spins');
      return -linux.errno.EBADF;
    },
  });
  const poller = createPoller('select', { sys });
  assert.throws(() => poller.wait(10, silent), { code: 'EBADF' });
  poller.close();
});

/** A kqueue whose kevent(2) is `kevent`, which gets that of the kernel. */
function kqueueWith(
  kevent: (of: Sys['kevent'], args: Parameters<Sys['kevent']>) => number,
): readonly [ReturnType<typeof createPoller>, SimSys] {
  const calm = new SimSys({ seed: 1, abi: freebsd });
  const real = calm.kevent.bind(calm);
  const sys = Object.assign(calm, {
    kevent: (...args: Parameters<Sys['kevent']>) => kevent(real, args),
  });
  return [createPoller('kqueue', { sys }), sys];
}

/** Index of a field of a kevent, in halves. */
const half = (name: 'filter' | 'flags' | 'data') => freebsd.structs.kevent.fields[name].offset / 2;

test('kqueue: a descriptor that can be watched for one of two only is not watched at all', () => {
  const { EVFILT_WRITE = 0, EV_ADD = 0 } = freebsd.constants;
  const [poller, sys] = kqueueWith((real, args) => {
    const [, changes, count] = args;
    const halves = new Int16Array(changes?.slice().buffer ?? new ArrayBuffer(0));
    const adds = ((halves[half('flags')] ?? 0) & EV_ADD) !== 0;
    if (count > 0 && adds && halves[half('filter')] === EVFILT_WRITE) return -freebsd.errno.ENOMEM;
    return real(...args);
  });
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  sys.write(writer, new Uint8Array(1), 0, 1);
  assert.throws(() => poller.register(reader, Interest.both, 1), { code: 'ENOMEM' });
  const startMs = sys.monotonicMs();
  assert.equal(poller.wait(10, silent), 0);
  assert.ok(sys.monotonicMs() - startMs >= 10, 'nothing ends the wait');
  poller.close();
  for (const fd of [reader, writer]) sys.close(fd);
  assert.deepEqual(sys.openDescriptors(), []);
});

test('kqueue: an event that is an error is reported with its errno', () => {
  const { EV_ERROR = 0 } = freebsd.constants;
  const [poller, sys] = kqueueWith((real, args) => {
    const [, , , events] = args;
    const found = real(...args);
    if (found < 1 || events === null) return found;
    const halves = new Int16Array(events.buffer, events.byteOffset);
    halves[half('flags')] = EV_ERROR;
    halves[half('data')] = freebsd.errno.ENOMEM;
    return found;
  });
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  poller.register(reader, Interest.read, 7);
  sys.write(writer, new Uint8Array(1), 0, 1);
  const seen: number[][] = [];
  const sink = { ready: (...report: [number, Interest, number]) => void seen.push(report) };
  assert.equal(poller.wait(10, sink), 1);
  assert.deepEqual(seen, [[7, Interest.read, freebsd.errno.ENOMEM]]);
  poller.close();
  for (const fd of [reader, writer]) sys.close(fd);
});

test('a wait that fails for lack of memory ends behind a rest, and any other one throws', () => {
  const { ENOMEM, EINVAL = 22 } = linux.errno;
  for (const [name, call] of [
    ['epoll', 'epoll_wait'],
    ['poll', 'poll'],
    ['select', 'select'],
  ] as const) {
    const sys = new SimSys({ seed: 1, abi: linux });
    const poller = createPoller(name, { sys });
    const inner = sys[call].bind(sys) as (...args: unknown[]) => number;
    let errno: number = ENOMEM;
    // The rest is a wait of its own.
    const failing = (...args: unknown[]): number => {
      if (errno === 0) return inner(...args);
      const result = -errno;
      errno = 0;
      return result;
    };
    Object.assign(sys, { [call]: failing });
    const startMs = sys.monotonicMs();
    assert.equal(poller.wait(1000, silent), 0, name);
    const tookMs = sys.monotonicMs() - startMs;
    assert.ok(tookMs >= 1 && tookMs < 1000, `${name}: ${tookMs} ms`);
    errno = EINVAL;
    assert.throws(() => poller.wait(1000, silent), { code: 'EINVAL' });
    poller.close();
    assert.deepEqual(sys.openDescriptors(), []);
  }
});
