// Goal: the runtime calls once for each time it is asked to, and is kept alive as it was told;
// errors of callbacks reach somebody; what a thread ends with is flushed once.
// Method: the parts alone, with a clock, a libuv and a kernel that are made up.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Backend } from '#src/loop/backend.js';
import { Callbacks } from '#src/loop/callbacks.js';
import { closeDescriptors } from '#src/loop/close-descriptors.js';
import { ACCEPTS_PER_TURN, BLIND_TURNS_BEFORE_REST, WAIT_MS_MAX } from '#src/loop/limits.js';
import { ReserveDescriptor } from '#src/loop/reserve-descriptor.js';
import { NodeRuntime } from '#src/loop/runtime/node-runtime.js';
import { OtherRuntime } from '#src/loop/runtime/other-runtime.js';
import { closedInThread, openedInThread } from '#src/loop/thread-exit.js';
import { checkInterest, checkWatchable } from '#src/loop/watchable.js';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { keepLedger } from '#src/sys/thread-resources.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();

/** What keeps the process alive, of a kind. */
const alive = (kind: string): number =>
  process.getActiveResourcesInfo().filter((one) => one === kind).length;

const immediates = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function nodeRuntime(t: TestContext) {
  leakCheck(t);
  const clock = { nowMs: 500 };
  const uv = { fd: 7, timeout: -1, timeoutMs: () => uv.timeout, alive: () => true };
  const runtime = new NodeRuntime(standIn(native, { monotonicMs: () => clock.nowMs }), uv);
  t.after(() => runtime.close());
  return { runtime, clock, uv };
}

test('node runtime: a wait is as long as that of libuv, from where the turns began', (t) => {
  const { runtime, clock, uv } = nodeRuntime(t);
  runtime.begin();
  assert.equal(runtime.waitMs(), WAIT_MS_MAX);
  uv.timeout = 0;
  assert.equal(runtime.waitMs(), 0);
  uv.timeout = 100;
  assert.equal(runtime.waitMs(), 100);
  clock.nowMs += 30;
  assert.equal(runtime.waitMs(), 70);
  clock.nowMs += 100;
  assert.equal(runtime.waitMs(), 0);
  runtime.begin();
  assert.equal(runtime.waitMs(), 100);
});

test('node runtime: it calls once, however often it was closed and entered', async (t) => {
  const { runtime } = nodeRuntime(t);
  let calls = 0;
  const take = (): void => {
    calls += 1;
  };
  runtime.enter(take, true);
  runtime.enter(take, true);
  runtime.close();
  await immediates(2);
  assert.equal(calls, 0);
  runtime.enter(take, true);
  runtime.close();
  runtime.enter(take, true);
  await immediates(3);
  assert.equal(calls, 1);
  runtime.enter(take, true);
  await immediates(2);
  assert.equal(calls, 2, 'and again for the next time');
});

test('node runtime: it keeps the process alive as it was told last', async (t) => {
  const { runtime } = nodeRuntime(t);
  const [ports, before] = [alive('MessagePort'), alive('Immediate')];
  const held = (): number[] => [alive('MessagePort') - ports, alive('Immediate') - before];
  const take = (): void => undefined;
  runtime.enter(take, false);
  assert.deepEqual(held(), [0, 0]);
  await immediates(2);
  runtime.enter(take, true);
  assert.deepEqual(held(), [1, 1]);
  await immediates(2);
  runtime.enter(take, false);
  assert.deepEqual(held(), [0, 0]);
  await immediates(2);
  runtime.enter(take, true);
  runtime.rest();
  assert.equal(held()[0], 0);
  runtime.close();
  await immediates(2);
  assert.deepEqual(held(), [0, 0]);
  runtime.enter(take, true);
  assert.deepEqual(held(), [1, 1], 'opened anew');
});

test('node runtime: ticks and promise jobs run where they are drained', async (t) => {
  const { runtime } = nodeRuntime(t);
  const ran: string[] = [];
  // From a callback: a promise job runs no others.
  const isDrained = await new Promise((resolve) => {
    setImmediate(() => {
      process.nextTick(() => ran.push('tick'));
      queueMicrotask(() => ran.push('job'));
      resolve(runtime.drain());
      assert.deepEqual(ran, ['tick', 'job']);
    });
  });
  assert.equal(isDrained, true);
});

test('other runtime: in Node each turn is followed by one of the runtime', async (t) => {
  leakCheck(t);
  const runtime = new OtherRuntime(false);
  let calls = 0;
  const loops = { reports: 1, waitMsNow: () => 0 };
  runtime.begin();
  runtime.enter(() => (calls += 1), true, loops);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(calls, 0);
  await immediates(2);
  assert.equal(calls, 1);
  runtime.enter(() => (calls += 1), true, loops);
  runtime.close();
  await immediates(2);
  assert.equal(calls, 1);
});

test('other runtime: what hurries twice is called once', async (t) => {
  leakCheck(t);
  const runtime = new OtherRuntime(true);
  let calls = 0;
  const loops = { reports: 0, waitMsNow: () => WAIT_MS_MAX };
  const enter = (): void => runtime.enter(() => (calls += 1), true, loops);
  for (let turn = 0; turn < BLIND_TURNS_BEFORE_REST; turn++) {
    enter();
    await immediates(2);
  }
  calls = 0;
  enter();
  runtime.hurry();
  runtime.hurry();
  await immediates(3);
  assert.equal(calls, 1);
  runtime.close();
});

