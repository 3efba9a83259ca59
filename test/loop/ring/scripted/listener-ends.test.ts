// Goal: a listener on io_uring asks the kernel for what it needs, tells of connections in order,
// and leaves none behind, whenever it is paused, full, retired or closed.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AcceptSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { listenOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EINTR, EAGAIN, ECONNABORTED, EMFILE, EBADF, EPERM = 1, ECANCELED = 125 } = errno;
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

test('ring listener: retired, it tells what it holds and what waits, and ends', { skip }, (t) => {
  const { kernel, acceptance, operation, told, fd } = listening(t);
  acceptance.pause();
  come(kernel, operation, [7001, 7002]);
  kernel.turn();
  kernel.asked();
  acceptance.retire();
  assert.deepEqual(told, []);
  come(kernel, operation, [7003]);
  kernel.turn();
  assert.deepEqual(told, ['7001', '7002', '7003'], 'although it is paused');
  kernel.turn();
  assert.ok(!kernel.calls.includes(`close ${fd}`), 'the cancelled accept is still there');
  kernel.accepts.push(0, -ECONNABORTED, -EINTR, 7006);
  kernel.complete(operation, 7004);
  kernel.turn();
  assert.deepEqual(told.slice(3), ['7004', '0', '7006', 'closed']);
  assert.equal(kernel.calls.filter((call) => call === `accept4 ${fd}`).length, 5);
  assert.equal(kernel.backend.stats.accepted, 6);
  assert.deepEqual(kernel.asked(), []);
  acceptance.retire();
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.equal(told.length, 7);
});

test('ring listener: retired, it ends although a handler of the last throws', { skip }, (t) => {
  for (const [last, waiting] of [
    [7001, []],
    [-ECANCELED, [7001]],
  ] as const) {
    const { kernel, acceptance, operation, told } = listening(t, {
      accepted: () => {
        throw new Error('from a handler');
      },
    });
    acceptance.retire();
    kernel.turn();
    kernel.accepts.push(...waiting);
    kernel.complete(operation, last);
    assert.throws(() => kernel.turn(), /from a handler/);
    for (let turn = 0; turn < 3; turn += 1) kernel.turn();
    assert.deepEqual(told, ['7001', 'closed']);
  }
});

test('ring listener: retired with nothing in flight, it ends in the next turn', { skip }, (t) => {
  for (const held of [[], [7001]]) {
    const { kernel, acceptance, operation, told } = listening(t);
    acceptance.pause();
    come(kernel, operation, held);
    kernel.complete(operation, -ECANCELED);
    for (let turn = 0; turn < 3; turn += 1) kernel.turn();
    acceptance.retire();
    assert.deepEqual(told, []);
    kernel.turn();
    assert.deepEqual(told, [...words(held), 'closed']);
  }
});

test('ring listener: retired, it takes 32 of those that wait in a turn', { skip }, (t) => {
  const { kernel, acceptance, operation, told, fd } = listening(t);
  acceptance.retire();
  kernel.turn();
  kernel.accepts.push(...numbers(2 * ACCEPTS_PER_TURN + 3));
  kernel.complete(operation, -ECANCELED);
  const counts: number[] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    const before = kernel.calls.length;
    kernel.turn();
    counts.push(kernel.calls.slice(before).filter((call) => call === `accept4 ${fd}`).length);
  }
  assert.deepEqual(told, [...words(numbers(2 * ACCEPTS_PER_TURN + 3)), 'closed']);
  // The last call finds none.
  assert.deepEqual(counts, [32, 32, 4, 0, 0, 0]);
});

test('ring listener: retired, it accepts no more once a handler closes it', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t, {
    accepted: () => acceptance.close(),
  });
  acceptance.retire();
  kernel.turn();
  kernel.accepts.push(7001, 7002);
  kernel.complete(operation, -ECANCELED);
  kernel.turn();
  assert.deepEqual([told, kernel.accepts], [['7001', 'closed'], [7002]]);
});

test('ring listener: a lack of descriptors is told once a connection waits', { skip }, (t) => {
  const { kernel, acceptance, operation, told, fd } = listening(t);
  kernel.asked();
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, [], 'perhaps nobody is there');
  assert.deepEqual(kernel.asked(), [`poll ${fd} in`]);
  assert.equal(kernel.calls.filter((call) => call === `accept4 ${fd}`).length, 1);
  kernel.complete(`poll ${fd}`, 1);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  kernel.accepts.push(7001, 7002);
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  assert.deepEqual(told, [`exhausted ${EMFILE}, 2 shed`]);
  assert.deepEqual(
    ['close 7001', 'close 7002'].map((call) => kernel.calls.includes(call)),
    [true, true],
  );
  assert.equal(kernel.backend.stats.shed, 2);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [], 'it is paused');
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  // Nobody there to turn away, but one that had waited: it is told as well.
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  kernel.complete(`poll ${fd}`, 1);
  kernel.turn();
  kernel.turn();
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  assert.deepEqual(told.slice(1), [`exhausted ${EMFILE}, 0 shed`]);
});

