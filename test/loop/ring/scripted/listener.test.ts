// Goal: a listener on io_uring asks the kernel for what it needs, tells of connections in order,
// and leaves none behind, whenever it is paused, full, retired or closed.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AcceptSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { listenOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, SUBMISSIONS, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EMFILE, ECANCELED = 125 } = errno;
const ACCEPTS_PER_TURN = 32;

function listening(t: TestContext, also: Partial<AcceptSink> = {}, limited = false) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const listener = listenOn(kernel, also, limited);
  kernel.turn();
  const operation = `accept ${listener.fd}`;
  return { kernel, ...listener, operation };
}

/** Descriptors of connections, from `first` on. */
function numbers(count: number, first = 500_000): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Connections that come one by one, while the accept goes on. */
function come(kernel: ScriptedKernel, operation: string, fds: readonly number[]): void {
  for (const fd of fds) kernel.complete(operation, fd, { more: true });
}

const words = (fds: readonly number[]): string[] => fds.map(String);

test('ring listener: one accept brings all, or each one where it is limited', { skip }, (t) => {
  const all = listening(t);
  assert.deepEqual(all.kernel.asked(), [`${all.operation} multishot`]);
  come(all.kernel, all.operation, [7001, 7002]);
  all.kernel.turn();
  assert.deepEqual(all.told, ['7001', '7002']);
  assert.equal(all.kernel.backend.stats.accepted, 2);
  all.kernel.turn();
  assert.deepEqual(all.kernel.asked(), []);
  // One that ends is made again, with what it brings told.
  all.kernel.complete(all.operation, 7003);
  all.kernel.turn();
  all.kernel.turn();
  assert.deepEqual(all.told, ['7001', '7002', '7003']);
  assert.deepEqual(all.kernel.asked(), [`${all.operation} multishot`]);

  const limited = listenOn(all.kernel, {}, true);
  all.kernel.turn();
  assert.deepEqual(all.kernel.asked(), [`accept ${limited.fd}`]);
  all.kernel.complete(`accept ${limited.fd}`, 7004);
  all.kernel.turn();
  all.kernel.turn();
  assert.deepEqual(limited.told, ['7004']);
  assert.deepEqual(all.kernel.asked(), [`accept ${limited.fd}`]);
});

test('ring listener: a pause cancels once, and a resume waits for the end of it', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t);
  kernel.asked();
  acceptance.pause();
  kernel.turn();
  acceptance.pause();
  acceptance.resume();
  acceptance.pause();
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel ${operation} multishot`]);
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [], 'the other one is still there');
  kernel.complete(operation, -ECANCELED);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  assert.deepEqual(told, []);
  // A second pause is another cancel.
  acceptance.pause();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel ${operation} multishot`]);
  kernel.complete(operation, -ECANCELED);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.deepEqual([kernel.asked(), kernel.inFlight], [[], []], 'nothing while it is paused');
});

test('ring listener: what came during a pause is told first, and in order', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t);
  acceptance.pause();
  come(kernel, operation, [7001, 7002]);
  kernel.turn();
  assert.deepEqual(told, []);
  acceptance.resume();
  assert.deepEqual(told, [], 'not inside of the call');
  kernel.asked();
  // The cancelled accept brings one more: it comes behind the others.
  come(kernel, operation, [7003]);
  kernel.turn();
  assert.deepEqual(told, ['7001', '7002', '7003']);
  kernel.complete(operation, 7004);
  kernel.turn();
  assert.deepEqual(told, ['7001', '7002', '7003', '7004']);
  assert.deepEqual(kernel.asked(), []);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  assert.equal(kernel.backend.stats.accepted, 4);
});

test('ring listener: no accept while it holds connections', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t);
  acceptance.pause();
  come(kernel, operation, numbers(ACCEPTS_PER_TURN + 1));
  kernel.turn();
  kernel.complete(operation, -ECANCELED);
  kernel.turn();
  kernel.turn();
  kernel.asked();
  acceptance.resume();
  acceptance.pause();
  acceptance.resume();
  kernel.turn();
  assert.equal(told.length, ACCEPTS_PER_TURN, 'and so many of them in a turn');
  assert.deepEqual(kernel.asked(), []);
  kernel.turn();
  assert.deepEqual(told, words(numbers(ACCEPTS_PER_TURN + 1)));
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
});

