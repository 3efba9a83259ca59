// Goal: a stream on io_uring tells of all bytes once and in order, and of its end, whatever the
// kernel does with its receives and when.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EINTR, EAGAIN, ENOBUFS, ECONNRESET, ECANCELED = 125 } = errno;
const MULTISHOT_MAX = 16_384;
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

test('ring stream: receives are multishot while they are small', { skip }, (t) => {
  const { kernel, fd, told, receive, multishot } = streaming(t);
  const bring = (length: number, more: boolean): string[] => {
    kernel.bring(fd, Buffer.alloc(length, 'x'), { more });
    kernel.turn();
    kernel.turn();
    return kernel.asked();
  };
  assert.deepEqual(bring(100, true), []);
  assert.deepEqual(bring(MULTISHOT_MAX, true), []);
  assert.deepEqual(bring(100, false), [multishot], 'one that ends is made again');
  assert.deepEqual(bring(MULTISHOT_MAX + 1, true), [`cancel ${multishot}`]);
  assert.deepEqual(bring(50, true), [], 'it is cancelled once');
  kernel.complete(receive, -ECANCELED);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [receive]);
  assert.deepEqual(bring(MULTISHOT_MAX + 1, false), [receive]);
  assert.deepEqual(bring(MULTISHOT_MAX, false), [multishot]);
  assert.deepEqual(bring(65_536, false), [receive]);
  assert.equal(told.length, 8);
});

test('ring stream: without a limit, the first receive is for one chunk', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  kernel.backend.submission.limitsReceives = false;
  const { fd } = streamOn(kernel);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`recv ${fd}`]);
  kernel.bring(fd, Buffer.from('a few'));
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`recv ${fd} multishot of 0`]);
});

test('ring stream: a pause holds what comes, and cancels then, once', { skip }, (t) => {
  const { kernel, stream, fd, told, receive, multishot } = streaming(t);
  stream.pause();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [], 'nothing has come');
  stream.resume();
  kernel.turn();
  assert.deepEqual(kernel.asked(), []);
  stream.pause();
  for (const text of ['one', 'two']) {
    kernel.bring(fd, Buffer.from(text), { more: true });
    kernel.turn();
  }
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel ${multishot}`]);
  kernel.bring(fd, Buffer.from('three'), { more: true });
  kernel.complete(receive, -ECANCELED);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.deepEqual([told, kernel.asked()], [[], []]);
  stream.resume();
  assert.deepEqual(told, [], 'not inside of the call');
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['onetwothree'], []]);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [multishot], 'once all is told');
  kernel.bring(fd, Buffer.from('four'), { more: true });
  kernel.turn();
  assert.deepEqual(told, ['onetwothree', 'four']);
});

test('ring stream: what comes behind held bytes is told behind them', { skip }, (t) => {
  const { kernel, stream, fd, told, receive } = streaming(t);
  stream.pause();
  kernel.bring(fd, Buffer.from('one'), { more: true });
  kernel.turn();
  stream.resume();
  kernel.bring(fd, Buffer.from('two'), { more: true });
  kernel.complete(receive, 0);
  kernel.turn();
  assert.deepEqual(told, ['onetwo']);
  kernel.turn();
  assert.deepEqual(told, ['onetwo', 'ended']);
  kernel.turn();
  assert.deepEqual([kernel.inFlight, told.length], [[], 2], 'behind the end nothing is received');
});

test('ring stream: a handler that pauses holds the rest of the turn, and the end', {
  skip,
}, (t) => {
  const paused: { now: () => void } = { now: () => undefined };
  const { kernel, stream, fd, told, receive } = streaming(t, { received: () => paused.now() });
  paused.now = () => stream.pause();
  for (const text of ['one', 'two', 'three']) kernel.bring(fd, Buffer.from(text), { more: true });
  kernel.complete(receive, 0);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, ['one']);
  stream.resume();
  kernel.turn();
  assert.deepEqual(told, ['one', 'twothree']);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.equal(told.length, 2, 'paused again, before the end');
  stream.resume();
  kernel.turn();
  assert.deepEqual(told, ['one', 'twothree', 'ended']);
});

test('ring stream: an end while it is paused is told after the resume', { skip }, (t) => {
  const { kernel, stream, told, receive } = streaming(t);
  stream.pause();
  kernel.complete(receive, 0);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.deepEqual(told, []);
  stream.resume();
  assert.deepEqual(told, []);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['ended'], []]);
  stream.pause();
  stream.resume();
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['ended'], []]);
});

test('ring stream: no receive before what is held was told, whatever else it asks', {
  skip,
}, (t) => {
  for (const held of ['bytes', 'end'] as const) {
    const { kernel, stream, fd, told, receive, send } = streaming(t);
    stream.pause();
    if (held === 'bytes') kernel.bring(fd, Buffer.from('held'));
    else kernel.complete(receive, 0);
    kernel.turn();
    kernel.turn();
    kernel.sends.push(-EAGAIN);
    send('x', 20_000);
    stream.resume();
    kernel.backend.poll(0);
    assert.deepEqual(kernel.asked(), [`send ${fd} x*20000`]);
    assert.deepEqual(told, held === 'bytes' ? ['held'] : ['ended']);
  }
});

test('ring stream: a receive that was cancelled may end with bytes', { skip }, (t) => {
  const { kernel, stream, fd, told, multishot } = streaming(t);
  for (let round = 1; round <= 2; round += 1) {
    stream.pause();
    kernel.bring(fd, Buffer.from('one'), { more: true });
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`cancel ${multishot}`], `round ${round}`);
    kernel.bring(fd, Buffer.from('two'));
    stream.resume();
    for (let turn = 0; turn < 3; turn += 1) kernel.turn();
    assert.deepEqual([told.splice(0), kernel.asked()], [['onetwo'], [multishot]]);
  }
});

test('ring stream: a receive that gives nothing is made again', { skip }, (t) => {
  const { kernel, stream, told, receive, multishot } = streaming(t);
  for (const code of [EINTR, EAGAIN, ECANCELED, ENOBUFS]) {
    kernel.complete(receive, -code);
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), [multishot], `${code}`);
  }
  assert.deepEqual(told, []);
  assert.equal(kernel.backend.stats.outOfBuffers, 1);
  stream.pause();
  kernel.complete(receive, -EINTR);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [], 'not while it is paused');
  stream.resume();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [multishot]);
  kernel.complete(receive, -ECONNRESET);
  kernel.turn();
  assert.deepEqual(told, [`failed ${ECONNRESET}`, 'closed']);
  assert.deepEqual(kernel.asked(), []);
});