test('ring listener: a lack of descriptors behind a pause is not told', { skip }, (t) => {
  const { kernel, acceptance, operation, told } = listening(t, {
    accepted: () => acceptance.pause(),
  });
  kernel.asked();
  kernel.accepts.push(7002);
  kernel.complete(operation, 7001, { more: true });
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['7001'], []]);
  assert.deepEqual(kernel.accepts, [7002], 'nobody is turned away');
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`${operation} multishot`]);
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  assert.deepEqual(told, ['7001', `exhausted ${EMFILE}, 1 shed`]);
});

test('ring listener: it turns away 32 in a turn, and opens its reserve again', { skip }, (t) => {
  const { kernel, acceptance, operation, told, fd } = listening(t);
  const exhaust = (): void => {
    kernel.accepts.push(...numbers(ACCEPTS_PER_TURN + 5));
    kernel.complete(operation, -EMFILE);
    kernel.turn();
    kernel.accepts.length = 0;
    acceptance.resume();
    kernel.turn();
  };
  exhaust();
  assert.equal(kernel.calls[0], 'close 300000', 'which is free for them');
  assert.ok(kernel.backend.fds().includes(300_000));
  kernel.openResult = -EMFILE;
  exhaust();
  assert.ok(!kernel.backend.fds().some((one) => one < 0 || one === 300_000));
  exhaust();
  assert.deepEqual(told, new Array(3).fill(`exhausted ${EMFILE}, ${ACCEPTS_PER_TURN} shed`));
  const closes = kernel.calls.filter((call) => call === 'close 300000');
  assert.deepEqual([closes.length, kernel.calls.includes('close -1')], [2, false]);
  assert.ok(fd > 0);
});

test('ring listener: one that was accepted waits no more', { skip }, (t) => {
  const { kernel, operation, told, fd } = listening(t);
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  kernel.complete(`poll ${fd}`, 1);
  kernel.turn();
  kernel.turn();
  kernel.complete(operation, 7001, { more: true });
  kernel.complete(operation, -EMFILE);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, ['7001']);
  assert.deepEqual(kernel.inFlight, [`poll ${fd} in`]);
});

test('ring listener: failures of single connections are told when 32 are in a row', {
  skip,
}, (t) => {
  const { kernel, acceptance, operation, told } = listening(t);
  const fail = (count: number, code: number): void => {
    for (let failure = 0; failure < count; failure += 1) {
      kernel.complete(operation, -code);
      kernel.turn();
      kernel.turn();
    }
  };
  fail(ACCEPTS_PER_TURN - 1, EPERM);
  for (const code of [EINTR, EAGAIN, ECANCELED]) fail(3, code);
  assert.deepEqual(told, []);
  kernel.complete(operation, 7001, { more: true });
  fail(ACCEPTS_PER_TURN - 1, ECONNABORTED);
  assert.deepEqual(told, ['7001'], 'a connection begins the count anew');
  fail(1, EPERM);
  assert.deepEqual(told, ['7001', `exhausted ${EPERM}, 0 shed`]);
  assert.deepEqual([kernel.inFlight, kernel.calls], [[], []], 'it rests, and turns nobody away');
  acceptance.resume();
  kernel.turn();
  fail(ACCEPTS_PER_TURN - 1, EPERM);
  assert.equal(told.length, 2);
});

test('ring listener: one that is broken fails, and is closed', { skip }, (t) => {
  const { kernel, operation, told, fd } = listening(t);
  kernel.complete(operation, -EBADF);
  kernel.turn();
  assert.deepEqual(told, [`failed ${EBADF}`, 'closed']);
  assert.ok(kernel.calls.includes(`close ${fd}`));
  for (const code of [EBADF, EMFILE]) {
    const other = listenOn(kernel);
    kernel.turn();
    other.acceptance.retire();
    kernel.turn();
    kernel.complete(`accept ${other.fd}`, -code);
    kernel.turn();
    assert.deepEqual(other.told, ['closed'], 'a retired one only ends');
  }
});