test('ring listener: one that is held is told before the next accept', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t);
  acceptance.pause();
  // Also a process without a standard input has connections.
  come(kernel, operation, [0]);
  kernel.complete(operation, -ECANCELED);
  kernel.turn();
  kernel.turn();
  kernel.asked();
  acceptance.resume();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['0'], []]);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  kernel.complete(operation, 0, { more: true });
  kernel.turn();
  assert.deepEqual(told, ['0', '0']);
  acceptance.close();
  kernel.turn();
  kernel.calls.length = 0;
  kernel.complete(operation, 0);
  kernel.turn();
  assert.equal(kernel.calls[0], 'close 0');
});

test('ring listener: a queue that is full is tried again, for each of many', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const many = Array.from({ length: SUBMISSIONS + 3 }, () => listenOn(kernel));
  const turns = (): string[] => {
    kernel.takes = 0;
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), []);
    kernel.takes = SUBMISSIONS;
    for (let turn = 0; turn < 4; turn += 1) kernel.turn();
    return kernel.asked().toSorted();
  };
  const accepts = many.map(({ fd }) => `accept ${fd} multishot`);
  assert.deepEqual(turns(), accepts);
  for (const { acceptance } of many) acceptance.pause();
  assert.deepEqual(
    turns(),
    accepts.map((accept) => `cancel ${accept}`),
  );
});

test('ring listener: closed while it waits for a connection, it closes no other number', {
  skip,
}, (t) => {
  const { kernel, acceptance, operation, fd } = listening(t);
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  acceptance.close();
  kernel.turn();
  assert.deepEqual(kernel.asked().slice(-1), [`cancel poll ${fd} in`]);
  kernel.calls.length = 0;
  kernel.complete(`poll ${fd}`, 1);
  kernel.turn();
  assert.deepEqual(kernel.calls, [`close ${fd}`, 'close 300000']);
});

test('ring listener: a handler that pauses stops those that are held', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t, {
    accepted: () => {
      if (told.length % 2 === 0) acceptance.pause();
    },
  });
  come(kernel, operation, numbers(5));
  kernel.turn();
  assert.deepEqual(told, words(numbers(2)));
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.equal(told.length, 2);
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(told, words(numbers(4)));
  const own = kernel.backend.fds();
  for (const fd of numbers(1, 500_004)) assert.ok(own.includes(fd), 'what it holds is listed');
  assert.ok(own.includes(300_000), 'and its reserve');
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(told, words(numbers(5)));
});

test('ring listener: a handler that throws delays the held ones by a turn', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t, {
    accepted: () => {
      if (told.length === 1) throw new Error('a handler');
    },
  });
  acceptance.pause();
  come(kernel, operation, numbers(3));
  kernel.turn();
  acceptance.resume();
  assert.throws(() => kernel.turn(), /a handler/);
  kernel.turn();
  assert.deepEqual(told, words(numbers(3)));
});

test('ring listener: closed, it closes what it holds and what still comes', { skip }, (t) => {
  const { kernel, acceptance, operation, told, fd } = listening(t);
  acceptance.pause();
  come(kernel, operation, [7001, 7002]);
  kernel.turn();
  kernel.calls.length = 0;
  acceptance.close();
  acceptance.close();
  kernel.turn();
  assert.deepEqual([told, kernel.calls], [[], []], 'not before the kernel has let go');
  kernel.complete(operation, 7003, { more: true });
  kernel.turn();
  assert.deepEqual(kernel.calls, ['close 7003']);
  assert.equal(kernel.backend.active, 1);
  kernel.complete(operation, 7004);
  kernel.turn();
  assert.deepEqual(kernel.calls, [
    'close 7003',
    'close 7004',
    `close ${fd}`,
    'close 7001',
    'close 7002',
    'close 300000',
  ]);
  assert.deepEqual(told, ['closed']);
  assert.equal(kernel.backend.active, 0);
});
