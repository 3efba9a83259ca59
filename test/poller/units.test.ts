// Goal: what the suite over whole pollers does not reach: words, fallbacks, layouts, failures.
// Method: the parts on their own, and pollers over a kernel that is told to refuse something.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { Interest, type PollerName } from '#src/poller/poller.js';
import { createPoller, pollers } from '#src/poller/pollers.js';
import { ReadyList } from '#src/poller/ready-list.js';
import { Registry } from '#src/poller/registry.js';
import { TimeStruct, wholeMs } from '#src/poller/timeouts.js';
import { wake } from '#src/poller/wakers.js';
import { nativeSys, type Sys } from '#src/sys/index.js';
import { leakCheck } from '#test/harness/leaks.js';
import { abiOf } from '#test/sys/stand-in.js';
import { sysWith } from './simulated-sys.ts';
import { formatMatrix } from './suite.ts';

const linux = abiOf('linux-x64');
const darwin = abiOf('darwin-arm64');
const freebsd = abiOf('freebsd-arm64');
const silent = { ready: () => assert.fail('nothing is ready') };

test('timeouts: whole milliseconds are rounded up and bounded', () => {
  const cases = [
    [null, -1],
    [0, 0],
    [-5, 0],
    [Number.NaN, 0],
    [0.0001, 1],
    [1, 1],
    [1.5, 2],
    [1e12, 2 ** 31 - 1],
    [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
  ] as const;
  for (const [timeoutMs, whole] of cases) assert.equal(wholeMs(timeoutMs), whole);
});

test('timeouts: a timeval and a timespec are rounded up in their own units', () => {
  for (const { structs } of [linux, darwin, freebsd]) {
    const { timeval, timespec } = structs;
    const { tv_sec, tv_usec } = timeval.fields;
    const micro = new TimeStruct(timeval.size, tv_sec, tv_usec, 1e6);
    const { tv_nsec } = timespec.fields;
    const nano = new TimeStruct(timespec.size, timespec.fields.tv_sec, tv_nsec, 1e9);
    assert.equal(micro.of(null), null);
    const words = (bytes: Uint8Array | null): number[] => {
      assert.ok(bytes !== null);
      const view = new DataView(bytes.buffer);
      return [view.getInt32(0, true), view.getInt32(4, true), view.getInt32(8, true)];
    };
    assert.deepEqual(words(micro.of(1500.0001)), [1, 0, 500_001]);
    assert.deepEqual(words(nano.of(1500.0001)), [1, 0, 500_000_100]);
    assert.deepEqual(words(nano.of(0)), [0, 0, 0]);
    assert.deepEqual(words(micro.of(999.9999)), [1, 0, 0]);
    assert.deepEqual(words(micro.of(Number.POSITIVE_INFINITY)), [2_147_483, 0, 647_000]);
  }
});

test('registry: only the registration that is in force is reported', () => {
  const registry = new Registry();
  const seen: number[][] = [];
  const sink = { ready: (...report: [number, Interest, number]) => void seen.push(report) };
  const first = registry.nextGeneration();
  registry.enter(5000, Interest.read, 7, first);
  assert.equal(registry.deliver(5000, first, Interest.both, 3, sink), 1);
  assert.equal(registry.deliver(5000, first, Interest.write, 0, sink), 0);
  assert.equal(registry.deliver(4999, first, Interest.both, 0, sink), 0);
  assert.equal(registry.deliver(1e6, 0, Interest.both, 0, sink), 0);
  const second = registry.nextGeneration();
  registry.enter(5000, Interest.both, 8, second);
  assert.equal(registry.deliver(5000, first, Interest.both, 0, sink), 0);
  assert.equal(registry.deliver(5000, second, Interest.both, 0, sink), 1);
  registry.remove(5000);
  registry.remove(-1);
  registry.remove(1e6);
  assert.equal(registry.deliver(5000, second, Interest.both, 0, sink), 0);
  assert.deepEqual(seen, [
    [7, Interest.read, 3],
    [8, Interest.both, 0],
  ]);
});

test('ready list: two notes of one registration are one report, and lists grow', () => {
  const registry = new Registry();
  const list = new ReadyList();
  for (let round = 0; round < 2; round += 1) {
    list.clear();
    for (let fd = 0; fd < 1000; fd += 1) {
      registry.enter(fd, Interest.both, fd, fd);
      list.add(fd, fd, Interest.read, 0);
    }
    for (let fd = 999; fd >= 0; fd -= 1) list.add(fd, fd, Interest.write, fd);
    const seen: number[] = [];
    const reports = list.deliver(registry, {
      ready(token, interest, errno) {
        assert.equal(interest, Interest.both);
        assert.equal(errno, token);
        seen.push(token);
      },
    });
    assert.equal(reports, 1000);
    assert.deepEqual(seen, [...new Array(1000).keys()]);
  }
});

test('pollers: the descriptors are those that were opened, and one tells of what is ready', () => {
  for (const abi of [linux, darwin, freebsd]) {
    for (const { name, available } of pollers) {
      for (const waker of ['eventfd', 'pipe', 'user'] as const) {
        const sys = sysWith(abi, {});
        const isThere = waker === 'pipe' || (waker === 'eventfd' && abi === linux);
        if (available(sys) !== true) continue;
        if (waker === 'user' ? name !== 'kqueue' : !isThere) continue;
        const poller = createPoller(name, { sys, waker });
        const words = `${name}, woken by ${waker}, on ${abi.platform}`;
        assert.deepEqual([...poller.fds].sort(), sys.openDescriptors().sort(), words);
        const ownsSet = name === 'epoll' || name === 'kqueue';
        assert.equal(poller.pollFd >= 0, ownsSet, words);
        if (ownsSet) assert.ok(poller.fds.includes(poller.pollFd), words);
        assert.ok(poller.fds.includes(poller.wakeHandle.fd), words);
        assert.equal(
          poller.fdLimit,
          name === 'select' ? abi.constants.FD_SETSIZE : Number.POSITIVE_INFINITY,
        );
        poller.close();
        assert.deepEqual(sys.openDescriptors(), [], words);
      }
    }
  }
});

test('pollers: each says why it is not there', () => {
  const reasons = (sys: Sys): Record<string, string> =>
    Object.fromEntries(
      pollers.map(({ name, available }) => {
        const answer = available(sys);
        return [name, answer === true ? 'available' : answer.reason];
      }),
    );
  const there = { epoll: 'available', kqueue: 'available', poll: 'available', select: 'available' };
  assert.deepEqual(reasons(sysWith(darwin, {})), {
    ...there,
    epoll: 'only Linux has epoll: use kqueue',
  });
  const bare = sysWith(linux, { kqueue: () => -linux.errno.ENOSYS });
  const install = 'install libkqueue, or name the file in SOCKLOOP_LIBKQUEUE';
  assert.deepEqual(reasons(bare), {
    ...there,
    kqueue: `libkqueue.so.0 could not be loaded: ${install}`,
  });
  const full = sysWith(linux, {
    epoll_create1: () => -linux.errno.EMFILE,
    kqueue: () => -linux.errno.EMFILE,
  });
  assert.match(reasons(full)['epoll'] ?? '', /^cannot open an epoll: EMFILE /);
  assert.match(reasons(full)['kqueue'] ?? '', /^cannot open a kqueue: EMFILE /);
  assert.deepEqual(full.openDescriptors(), []);
});

test('createPoller: a wrong name, a poller that is not here, a waker that it cannot have', (t) => {
  leakCheck(t);
  assert.throws(() => createPoller('iocp' as PollerName), {
    name: 'RangeError',
    message: 'there is no poller called "iocp", only epoll, kqueue, poll, select',
  });
  assert.throws(() => createPoller('epoll', { sys: sysWith(darwin, {}) }), {
    message: 'cannot wait with epoll: only Linux has epoll: use kqueue',
  });
  for (const { name } of pollers.filter((poller) => poller.name !== 'kqueue')) {
    if (pollers.find((poller) => poller.name === name)?.available(nativeSys()) !== true) continue;
    assert.throws(() => createPoller(name, { waker: 'user' }), {
      name: 'RangeError',
      message: 'only kqueue can be woken by a user event',
    });
  }
});

test('pollers: what was opened is closed where the rest cannot be', () => {
  for (const abi of [linux, darwin, freebsd]) {
    for (const { name, available } of pollers) {
      if (available(sysWith(abi, {})) !== true) continue;
      const refusals: Partial<Sys>[] = [
        { eventfd: () => -abi.errno.EMFILE, pipe: () => -abi.errno.EMFILE },
        { epoll_ctl: () => -abi.errno.ENOMEM, kevent: () => -abi.errno.ENOMEM },
      ];
      for (const refusal of refusals) {
        const sys = sysWith(abi, { ...refusal, pipe2: () => -abi.errno.EMFILE });
        try {
          createPoller(name, { sys }).close();
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error, String(error));
          assert.match(String(error.code), /^(EMFILE|ENOMEM)$/);
        }
        assert.deepEqual(sys.openDescriptors(), [], `${name} on ${abi.platform}`);
      }
    }
  }
});

