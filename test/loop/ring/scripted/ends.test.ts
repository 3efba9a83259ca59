// Goal: a stream on io_uring ends once, behind all bytes or with its error, and knows what it
// has lost, whatever the kernel does with its operations and when.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, withoutRings as skip } from './kernel.ts';

const { errno } = nativeSys().abi;
const { EAGAIN, ECONNRESET, EPIPE, ENOTCONN, ECANCELED = 125 } = errno;
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

test('ring stream: one that fails and is closed tells of its end only', { skip }, (t) => {
  const { kernel, stream, told, receive } = streaming(t);
  stream.fail(EPIPE);
  stream.finish();
  assert.equal(shutdowns(kernel), 0);
  stream.close();
  kernel.turn();
  kernel.complete(receive, -ECANCELED);
  kernel.turn();
  assert.deepEqual(told, ['closed']);
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

test('ring stream: one that has failed asks for nothing more', { skip }, (t) => {
  const { kernel, fd, told, send } = streaming(t);
  kernel.bring(fd, Buffer.from('x'));
  kernel.turn();
  kernel.sends.push(-EPIPE);
  send('x', 20_000);
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [['x', `failed ${EPIPE}`, 'closed'], []]);
});
