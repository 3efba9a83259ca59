// Goal: a stream on a poller sends all bytes once and in order, within the budget of a turn, and
// knows what it has lost.
// Method: the test is the kernel: it sees each call, says what it returns, and what is ready when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { pattern } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel } from './kernel.ts';

const { EINTR, EAGAIN, ENOBUFS } = nativeSys().abi.errno;
const CHUNK = 65_536;
const SENDS_PER_TURN = 16;
const EAGAINS_MAX = 8;

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

overBoth('the sends of a turn are one call, made with the next wait', (t, edge) => {
  const { kernel, stream, fd, told, send } = streaming(t, edge);
  assert.deepEqual([send('hello'), send(', '), send('world')], [0, 0, 0]);
  assert.deepEqual([stream.queuedBytesAtMost, kernel.calls()], [12, []]);
  assert.equal(kernel.backend.isQuiet, false);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`send ${fd} hello, world`]);
  assert.equal(stream.queuedBytesAtMost, 0);
  send('asked');
  assert.equal(stream.queuedBytes, 0);
  assert.deepEqual(kernel.calls(), [`send ${fd} asked`]);
  assert.deepEqual([told, kernel.backend.isQuiet], [[], true]);
});

overBoth('a send behind that of another stream has the first one made', (t, edge) => {
  const { kernel, fd, send } = streaming(t, edge);
  const other = streamOn(kernel);
  send('one');
  other.send('other');
  assert.equal(send('two'), 0);
  kernel.turn();
  assert.deepEqual(
    kernel.calls().filter((call) => call.startsWith('send')),
    [`send ${fd} one`, `send ${other.fd} other`, `send ${fd} two`],
  );
});

overBoth('a copy that lies behind its own bytes is no part of another send', (t, edge) => {
  const { kernel, fd, send } = streaming(t, edge);
  const echo = streamOn(kernel, {
    received: (chunk) => {
      send('one');
      echo.stream.send(chunk, 0, chunk.length);
      send('two');
    },
  });
  kernel.turn();
  kernel.bring(echo.fd, 'echoed');
  kernel.turn();
  kernel.turn();
  assert.deepEqual([kernel.sent.get(echo.fd), kernel.sent.get(fd)], ['echoed', 'onetwo']);
});

overBoth('what a long send has not taken is what goes out later', (t, edge) => {
  const { kernel, stream, fd } = streaming(t, edge);
  const text = pattern(20_000);
  kernel.sends.push(7000);
  assert.equal(stream.send(text, 5, 19_000), 12_000);
  kernel.turn();
  kernel.ready(fd, Interest.write);
  kernel.turn();
  assert.equal(kernel.sent.get(fd), text.toString('latin1', 5, 19_005));
});

overBoth('what the kernel does not take goes out when there is room', (t, edge) => {
  for (const [result, rest] of [
    [1, 'ello'],
    [0, 'hello'],
    [-EAGAIN, 'hello'],
    [-EINTR, 'hello'],
    [-ENOBUFS, 'hello'],
  ] as const) {
    const { kernel, stream, fd, told, send } = streaming(t, edge);
    kernel.sends.push(result);
    send('hello');
    assert.equal(stream.queuedBytes, rest.length);
    assert.equal(send(' world'), rest.length + 6);
    assert.equal(stream.unsentBytes, rest.length + 6);
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.calls(), [`send ${fd} hello`, `modify ${fd} both`]);
    kernel.ready(fd, Interest.write);
    kernel.turn();
    assert.deepEqual(told, ['drained']);
    kernel.turn();
    // The interest changes where it costs: an unwanted report of a level.
    assert.equal(kernel.calls().at(-1), `modify ${fd} read`);
    assert.equal(kernel.sent.get(fd), 'hello world');
    assert.equal(send('!'), 0);
    kernel.turn();
    assert.deepEqual([told, kernel.sent.get(fd)], [['drained'], 'hello world!']);
    const { partialSends, eagain, eintr } = kernel.backend.stats;
    const counts = result > 0 ? [1, 0, 0] : result === -EINTR ? [0, 0, 1] : [0, 1, 0];
    assert.deepEqual([partialSends, eagain, eintr], counts);
  }
});

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

overBoth(
  'a queue is sent 16 chunks a turn, on one report where that is the only one',
  (t, edge) => {
    const { kernel, stream, fd, told } = queued(t, edge, 2 * SENDS_PER_TURN + 3);
    const counts: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      if (turn === 0 || !edge) kernel.ready(fd, Interest.write);
      kernel.turn();
      counts.push(kernel.calls().filter((call) => call === `send ${fd} x*${CHUNK}`).length);
    }
    assert.deepEqual(counts, [SENDS_PER_TURN, SENDS_PER_TURN, 3, 0]);
    assert.deepEqual([told, stream.queuedBytes], [['drained'], 0]);
  },
);

test('edge-triggered stream: a report does not double what a turn sends', (t) => {
  const { kernel, fd } = queued(t, true, 3 * SENDS_PER_TURN);
  kernel.ready(fd, Interest.write);
  kernel.turn();
  kernel.calls();
  kernel.ready(fd, Interest.write);
  kernel.turn();
  const sends = kernel.calls().filter((call) => call === `send ${fd} x*${CHUNK}`);
  assert.equal(sends.length, SENDS_PER_TURN);
});

