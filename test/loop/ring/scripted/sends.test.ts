// Goal: a stream on io_uring sends all bytes once and in order, and knows what it has lost,
// whatever the kernel does with its sends and when.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { pattern } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, SUBMISSIONS, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EINTR, EAGAIN, ENOBUFS, EPIPE, ECANCELED = 125 } = errno;
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

test('ring stream: a copy that lies behind its own bytes is no part of another send', {
  skip,
}, (t) => {
  const { kernel, fd, send } = streaming(t);
  const echo = streamOn(kernel, {
    received: (chunk) => {
      send('one');
      echo.stream.send(chunk, 0, chunk.length);
      send('two');
    },
  });
  kernel.turn();
  kernel.bring(echo.fd, Buffer.from('echoed'), { more: true });
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  kernel.complete(`send ${fd}`, 3);
  assert.equal(Buffer.concat(kernel.sent.get(echo.fd) ?? []).toString(), 'echoed');
  assert.equal(Buffer.concat(kernel.sent.get(fd) ?? []).toString(), 'onetwo');
});

test('ring stream: a chunk that is sent on behind a copy is no part of that', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const one = streamOn(kernel, {
    received: (chunk) => {
      one.send('one');
      one.stream.send(chunk, 0, chunk.length);
      one.send('two');
    },
  });
  kernel.turn();
  kernel.bring(one.fd, Buffer.from('echoed'), { more: true });
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  kernel.complete(`send ${one.fd}`, 9);
  assert.equal(Buffer.concat(kernel.sent.get(one.fd) ?? []).toString(), 'oneechoedtwo');
});

test('ring stream: what a long send has not taken is what goes out later', { skip }, (t) => {
  const { kernel, stream, fd } = streaming(t);
  const text = pattern(20_000);
  kernel.sends.push(7000);
  assert.equal(stream.send(text, 5, 19_000), 12_000);
  kernel.turn();
  kernel.complete(`send ${fd}`, 12_000);
  assert.ok(Buffer.concat(kernel.sent.get(fd) ?? []).equals(text.subarray(5, 19_005)));
});

test('ring stream: a short write counts once, also while others are not submitted', {
  skip,
}, (t) => {
  const { kernel, stream, send } = streaming(t);
  const other = streamOn(kernel);
  kernel.turn();
  kernel.onSendNow = () => 1;
  send('hello');
  other.send('other');
  kernel.takes = 1;
  kernel.backend.poll(0);
  assert.equal(stream.queuedBytesAtMost, 4);
  assert.equal(other.stream.queuedBytesAtMost, 5);
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