const jobs = async (): Promise<void> => {
  for (let job = 0; job < 5; job++) await Promise.resolve();
};

test('callbacks: an error goes to the handler of the loop, a method of its options', async () => {
  const heard: unknown[] = [];
  const options = {
    name: 'options',
    onHandlerError(error: unknown) {
      heard.push(this.name, error);
    },
  };
  const callbacks = new Callbacks(options, () => true);
  callbacks.call(() => {
    throw new Error('one');
  });
  callbacks.call(() => Promise.reject(new Error('two')));
  callbacks.guarded(() => Promise.reject(new Error('three')))();
  await jobs();
  const words = heard.map((one) => (one instanceof Error ? one.message : one));
  assert.deepEqual(words, ['options', 'one', 'options', 'two', 'options', 'three']);
});

test('callbacks: without a handler an error ends the next turn, or goes to Node', async () => {
  let isRunning = true;
  const callbacks = new Callbacks({}, () => isRunning);
  const failing = (words: string): void => callbacks.call(() => Promise.reject(new Error(words)));
  failing('alone');
  await jobs();
  assert.throws(() => callbacks.throwRaised(), { name: 'Error', message: 'alone' });
  callbacks.throwRaised();
  failing('one');
  failing('two');
  await jobs();
  assert.throws(() => callbacks.throwRaised(), {
    name: 'AggregateError',
    message: '2 handlers failed: one; two',
  });
  isRunning = false;
  const toNode: (() => void)[] = [];
  const { queueMicrotask: real } = globalThis;
  globalThis.queueMicrotask = (callback) => void toNode.push(callback);
  try {
    failing('between two runs');
    await jobs();
  } finally {
    globalThis.queueMicrotask = real;
  }
  assert.equal(toNode.length, 1);
  assert.throws(() => toNode[0]?.(), { message: 'between two runs' });
  callbacks.throwRaised();
});

test('thread exit: one listener flushes the open loops, behind those of the program', (t) => {
  const log: string[] = [];
  const loop = (name: string) => ({
    flushAtExit: () => void log.push(`${name} flushed`),
    closeAtExit: () => void log.push(`${name} closed`),
  });
  const [one, other] = [loop('one'), loop('other')];
  const before = process.listeners('exit').length;
  openedInThread(one);
  const own = (): void => undefined;
  process.on('exit', own);
  t.after(() => process.off('exit', own));
  openedInThread(other);
  assert.equal(process.listeners('exit').length, before + 2);
  const last = process.listeners('exit').at(-1) as () => void;
  assert.notEqual(last, own);
  closedInThread(one);
  last();
  assert.deepEqual(log, ['other flushed']);
  closedInThread(other);
  last();
  assert.equal(log.length, 1);
  process.off('exit', last);
});

test('descriptors: one that was left open ends its connection before it is closed', () => {
  const calls: string[] = [];
  const sys = standIn(native, {
    shutdown: (fd) => calls.push(`shutdown ${fd}`),
    close: (fd) => calls.push(`close ${fd}`),
  });
  closeDescriptors([7, 8], sys);
  assert.deepEqual(calls, ['shutdown 7', 'close 7', 'shutdown 8', 'close 8']);
});

test('watchable: the limit of the loop, and a kernel without a descriptor to ask', () => {
  const backend = (fdLimit: number): Backend => ({ name: 'some', fdLimit }) as unknown as Backend;
  checkWatchable(native, backend(1), 0);
  assert.throws(() => checkWatchable(native, backend(0), 0), /holds descriptors below 0/);
  assert.throws(() => checkWatchable(native, backend(100), 99), { code: 'EBADF' });
  const full = standIn(native, {
    epoll_create1: () => -native.abi.errno.EMFILE,
    epoll_ctl: () => assert.fail('there is none to ask'),
  });
  checkWatchable(full, backend(1), 0);
  for (const interest of [Interest.none, Interest.read, Interest.both]) checkInterest(interest);
  assert.throws(() => checkInterest((Interest.both + 1) as Interest), RangeError);
});

test('reserve: it turns away as many as a turn accepts, and is closed once', (t) => {
  const held = new Set<number>();
  const none = { mapped: () => undefined, unmapping: () => undefined };
  keepLedger({ ...none, opened: (fd) => held.add(fd), closing: (fd) => held.delete(fd) });
  t.after(() => keepLedger({ ...none, opened: () => undefined, closing: () => undefined }));
  const closed: number[] = [];
  let accepts = 0;
  const accept = (): number => {
    accepts += 1;
    return 10_000 + accepts;
  };
  const sys = standIn(native, {
    open: () => 9000,
    close: (fd) => closed.push(fd),
    accept4: accept,
    accept,
    fcntl: () => 0,
  });
  const reserve = new ReserveDescriptor(sys);
  assert.deepEqual([...held], [9000]);
  assert.equal(reserve.shed(3), ACCEPTS_PER_TURN);
  assert.equal(accepts, ACCEPTS_PER_TURN);
  const turnedAway = Array.from({ length: accepts }, (_, index) => 10_001 + index);
  assert.deepEqual(closed, [9000, ...turnedAway]);
  assert.deepEqual([reserve.fds, [...held]], [[9000], [9000]]);
  closed.length = 0;
  reserve.close();
  reserve.close();
  assert.deepEqual([closed, reserve.fds, [...held]], [[9000], [], []]);
});
