// Goal: a stream on a poller ends once, behind all bytes or with its error, and knows what it has
// lost.
// Method: the test is the kernel: it sees each call, says what it returns, and what is ready when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel } from './kernel.ts';

const { EAGAIN, EPIPE, ENOTCONN } = nativeSys().abi.errno;
const CHUNK = 65_536;

function streaming(t: TestContext, edge: boolean) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, edge);
  const one = streamOn(kernel);
  kernel.turn();
  kernel.calls();
  return { kernel, ...one };
}

/** Both ways to be told of readiness. */
function overBoth(title: string, body: (t: TestContext, edge: boolean) => void): void {
  for (const edge of [false, true]) {
    const way = edge ? 'edge-triggered' : 'level-triggered';
    test(`${way} stream: ${title}`, (t) => body(t, edge));
  }
}

/** A stream with `chunks` of its queue to send, and a byte. */
function queued(t: TestContext, edge: boolean, chunks: number) {
  const streamed = streaming(t, edge);
  const { kernel, fd, send } = streamed;
  kernel.sends.push(-EAGAIN);
  assert.equal(send('x', chunks * CHUNK + 1), chunks * CHUNK + 1);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`send ${fd} x*${chunks * CHUNK + 1}`, `modify ${fd} both`]);
  return streamed;
}

overBoth('the FIN goes out behind the bytes, once', (t, edge) => {
  const { kernel, stream, fd, send } = streaming(t, edge);
  send('last');
  stream.finish();
  stream.finish();
  assert.equal(send('late'), 0);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`send ${fd} last`, `shutdown ${fd}`]);

  const short = streaming(t, edge);
  short.kernel.sends.push(2);
  short.send('last');
  short.stream.finish();
  short.kernel.turn();
  short.kernel.turn();
  assert.deepEqual(short.kernel.calls(), [`send ${short.fd} last`, `modify ${short.fd} both`]);
  short.kernel.ready(short.fd, Interest.write);
  short.kernel.turn();
  short.kernel.turn();
  assert.deepEqual(short.kernel.calls(), [
    `send ${short.fd} st`,
    `modify ${short.fd} read`,
    `shutdown ${short.fd}`,
  ]);
  assert.deepEqual(short.told, ['drained']);

  const full = queued(t, edge, 1);
  full.stream.finish();
  full.kernel.turn();
  assert.deepEqual(full.kernel.calls(), []);
  full.kernel.ready(full.fd, Interest.write);
  full.kernel.turn();
  full.kernel.turn();
  assert.ok(full.kernel.calls().includes(`shutdown ${full.fd}`));
});

overBoth('a short write keeps back its own FIN only', (t, edge) => {
  const { kernel, stream, fd, send } = streaming(t, edge);
  const other = streamOn(kernel);
  kernel.turn();
  kernel.calls();
  kernel.sends.push(2);
  send('last');
  stream.finish();
  other.send('all');
  other.stream.finish();
  kernel.turn();
  const calls = kernel.calls().filter((call) => !call.startsWith('modify'));
  assert.deepEqual(calls, [`send ${fd} last`, `send ${other.fd} all`, `shutdown ${other.fd}`]);
});

overBoth('a FIN that cannot be sent', (t, edge) => {
  const { kernel, stream, told } = streaming(t, edge);
  kernel.shutdownResult = -ENOTCONN;
  stream.finish();
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, [], 'the receive reports the reset');
  const other = streamOn(kernel);
  kernel.shutdownResult = -EPIPE;
  other.stream.finish();
  kernel.turn();
  kernel.turn();
  assert.deepEqual(other.told, [`failed ${EPIPE}`, 'closed']);
});

overBoth('a send that fails is told in the next turn, and what is lost is counted', (t, edge) => {
  const { kernel, stream, fd, told, send } = streaming(t, edge);
  kernel.sends.push(-EPIPE);
  send('hello');
  assert.equal(stream.unsentBytes, 5);
  assert.deepEqual([told, stream.broken], [[], true]);
  assert.equal(send('more'), 0);
  assert.equal(stream.unsentBytes, 9);
  kernel.turn();
  assert.deepEqual([told, stream.unsentBytes], [[`failed ${EPIPE}`, 'closed'], 9]);

  const queue = queued(t, edge, 2);
  queue.kernel.sends.push(CHUNK, -EPIPE);
  queue.kernel.ready(queue.fd, Interest.write);
  queue.kernel.turn();
  assert.deepEqual(queue.told, [`failed ${EPIPE}`, 'closed']);
  assert.equal(queue.stream.unsentBytes, CHUNK + 1);
  assert.ok(fd > 0);
});

overBoth('one that fails and is closed tells of its end only', (t, edge) => {
  const { kernel, stream, told } = streaming(t, edge);
  const { fd } = stream;
  const listed: boolean[] = [];
  const other = streamOn(kernel, { closed: () => listed.push(kernel.backend.fds().includes(fd)) });
  stream.fail(EPIPE);
  stream.finish();
  other.stream.close();
  stream.close();
  assert.ok(kernel.backend.fds().includes(fd));
  kernel.turn();
  assert.deepEqual([told, listed], [['closed'], [false]]);
  assert.ok(!kernel.calls().includes(`shutdown ${fd}`));
});

overBoth('closed, what was sent goes out, and what is queued is lost', (t, edge) => {
  const { kernel, stream, fd, told, send } = streaming(t, edge);
  send('bye');
  stream.close();
  kernel.turn();
  assert.deepEqual(
    kernel.calls(),
    [`send ${fd} bye`, `forget ${fd}`, `close ${fd}`].toSorted(byCall),
  );
  assert.deepEqual([told, stream.unsentBytes], [['closed'], 0]);

  const short = streaming(t, edge);
  short.kernel.sends.push(1);
  short.send('bye');
  short.stream.close();
  short.kernel.turn();
  assert.deepEqual([short.told, short.stream.unsentBytes], [['closed'], 2]);
});

/** The set forgets a descriptor first, and its close is the last call. */
function byCall(one: string, other: string): number {
  const order = ['forget', 'send', 'close'];
  return order.indexOf(one.split(' ')[0] ?? '') - order.indexOf(other.split(' ')[0] ?? '');
}
