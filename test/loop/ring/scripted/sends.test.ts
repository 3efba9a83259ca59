// Goal: a stream on io_uring sends all bytes once and in order, and knows what it has lost,
// whatever the kernel does with its sends and when.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, SUBMISSIONS, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EINTR, EAGAIN, ENOBUFS, ECONNRESET, EPIPE, ENOTCONN, ECANCELED = 125 } = errno;
const TOTAL_MAX = 262_144;

function streaming(t: TestContext, also: Partial<StreamSink> = {}) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const one = streamOn(kernel, also);
  kernel.turn();
  const receive = `recv ${one.fd}`;
  assert.deepEqual(kernel.asked(), [`${receive} multishot of ${TOTAL_MAX}`]);
  return { kernel, ...one, receive, multishot: `${receive} multishot of ${TOTAL_MAX}` };
}

test('ring stream: the sends of a turn are one, and say nothing', { skip }, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  assert.deepEqual([send('hello'), send(', '), send('world')], [0, 0, 0]);
  assert.equal(stream.queuedBytesAtMost, 12);
  assert.deepEqual(kernel.asked(), []);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`sendNow ${fd} hello, world`]);
  assert.deepEqual([stream.queuedBytesAtMost, stream.queuedBytes], [0, 0]);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.deepEqual([told, kernel.asked()], [[], []]);
  send('again');
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`sendNow ${fd} again`]);
});

test('ring stream: a send behind that of another stream goes out behind its own', { skip }, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  const other = streamOn(kernel);
  send('one');
  other.send('other');
  assert.equal(send('two'), 3, 'queued');
  assert.equal(send('three'), 8);
  assert.equal(stream.queuedBytesAtMost, 11);
  kernel.turn();
  assert.deepEqual(kernel.asked().slice(0, 2), [`sendNow ${fd} one`, `sendNow ${other.fd} other`]);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`send ${fd} twothree`]);
  assert.equal(send('four'), 12, 'behind the send in flight');
  kernel.turn();
  assert.deepEqual(kernel.asked(), []);
  kernel.complete(`send ${fd}`, 5);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [[], [`send ${fd} reefour`]]);
  kernel.complete(`send ${fd}`, 7);
  kernel.turn();
  assert.deepEqual(told, ['drained']);
  assert.equal(send('five'), 0);
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['drained'], [`sendNow ${fd} five`]]);
});

test('ring stream: the rest of a short write goes ahead of what was queued since', {
  skip,
}, (t) => {
  for (const [result, rest] of [
    [1, 'ello'],
    [3, 'lo'],
    [0, 'hello'],
    [-EAGAIN, 'hello'],
    [-EINTR, 'hello'],
    [-ENOBUFS, 'hello'],
  ] as const) {
    const { kernel, stream, fd, told, send } = streaming(t);
    const other = streamOn(kernel);
    const results = [result];
    kernel.onSendNow = (length) => results.shift() ?? length;
    send('hello');
    other.send('other');
    assert.equal(send(' world'), 6);
    assert.equal(stream.queuedBytes, rest.length + 6);
    assert.equal(stream.unsentBytes, rest.length + 6);
    kernel.asked();
    kernel.turn();
    assert.deepEqual(kernel.asked().slice(-1), [`send ${fd} ${rest}`]);
    send('!');
    kernel.complete(`send ${fd}`, rest.length);
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`send ${fd}  world!`]);
    kernel.complete(`send ${fd}`, 7);
    kernel.turn();
    assert.deepEqual(told, ['drained']);
    assert.equal(stream.queuedBytes, 0);
    const { partialSends, eagain, eintr } = kernel.backend.stats;
    const counts = result > 0 ? [1, 0, 0] : result === -EINTR ? [0, 0, 1] : [0, 1, 0];
    assert.deepEqual([partialSends, eagain, eintr], counts);
  }
});

test('ring stream: a send that fails is told once, and what is lost is counted', { skip }, (t) => {
  const { kernel, stream, told, send, receive } = streaming(t);
  kernel.onSendNow = () => -EPIPE;
  send('hello');
  kernel.complete(receive, 0);
  assert.equal(stream.unsentBytes, 5);
  assert.equal(stream.broken, true);
  assert.equal(send('more'), 0);
  assert.equal(stream.unsentBytes, 9);
  kernel.turn();
  assert.deepEqual(told, [`failed ${EPIPE}`, 'closed'], 'the 0 bytes are no end');
  assert.equal(stream.unsentBytes, 9);
});