overBoth('a chunk that is sent in part waits for room again', (t, edge) => {
  const { kernel, stream, fd, told } = queued(t, edge, 3);
  kernel.sends.push(CHUNK, 100);
  kernel.ready(fd, Interest.write);
  kernel.turn();
  kernel.turn();
  const calls = kernel.calls();
  assert.deepEqual(calls.slice(0, 2), [`send ${fd} x*${CHUNK}`, `send ${fd} x*${CHUNK}`]);
  assert.deepEqual(calls.slice(2), edge ? [`modify ${fd} both`] : []);
  assert.equal(stream.queuedBytes, 2 * CHUNK - 100 + 1);
  const idle = streamOn(kernel);
  const closing = streamOn(kernel);
  idle.send('and this');
  closing.stream.close();
  const totals = { streams: 2, queuedBytes: 2 * CHUNK - 100 + 1 + 8 };
  assert.deepEqual(kernel.backend.streamTotals(), totals);
  kernel.turn();
  kernel.turn();
  kernel.calls();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [[], []], 'no report, no call');
  kernel.ready(fd, Interest.write);
  kernel.turn();
  assert.deepEqual([told, kernel.sent.get(fd)?.length], [['drained'], 3 * CHUNK + 1]);
});

overBoth('a queue that the kernel refuses for the moment is tried again', (t, edge) => {
  for (const code of [EAGAIN, ENOBUFS]) {
    const { kernel, fd, told } = queued(t, edge, 1);
    kernel.sends.push(-code);
    kernel.ready(fd, Interest.write);
    kernel.turn();
    kernel.turn();
    const rearmed = edge ? [`modify ${fd} both`] : [];
    assert.deepEqual(kernel.calls(), [`send ${fd} x*${CHUNK}`, ...rearmed]);
    kernel.ready(fd, Interest.write);
    kernel.turn();
    assert.deepEqual(told, ['drained']);
    assert.equal(kernel.backend.stats.eagain, 2);
  }
});

test('edge-triggered stream: a queue that drain() fills again waits for a new edge', (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, true);
  const one = streamOn(kernel, {
    drained: () => {
      if (one.told.length > 1) return;
      kernel.sends.push(-EAGAIN);
      one.send('y', CHUNK);
    },
  });
  kernel.turn();
  kernel.sends.push(-EAGAIN);
  one.send('x', CHUNK);
  kernel.turn();
  kernel.ready(one.fd, Interest.write);
  kernel.turn();
  kernel.calls();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`modify ${one.fd} both`]);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [], 'once');
  kernel.ready(one.fd, Interest.write);
  kernel.turn();
  assert.deepEqual(one.told, ['drained', 'drained']);
});

overBoth('a queued send that is interrupted is made again, eight times in a row', (t, edge) => {
  const { kernel, fd, told } = queued(t, edge, 1);
  kernel.sends.push(-EINTR, -EINTR);
  kernel.ready(fd, Interest.write);
  kernel.turn();
  assert.equal(kernel.calls().filter((call) => call === `send ${fd} x*${CHUNK}`).length, 3);
  assert.deepEqual(told, ['drained']);
  assert.equal(kernel.backend.stats.eintr, 2);

  const other = queued(t, edge, 1);
  other.kernel.sends.push(...new Array(50).fill(-EINTR));
  other.kernel.ready(other.fd, Interest.write);
  other.kernel.turn();
  const sends = other.kernel.calls().filter((call) => call.startsWith('send')).length;
  assert.equal(sends, 1 + EAGAINS_MAX);
  assert.equal(other.kernel.backend.isQuiet, false, 'it rests');
  other.kernel.sends.length = 0;
  other.kernel.nowMs += 10;
  other.kernel.turn();
  other.kernel.turn();
  assert.deepEqual(other.kernel.calls(), [`modify ${other.fd} none`, `modify ${other.fd} both`]);
  other.kernel.ready(other.fd, Interest.write);
  other.kernel.turn();
  assert.deepEqual(other.told, ['drained']);
});

overBoth('one that rests because of its sends receives nothing in that turn', (t, edge) => {
  const { kernel, fd, told } = queued(t, edge, 1);
  for (let turn = 1; turn < EAGAINS_MAX; turn += 1) {
    kernel.sends.push(-EAGAIN);
    kernel.ready(fd, Interest.write);
    kernel.turn();
  }
  assert.equal(kernel.backend.isQuiet, !edge);
  kernel.calls();
  // A kqueue reports both one by one.
  kernel.sends.push(-EAGAIN);
  kernel.ready(fd, Interest.write);
  kernel.bring(fd, 'hello');
  kernel.turn();
  assert.ok(!kernel.calls().includes(`recv ${fd}`));
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [[], [`modify ${fd} none`]]);
});

overBoth('bytes that are sent are a new beginning for what gives nothing', (t, edge) => {
  for (const how of ['short', 'queued'] as const) {
    const one = how === 'short' ? streaming(t, edge) : queued(t, edge, 1);
    const { kernel, fd, send } = one;
    const nothing = (turns: number): void => {
      for (let turn = 0; turn < turns; turn += 1) {
        kernel.bring(fd, -EAGAIN);
        kernel.turn();
      }
    };
    nothing(EAGAINS_MAX - 1);
    kernel.sends.push(1);
    if (how === 'short') send('hello');
    else kernel.ready(fd, Interest.write);
    kernel.turn();
    nothing(EAGAINS_MAX - 1);
    kernel.turn();
    assert.equal(kernel.backend.isQuiet, true, how);
    nothing(1);
    kernel.turn();
    assert.equal(kernel.backend.isQuiet, false, how);
  }
});