test('wakers: a kernel without eventfd(2) is woken by a pipe', () => {
  const sys = sysWith(linux, { eventfd: () => -linux.errno.ENOSYS });
  const poller = createPoller('poll', { sys });
  assert.equal(poller.wakeHandle.kind, 'pipe');
  poller.wake();
  assert.equal(poller.wait(null, silent), 0);
  poller.close();
  assert.throws(() => createPoller('poll', { sys, waker: 'eventfd' }), { code: 'ENOSYS' });
  assert.deepEqual(sys.openDescriptors(), []);
});

test('wakers: what is no excuse is thrown', () => {
  const sys = sysWith(linux, { write: () => -(linux.errno['EIO'] ?? 5) });
  const broken = { message: /^cannot wake a poller: EIO / };
  assert.throws(() => wake(sys, { kind: 'pipe', fd: 5 }), broken);
});

test('epoll: with no descriptor left for a new set, the old one goes on', () => {
  let refuse = false;
  const calm = new SimSys({ seed: 1, abi: linux });
  const create = calm.epoll_create1.bind(calm);
  const refused = -linux.errno.EMFILE;
  const sys = Object.assign(calm, {
    epoll_create1: (flags: number) => (refuse ? refused : create(flags)),
  });
  const poller = createPoller('epoll', { sys });
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  poller.register(reader, Interest.read, 1);
  const twin = sys.dup(reader);
  sys.close(reader);
  poller.deregister(reader);
  sys.write(writer, new Uint8Array(1), 0, 1);
  refuse = true;
  assert.equal(poller.wait(10, silent), 0);
  poller.wake();
  assert.equal(poller.wait(10, silent), 0);
  refuse = false;
  assert.equal(poller.wait(10, silent), 0);
  const startMs = sys.monotonicMs();
  assert.equal(poller.wait(10, silent), 0);
  assert.ok(sys.monotonicMs() - startMs >= 10);
  poller.close();
  for (const fd of [twin, writer]) sys.close(fd);
  assert.deepEqual(sys.openDescriptors(), []);
});