test('ring stream: the queue of one that fails or is closed is lost, and counted', {
  skip,
}, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  kernel.sends.push(-EAGAIN);
  assert.equal(send('x', 20_000), 20_000);
  kernel.turn();
  kernel.complete(`send ${fd}`, -ECONNRESET);
  kernel.turn();
  assert.equal(told[0], `failed ${ECONNRESET}`);
  assert.equal(stream.unsentBytes, 20_000);
  const other = streamOn(kernel);
  kernel.turn();
  kernel.sends.push(-EAGAIN);
  other.send('y', 20_000);
  kernel.turn();
  kernel.asked();
  other.stream.close();
  kernel.turn();
  kernel.turn();
  assert.deepEqual(
    new Set(kernel.asked()),
    new Set([
      `cancel recv ${other.fd} multishot of ${TOTAL_MAX}`,
      `cancel send ${other.fd} y*20000`,
    ]),
  );
  kernel.complete(`recv ${other.fd}`, -ECANCELED);
  kernel.turn();
  assert.deepEqual(other.told, [], 'the send is still there');
  kernel.complete(`send ${other.fd}`, 7000);
  kernel.turn();
  assert.deepEqual(other.told, ['closed']);
  assert.equal(other.stream.unsentBytes, 13_000);
});

test('ring stream: what is too long to copy is sent at once, and the rest queued', {
  skip,
}, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  const long = 16_385;
  assert.equal(send('x', long), 0);
  assert.deepEqual(kernel.calls, [`send ${fd} ${long}`]);
  kernel.sends.push(10_000);
  assert.equal(send('y', long), long - 10_000);
  assert.equal(kernel.backend.stats.partialSends, 1);
  assert.equal(send('z'), long - 9999, 'behind the queue');
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`send ${fd} ${Buffer.alloc(6385, 'y')}z`]);
  kernel.complete(`send ${fd}`, 6386);
  kernel.turn();
  assert.deepEqual(told, ['drained']);
  for (const code of [EAGAIN, EINTR, ENOBUFS]) {
    kernel.sends.push(-code);
    assert.equal(send('w', long), long);
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`send ${fd} w*${long}`]);
    kernel.complete(`send ${fd}`, long);
    kernel.turn();
  }
  assert.deepEqual([kernel.backend.stats.eagain, kernel.backend.stats.eintr], [2, 1]);
  assert.equal(kernel.calls.length, 5);
  kernel.sends.push(-EPIPE);
  assert.equal(send('v', long), 0);
  assert.deepEqual([stream.unsentBytes, stream.broken], [long, true]);
  kernel.turn();
  assert.equal(told.at(-1), `failed ${EPIPE}`);
});

test('ring stream: a send from the queue that takes nothing is made again', { skip }, (t) => {
  const { kernel, fd, told, send } = streaming(t);
  kernel.sends.push(-EAGAIN);
  send('x', 20_000);
  for (const result of [0, -EINTR, -EAGAIN, -ENOBUFS, -ECANCELED]) {
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`send ${fd} x*20000`], `${result}`);
    kernel.complete(`send ${fd}`, result);
    kernel.turn();
  }
  assert.deepEqual(told, []);
});

/** The order of what was asked for, with the calls made in between. */
function shutdowns(kernel: ScriptedKernel): number {
  return kernel.calls.filter((call) => call.startsWith('shutdown')).length;
}

test('ring stream: the FIN is sent behind the bytes, once', { skip }, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  stream.finish();
  assert.equal(shutdowns(kernel), 1, 'with nothing to wait for, at once');
  stream.finish();
  assert.equal(send('late'), 0);
  kernel.turn();
  assert.deepEqual([kernel.asked(), shutdowns(kernel)], [[], 1]);
  kernel.bring(fd, Buffer.from('x'));
  kernel.turn();
  kernel.turn();
  assert.equal(shutdowns(kernel), 1);

  const staged = streamOn(kernel);
  kernel.turn();
  staged.send('last');
  staged.stream.finish();
  assert.equal(shutdowns(kernel), 1, 'it is not submitted yet');
  kernel.turn();
  kernel.turn();
  assert.equal(shutdowns(kernel), 2);

  const queued = streamOn(kernel);
  kernel.turn();
  kernel.sends.push(-EAGAIN);
  queued.send('x', 20_000);
  queued.stream.finish();
  kernel.turn();
  kernel.complete(`send ${queued.fd}`, 15_000);
  kernel.turn();
  kernel.turn();
  assert.equal(shutdowns(kernel), 2, 'the rest is there');
  kernel.complete(`send ${queued.fd}`, 5000);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([shutdowns(kernel), queued.told], [3, ['drained']]);

  const short = streamOn(kernel);
  kernel.turn();
  kernel.onSendNow = () => 2;
  short.send('hello');
  short.stream.finish();
  kernel.turn();
  kernel.turn();
  assert.equal(shutdowns(kernel), 3, 'not ahead of the rest of a short write');
  kernel.complete(`send ${short.fd}`, 3);
  kernel.turn();
  assert.deepEqual([shutdowns(kernel), short.told], [4, ['drained']]);
  assert.deepEqual(told, ['x']);
});

