// Goal: the small parts of pollers keep what they were given, and make each call as it is meant.
// Method: the parts on their own, over calls that are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { PeriodicWakeTimer } from '#src/poller/periodic-wake-timer.js';
import { Interest } from '#src/poller/poller.js';
import { createPoller } from '#src/poller/pollers.js';
import { ReadyList } from '#src/poller/ready-list.js';
import { Registry } from '#src/poller/registry.js';
import { startOf, timeLeftMs } from '#src/poller/timeouts.js';
import { wake } from '#src/poller/wakers.js';
import type { Sys } from '#src/sys/index.js';
import { abiOf } from '#test/sys/stand-in.js';
import { sysWith } from './simulated-sys.ts';

const linux = abiOf('linux-x64');
const darwin = abiOf('darwin-arm64');

test('ready list: notes of two registrations of one number are two', () => {
  const registry = new Registry();
  const list = new ReadyList();
  for (const [old, current] of [
    [7, 8],
    [8, 7],
  ] as const) {
    list.clear();
    registry.enter(5, Interest.both, 1, current);
    list.add(5, old, Interest.read, 11);
    list.add(5, current, Interest.write, 0);
    const seen: number[][] = [];
    const sink = { ready: (...report: [number, Interest, number]) => void seen.push(report) };
    assert.equal(list.deliver(registry, sink), 1);
    assert.deepEqual(seen, [[1, Interest.write, 0]]);
  }
});

test('ready list: an error that is noted stays, whatever is noted beside it', () => {
  const registry = new Registry();
  const list = new ReadyList();
  registry.enter(5, Interest.both, 1, 7);
  list.add(5, 7, Interest.read, 104);
  list.add(5, 7, Interest.write, 0);
  const seen: number[][] = [];
  list.deliver(registry, { ready: (...report) => void seen.push(report) });
  assert.deepEqual(seen, [[1, Interest.both, 104]]);
});

test('poll and select: what was closed is dropped at once, however many there are', () => {
  for (const name of ['poll', 'select'] as const) {
    let waits = 0;
    const calm = new SimSys({ seed: 1, abi: linux });
    const [poll, select] = [calm.poll.bind(calm), calm.select.bind(calm)];
    const sys = Object.assign(calm, {
      poll: (...args: Parameters<Sys['poll']>) => {
        waits += 1;
        return poll(...args);
      },
      select: (...args: Parameters<Sys['select']>) => {
        waits += 1;
        return select(...args);
      },
    });
    const poller = createPoller(name, { sys });
    const pairs = Array.from({ length: 7 }, () => {
      const pair = new Int32Array(2);
      assert.equal(sys.pipe(pair), 0);
      return [pair[0] ?? -1, pair[1] ?? -1] as const;
    });
    for (const [token, [reader]] of pairs.entries()) poller.register(reader, Interest.read, token);
    for (const [reader] of pairs) sys.close(reader);
    waits = 0;
    assert.equal(poller.wait(10, { ready: () => assert.fail('nothing is ready') }), 0);
    assert.equal(waits, 2, `${name}: one that tells of them, and one for the rest of the time`);
    poller.close();
    for (const [, writer] of pairs) sys.close(writer);
    assert.deepEqual(sys.openDescriptors(), []);
  }
});

test('wakers: a wake that a signal interrupts is made again', () => {
  for (const [abi, kind] of [
    [linux, 'eventfd'],
    [linux, 'pipe'],
    [darwin, 'user'],
  ] as const) {
    let calls = 0;
    const twice = (): number => {
      calls += 1;
      return calls < 3 ? -abi.errno.EINTR : 1;
    };
    wake(sysWith(abi, { write: twice, kevent: twice }), { kind, fd: 5 });
    assert.equal(calls, 3, kind);
  }
});

test('wakers: an eventfd gets a number, a pipe gets a byte', () => {
  const lengths: number[] = [];
  const write: Sys['write'] = (_fd, bytes, offset, length) => {
    assert.equal(bytes[offset], 1);
    lengths.push(length);
    return length;
  };
  for (const kind of ['eventfd', 'pipe'] as const) wake(sysWith(linux, { write }), { kind, fd: 5 });
  assert.deepEqual(lengths, [8, 1]);
});

test('periodic timer: its first time and its period are what was asked for', () => {
  const values: number[][] = [];
  let result = 0;
  const timerfd_settime: Sys['timerfd_settime'] = (_fd, flags, value) => {
    const view = new DataView(value.buffer);
    const words = [0, 8, 16, 24].map((at) => Number(view.getBigInt64(at, true)));
    values.push([flags, ...words]);
    return result;
  };
  const closed: number[] = [];
  const close: Sys['close'] = (fd) => closed.push(fd);
  const sys = sysWith(linux, { timerfd_create: () => 7, timerfd_settime, close });
  assert.equal(PeriodicWakeTimer.open(sys, 2500)?.fd, 7);
  assert.deepEqual(values, [[0, 2, 500_000_000, 2, 500_000_000]]);
  assert.deepEqual(closed, []);
  result = -linux.errno.EINVAL;
  assert.equal(PeriodicWakeTimer.open(sys, 2500), null);
  assert.deepEqual(closed, [7]);
  const full = sysWith(linux, { timerfd_create: () => -linux.errno.EMFILE });
  assert.equal(PeriodicWakeTimer.open(full, 500), null);
  assert.equal(PeriodicWakeTimer.open(sysWith(darwin, {}), 500), null);
});

test('timeouts: what is left never falls below 0, and for ever stays for ever', () => {
  let nowMs = 100;
  const clock = sysWith(linux, { monotonicMs: () => nowMs });
  const startMs = startOf(clock, 30);
  assert.deepEqual([startMs, startOf(clock, null), startOf(clock, 0)], [100, 0, 0]);
  nowMs = 110;
  assert.deepEqual([timeLeftMs(clock, 30, startMs), timeLeftMs(clock, null, 0)], [20, null]);
  nowMs = 200;
  assert.deepEqual([timeLeftMs(clock, 30, startMs), timeLeftMs(clock, 0, 0)], [0, 0]);
});