test('kqueue: a pipe that cannot be watched any more (EPIPE) is ready for writing', () => {
  let refuse = false;
  const calm = new SimSys({ seed: 1, abi: freebsd });
  const kevent = calm.kevent.bind(calm);
  const sys = Object.assign(calm, {
    kevent: (...args: Parameters<Sys['kevent']>) => {
      const isChange = args[2] > 0;
      return refuse && isChange ? -freebsd.errno['EPIPE'] : kevent(...args);
    },
  });
  const poller = createPoller('kqueue', { sys });
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  sys.close(reader);
  refuse = true;
  poller.register(writer, Interest.write, 1);
  refuse = false;
  const seen: number[][] = [];
  const sink = { ready: (...report: [number, Interest, number]) => void seen.push(report) };
  assert.equal(poller.wait(null, sink), 1);
  assert.equal(poller.wait(null, sink), 1);
  assert.deepEqual(seen[0], [1, Interest.write, freebsd.errno.EPIPE]);
  poller.modify(writer, Interest.none, 1);
  const startMs = sys.monotonicMs();
  assert.equal(poller.wait(10, silent), 0);
  assert.ok(sys.monotonicMs() - startMs >= 10, 'and then no longer');
  poller.close();
  sys.close(writer);
  assert.deepEqual(sys.openDescriptors(), []);
});

test('kqueue: a change that is interrupted has been made', () => {
  const calm = new SimSys({ seed: 1, abi: darwin });
  const kevent = calm.kevent.bind(calm);
  const sys = Object.assign(calm, {
    kevent: (...args: Parameters<Sys['kevent']>) => {
      const result = kevent(...args);
      return args[2] > 0 ? -darwin.errno.EINTR : result;
    },
  });
  const poller = createPoller('kqueue', { sys, waker: 'pipe' });
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  poller.register(writer, Interest.write, 1);
  assert.equal(poller.wait(0, { ready: () => undefined }), 1);
  poller.close();
  for (const fd of [reader, writer]) sys.close(fd);
});

test('suite: the matrix names each skip once', () => {
  const cells = [
    { target: 'a', case: 'one', verdict: 'pass' },
    { target: 'b', case: 'one', verdict: { skip: 'why' } },
    { target: 'a', case: 'two', verdict: 'fail' },
    { target: 'b', case: 'two', verdict: { skip: 'why' } },
  ] as const;
  assert.equal(
    formatMatrix(cells),
    [
      '| case | a | b |',
      '| --- | --- | --- |',
      '| one | pass | skip 1 |',
      '| two | fail | skip 1 |',
      '',
      'skip 1: why',
    ].join('\n'),
  );
});