test('ring stream: a FIN that cannot be sent', { skip }, (t) => {
  const { kernel, stream, told } = streaming(t);
  kernel.shutdownResult = -ENOTCONN;
  stream.finish();
  kernel.turn();
  assert.deepEqual(told, [], 'the receive reports the reset');
  const other = streamOn(kernel);
  kernel.shutdownResult = -ECONNRESET;
  other.stream.finish();
  assert.deepEqual(other.told, []);
  kernel.turn();
  assert.equal(other.told[0], `failed ${ECONNRESET}`);
});

test('ring stream: closed, it waits for its receive, and tells nothing more', { skip }, (t) => {
  const { kernel, stream, fd, told, receive, multishot, send } = streaming(t);
  kernel.bring(fd, Buffer.from('unread'), { more: true });
  stream.close();
  stream.close();
  assert.equal(send('late'), 0);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel ${multishot}`]);
  kernel.turn();
  assert.deepEqual([told, kernel.asked(), kernel.calls], [[], [], []]);
  kernel.bring(fd, Buffer.from('late'), { more: true });
  kernel.turn();
  assert.deepEqual(kernel.calls, []);
  kernel.complete(receive, -ECANCELED);
  kernel.turn();
  assert.deepEqual([told, kernel.calls], [['closed'], [`close ${fd}`]]);
  assert.equal(kernel.backend.active, 0);
  const reset = streamOn(kernel);
  reset.stream.reset();
  reset.stream.reset();
  kernel.turn();
  assert.deepEqual(kernel.calls.slice(1), [`setsockopt ${reset.fd} 10000000`, `close ${reset.fd}`]);
});

test('ring stream: who asked while nobody knew hears of the empty queue', { skip }, (t) => {
  const { kernel, stream, fd, told, send } = streaming(t);
  kernel.takes = 0;
  send('hello');
  assert.equal(stream.queuedBytes, 5);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, []);
  kernel.takes = 8;
  for (let turn = 0; turn < 4; turn += 1) kernel.turn();
  assert.deepEqual([told, stream.queuedBytes], [['drained'], 0]);
  send('again');
  kernel.bring(fd, Buffer.from('x'));
  for (let turn = 0; turn < 4; turn += 1) kernel.turn();
  assert.deepEqual(told, ['drained', 'x']);
});

test('ring stream: a queue that is full is tried again, for each of many', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const many = Array.from({ length: SUBMISSIONS + 3 }, () => streamOn(kernel));
  const turns = (): string[] => {
    kernel.takes = 0;
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), []);
    kernel.takes = SUBMISSIONS;
    for (let turn = 0; turn < 5; turn += 1) kernel.turn();
    return kernel.asked().toSorted();
  };
  const receives = many.map(({ fd }) => `recv ${fd} multishot of ${TOTAL_MAX}`);
  assert.deepEqual(turns(), receives);
  for (const { send } of many) {
    kernel.sends.push(-EAGAIN);
    send('x', 20_000);
  }
  const sends = many.map(({ fd }) => `send ${fd} x*20000`);
  assert.deepEqual(turns(), sends);
  for (const { stream } of many) stream.close();
  const cancels = [...receives, ...sends].map((one) => `cancel ${one}`);
  assert.deepEqual(turns(), cancels.toSorted());
});

test('ring stream: one that has failed asks for nothing more', { skip }, (t) => {
  const { kernel, fd, told, send } = streaming(t);
  kernel.bring(fd, Buffer.from('x'));
  kernel.turn();
  kernel.sends.push(-EPIPE);
  send('x', 20_000);
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['x', `failed ${EPIPE}`, 'closed'], []]);
});
