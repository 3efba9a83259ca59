// Goal: a stream on a poller tells of all bytes once and in order, and of its end, with no call too
// many and none too few, level- and edge-triggered.
// Method: the test is the kernel: it sees each call, says what it returns, and what is ready when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { ENDING, Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel } from './kernel.ts';

const { EINTR, EAGAIN, ECONNRESET, EPIPE } = nativeSys().abi.errno;
const FULL = Buffer.alloc(65_536, 'x');
const EAGAINS_MAX = 8;
const STALL_MS = 10;

function streaming(t: TestContext, edge: boolean, also: Partial<StreamSink> = {}) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, edge);
  const one = streamOn(kernel, also);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`register ${one.fd} read${edge ? ' edge' : ''}`]);
  return { kernel, ...one };
}

/** Both ways to be told of readiness. */
function overBoth(title: string, body: (t: TestContext, edge: boolean) => void): void {
  for (const edge of [false, true]) {
    const way = edge ? 'edge-triggered' : 'level-triggered';
    test(`${way} stream: ${title}`, (t) => body(t, edge));
  }
}

overBoth('one receive for what is reported, and more only behind a full one', (t, edge) => {
  const { kernel, fd, told } = streaming(t, edge);
  kernel.bring(fd, 'hello');
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [['hello'], [`recv ${fd}`]]);
  kernel.bring(fd, FULL, 'rest');
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`recv ${fd}`], 'one in a turn');
  kernel.turn();
  kernel.turn();
  // Level triggering reports the rest, edge triggering does not.
  assert.deepEqual(kernel.calls(), edge ? [`recv ${fd}`] : []);
  assert.deepEqual(told.slice(1), edge ? ['x*65536', 'rest'] : ['x*65536']);
  assert.equal(kernel.backend.stats.reports, 2);
});

test('edge-triggered stream: an end that was reported is received behind the bytes', (t) => {
  const { kernel, fd, told } = streaming(t, true);
  kernel.receives.set(fd, [Buffer.from('last'), 0]);
  kernel.ready(fd, Interest.read | ENDING);
  kernel.turn();
  assert.deepEqual(told, ['last']);
  kernel.turn();
  assert.deepEqual(
    [told, kernel.calls()],
    [
      ['last', 'ended'],
      [`recv ${fd}`, `recv ${fd}`],
    ],
  );
  kernel.ready(fd, Interest.read | ENDING);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told.length, kernel.calls()], [2, []], 'behind the end nothing is received');
});

test('level-triggered stream: behind the end it is watched for nothing', (t) => {
  const { kernel, fd, told } = streaming(t, false);
  kernel.bring(fd, 0);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [['ended'], [`recv ${fd}`, `modify ${fd} none`]]);
});

overBoth('nothing is received while it is paused, and all of it afterwards', (t, edge) => {
  const { kernel, stream, fd, told } = streaming(t, edge);
  stream.pause();
  kernel.turn();
  assert.deepEqual(kernel.calls(), edge ? [] : [`modify ${fd} none`]);
  kernel.bring(fd, 'hello');
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [[], []]);
  stream.resume();
  assert.deepEqual(told, []);
  if (!edge) kernel.ready(fd, Interest.read);
  kernel.turn();
  assert.deepEqual(told, ['hello']);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [...(edge ? [] : [`modify ${fd} read`]), `recv ${fd}`]);
  stream.pause();
  stream.resume();
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [], 'nothing more has come');
});

overBoth('what was received for a stream that another one paused is held', (t, edge) => {
  const { kernel, fd, told, stream } = streaming(t, edge, { received: () => other.stream.pause() });
  const other = streamOn(kernel);
  kernel.turn();
  kernel.calls();
  kernel.bring(fd, 'first');
  kernel.bring(other.fd, 'held', 'later');
  kernel.turn();
  assert.deepEqual([told, other.told], [['first'], []]);
  kernel.turn();
  kernel.calls();
  other.stream.resume();
  kernel.ready(other.fd, Interest.read);
  kernel.turn();
  assert.deepEqual(other.told, ['held'], 'before anything else is received');
  kernel.ready(other.fd, Interest.read);
  kernel.turn();
  kernel.ready(other.fd, Interest.read);
  kernel.turn();
  assert.deepEqual(other.told, ['held', 'later']);
  assert.equal(stream.broken, false);
});

overBoth('an end for a stream that another one paused is held as well', (t, edge) => {
  const { kernel, fd } = streaming(t, edge, { received: () => other.stream.pause() });
  const other = streamOn(kernel);
  kernel.turn();
  kernel.bring(fd, 'first');
  kernel.bring(other.fd, 0);
  for (let turn = 0; turn < 3; turn += 1) kernel.turn();
  assert.deepEqual(other.told, []);
  other.stream.resume();
  kernel.turn();
  assert.deepEqual(other.told, ['ended']);
});

overBoth('a receive that would block is not made again', (t, edge) => {
  const { kernel, stream, fd, told } = streaming(t, edge);
  kernel.bring(fd, -EAGAIN);
  kernel.turn();
  kernel.turn();
  // The kernel may have said so of a socket that is ready, whose edge is over.
  assert.deepEqual(kernel.calls(), edge ? [`recv ${fd}`, `modify ${fd} read`] : [`recv ${fd}`]);
  stream.pause();
  stream.resume();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [[], []], 'and watched for again once');
  assert.equal(kernel.backend.stats.eagain, 1);
});

overBoth('a receive that is interrupted is made again', (t, edge) => {
  const { kernel, fd, told } = streaming(t, edge);
  kernel.bring(fd, -EINTR, 'hello');
  kernel.turn();
  if (!edge) kernel.ready(fd, Interest.read);
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [['hello'], [`recv ${fd}`, `recv ${fd}`]]);
  assert.equal(kernel.backend.stats.eintr, 1);
});

overBoth('one that gives nothing eight times in a row rests for 10 ms', (t, edge) => {
  for (const code of [EAGAIN, EINTR]) {
    const { kernel, fd, told } = streaming(t, edge);
    const turns = (count: number): number => {
      kernel.calls();
      for (let turn = 0; turn < count; turn += 1) {
        kernel.bring(fd, -code);
        kernel.turn();
      }
      return kernel.calls().filter((call) => call === `recv ${fd}`).length;
    };
    assert.equal(turns(EAGAINS_MAX - 1), EAGAINS_MAX - 1);
    assert.equal(kernel.backend.isQuiet, !edge);
    kernel.receives.set(fd, []);
    kernel.bring(fd, 'hello');
    kernel.turn();
    assert.deepEqual(told, ['hello'], 'that was not in a row');
    assert.equal(turns(20), EAGAINS_MAX);
    kernel.receives.set(fd, []);
    kernel.turn();
    assert.equal(kernel.backend.isQuiet, false);
    kernel.waits();
    kernel.backend.poll(1000);
    assert.deepEqual(kernel.waits(), [`wait ${STALL_MS}`], 'it looks again in time');
    kernel.nowMs += STALL_MS - 1;
    kernel.turn();
    assert.deepEqual(kernel.calls(), []);
    kernel.nowMs += 1;
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.calls(), [`modify ${fd} read`]);
    kernel.bring(fd, 'again');
    kernel.turn();
    assert.deepEqual(told, ['hello', 'again']);
    // Rested, it may try one more time.
    kernel.calls();
    assert.equal(turns(3), 3);
  }
});

overBoth('one that rests does not make another one rest for longer', (t, edge) => {
  const { kernel, fd } = streaming(t, edge);
  const other = streamOn(kernel);
  kernel.turn();
  const startMs = kernel.nowMs;
  for (const one of [fd, other.fd]) {
    for (let turn = 0; turn < EAGAINS_MAX; turn += 1) {
      kernel.bring(one, -EAGAIN);
      kernel.turn();
    }
    kernel.nowMs += STALL_MS - 1;
  }
  kernel.turn();
  kernel.calls();
  kernel.nowMs = startMs + STALL_MS;
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`modify ${fd} read`, `modify ${other.fd} read`]);
});

overBoth('an error ends it, in the same turn', (t, edge) => {
  const { kernel, fd, told } = streaming(t, edge);
  kernel.bring(fd, -ECONNRESET);
  kernel.turn();
  assert.deepEqual(told, [`failed ${ECONNRESET}`, 'closed']);
  assert.deepEqual(kernel.calls(), [`recv ${fd}`, `forget ${fd}`, `close ${fd}`]);
});

overBoth('an error that the poller has consumed is no end', (t, edge) => {
  const { kernel, fd, told } = streaming(t, edge);
  kernel.receives.set(fd, [Buffer.from('before'), 0]);
  kernel.ready(fd, Interest.read, ECONNRESET);
  kernel.turn();
  kernel.ready(fd, Interest.read);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, ['before', `failed ${ECONNRESET}`, 'closed']);
});

overBoth('one that has failed receives nothing, and is told in the next turn', (t, edge) => {
  const { kernel, stream, fd, told } = streaming(t, edge);
  stream.fail(EPIPE);
  stream.fail(ECONNRESET);
  assert.deepEqual([stream.broken, told], [true, []]);
  kernel.bring(fd, 0);
  kernel.turn();
  assert.deepEqual(told, [`failed ${EPIPE}`, 'closed']);
  assert.ok(!kernel.calls().includes(`recv ${fd}`));
});

overBoth('closed in a handler, another one is told nothing of what was received', (t, edge) => {
  const { kernel, fd } = streaming(t, edge, { received: () => other.stream.close() });
  const other = streamOn(kernel);
  const inherited = streamOn(kernel, {}, true, true);
  kernel.turn();
  kernel.calls();
  kernel.bring(fd, 'first');
  kernel.bring(other.fd, 'late');
  kernel.turn();
  assert.deepEqual(other.told, ['closed']);
  assert.equal(kernel.backend.stats.stale, 1);
  assert.deepEqual(kernel.calls().slice(-2), [`forget ${other.fd}`, `close ${other.fd}`]);
  inherited.stream.close();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`deregister ${inherited.fd}`, `close ${inherited.fd}`]);
});
