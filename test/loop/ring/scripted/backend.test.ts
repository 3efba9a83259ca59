// Goal: the loop on io_uring waits as long as it may, returns each buffer once the kernel has done
// with it, and keeps the budgets of a turn, whatever the kernel takes, holds back or never ends.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Operation } from '#src/loop/ring/handle.js';
import { BUFFERS_AT_FIRST } from '#src/ring/limits.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { connectOn, listenOn, streamOn } from '../../scripted-sinks.ts';
import { COMPLETIONS, ScriptedKernel, withoutRings as skip } from './kernel.ts';

const { EINTR, EAGAIN, EINVAL, EBUSY = 16, ENOBUFS, ECANCELED = 125 } = nativeSys().abi.errno;
const WAKE = 'poll 200000 in';
const OVERFLOW_ROUNDS_MAX = 16;
const WAKE_PERIOD_MS = 500;

test('ring backend: it waits as long as it is told to, if nothing is left to do', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const { backend } = kernel;
  const waits = (timeoutMs: number | null): string[] => {
    kernel.waits();
    backend.poll(timeoutMs);
    return kernel.waits();
  };
  assert.deepEqual(waits(20), ['20 ms']);
  assert.deepEqual(waits(1.25), ['1.25 ms']);
  assert.deepEqual(waits(20), ['20 ms']);
  assert.deepEqual(waits(null), ['for ever']);
  assert.deepEqual(waits(0), ['at once']);
  assert.equal(backend.isQuiet, true);
  const { stream, told, fd } = streamOn(kernel);
  assert.equal(backend.isQuiet, false, 'a receive is to be submitted');
  assert.deepEqual(waits(20), ['20 ms'], 'together with the wait');
  assert.equal(backend.isQuiet, true);
  stream.pause();
  kernel.bring(fd, Buffer.from('held'), { more: true });
  assert.deepEqual(waits(20), ['20 ms']);
  assert.equal(backend.isQuiet, false);
  assert.deepEqual(waits(20), ['20 ms']);
  stream.resume();
  assert.equal(backend.isQuiet, false, 'held bytes are to be told');
  assert.deepEqual(waits(20), ['at once']);
  assert.deepEqual(told, ['held']);
  assert.deepEqual(waits(20), ['at once'], 'and whether there are more');
  kernel.complete(`recv ${fd}`, -ECANCELED);
  backend.poll(0);
  backend.poll(0);
  stream.close();
  backend.poll(0);
  kernel.complete(`recv ${fd}`, -ECANCELED);
  assert.deepEqual(waits(20), ['20 ms']);
  assert.deepEqual([backend.isQuiet, backend.active], [false, 1], 'it is to be closed');
  assert.deepEqual(waits(20), ['at once']);
  backend.closePhase();
  assert.deepEqual([backend.isQuiet, backend.active, told.at(-1)], [true, 0, 'closed']);
});

test('ring backend: a handle that could not be submitted is not waited with', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  kernel.turn();
  for (let stream = 0; stream < 12; stream += 1) streamOn(kernel);
  kernel.takes = 0;
  kernel.waits();
  kernel.backend.poll(20);
  assert.equal(kernel.waits().at(-1), 'at once');
  assert.equal(kernel.backend.isQuiet, false);
});

test('ring backend: a periodic timeout ends long waits, if there is one', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const { backend } = kernel;
  const waits = (timeoutMs: number | null): string[] => {
    kernel.waits();
    backend.poll(timeoutMs);
    return [...kernel.waits(), ...kernel.ownInFlight.filter((what) => what !== WAKE)];
  };
  assert.deepEqual(waits(WAKE_PERIOD_MS - 1), ['499 ms']);
  assert.deepEqual(waits(WAKE_PERIOD_MS), ['for ever', 'timeout of 500 ms']);
  assert.deepEqual(waits(10 * WAKE_PERIOD_MS), ['for ever', 'timeout of 500 ms'], 'the same one');
  kernel.complete('timeout of 500 ms', -62, { more: true });
  assert.deepEqual(waits(WAKE_PERIOD_MS), ['for ever', 'timeout of 500 ms']);
  kernel.complete('timeout of 500 ms', -62);
  assert.deepEqual(waits(0), ['at once']);
  assert.deepEqual(waits(WAKE_PERIOD_MS), ['for ever', 'timeout of 500 ms'], 'a new one');
  kernel.complete('timeout of 500 ms', -EINVAL);
  assert.deepEqual(waits(0), ['at once']);
  assert.deepEqual(waits(WAKE_PERIOD_MS), ['500 ms'], 'an old kernel has none');
  assert.deepEqual(waits(WAKE_PERIOD_MS), ['500 ms']);
  assert.equal(backend.isQuiet, true);
});

test('ring backend: the waker is polled again once it has woken', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.ownInFlight, [WAKE]);
  kernel.complete(WAKE, 1);
  kernel.turn();
  assert.deepEqual([kernel.ownInFlight, kernel.reads], [[], 1]);
  kernel.turn();
  assert.deepEqual([kernel.ownInFlight, kernel.reads], [[WAKE], 1]);
  assert.deepEqual(kernel.backend.fds().toSorted(), [1000, 200_000]);
  const { reports, stale } = kernel.backend.stats;
  assert.deepEqual([reports, stale], [0, 0]);
});

test('ring backend: a buffer is free again when its send is done', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const echo = streamOn(kernel, { received: (chunk) => echo.stream.send(chunk, 0, chunk.length) });
  const deaf = streamOn(kernel);
  kernel.turn();
  assert.equal(kernel.buffersFree, BUFFERS_AT_FIRST);
  kernel.bring(deaf.fd, Buffer.from('unheard'), { more: true });
  kernel.bring(echo.fd, Buffer.from('hello'), { more: true });
  kernel.turn();
  assert.equal(kernel.buffersFree, BUFFERS_AT_FIRST - 2, 'given back with the next call');
  kernel.takes = 0;
  kernel.turn();
  kernel.turn();
  assert.equal(kernel.buffersFree, BUFFERS_AT_FIRST - 2, 'the send was not taken');
  assert.equal(kernel.backend.isQuiet, false);
  kernel.takes = 8;
  kernel.turn();
  assert.equal(kernel.buffersFree, BUFFERS_AT_FIRST);
  assert.equal(Buffer.concat(kernel.sent.get(echo.fd) ?? []).toString(), 'hello');
});

test('ring backend: 100,000 chunks use each buffer in its turn', { skip, timeout: 60_000 }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  let bytes = 0;
  const { fd } = streamOn(kernel, { received: (chunk) => (bytes += chunk[0] ?? 0) });
  kernel.turn();
  const per = COMPLETIONS - 1;
  const turns = Math.ceil(100_000 / per);
  for (let turn = 0; turn < turns; turn += 1) {
    for (let chunk = 0; chunk < per; chunk += 1) kernel.bring(fd, Buffer.of(3), { more: true });
    kernel.turn();
    assert.ok(kernel.buffersFree >= BUFFERS_AT_FIRST - per);
  }
  assert.equal(bytes, 3 * per * turns);
});

test('ring backend: receives without a buffer come first, and find more of them', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const [first, second, third] = [streamOn(kernel), streamOn(kernel), streamOn(kernel)];
  kernel.turn();
  kernel.asked();
  kernel.complete(`recv ${first.fd}`, -EINTR);
  kernel.complete(`recv ${second.fd}`, -ENOBUFS);
  kernel.complete(`recv ${third.fd}`, -ENOBUFS);
  kernel.backend.poll(0);
  assert.equal(kernel.backend.stats.outOfBuffers, 2);
  assert.equal(kernel.buffersFree, 2 * BUFFERS_AT_FIRST);
  assert.equal(kernel.backend.isQuiet, false);
  kernel.turn();
  assert.deepEqual(
    kernel.asked().map((what) => Number(what.split(' ')[1])),
    [second.fd, third.fd, first.fd],
  );
  assert.equal(kernel.backend.isQuiet, true);
  kernel.waits();
  kernel.backend.poll(20);
  assert.deepEqual(kernel.waits(), ['20 ms']);
  for (let grown = 0; grown < 4; grown += 1) {
    kernel.complete(`recv ${first.fd}`, -ENOBUFS);
    kernel.turn();
    kernel.turn();
  }
  assert.equal(kernel.buffersFree, 256, 'and no more than there may be');
});

test('ring backend: a turn fetches 16 times what was held back', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const { fd, told } = listenOn(kernel);
  kernel.turn();
  const count = 40 * COMPLETIONS;
  for (let one = 0; one < count; one += 1) {
    kernel.complete(`accept ${fd}`, 500_000 + one, { more: true });
  }
  const rounds: [number, number][] = [];
  while (told.length < count) {
    const before = told.length;
    kernel.waits();
    kernel.turn();
    rounds.push([kernel.waits().length, told.length - before]);
  }
  const turn = 1 + OVERFLOW_ROUNDS_MAX;
  assert.deepEqual(rounds.slice(0, 2), [
    [turn, turn * COMPLETIONS],
    [turn, turn * COMPLETIONS],
  ]);
  assert.equal(rounds.length, 3);
  assert.equal(kernel.backend.stats.overflows, 3);
  assert.deepEqual(
    told,
    [...told.keys()].map((one) => `${500_000 + one}`),
  );
});

test('ring backend: completions of nobody are dropped and counted', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  kernel.turn();
  for (const kind of [Operation.accept, Operation.send, Operation.sendNow, Operation.poll]) {
    kernel.stray(kind, 7);
  }
  kernel.stray(Operation.receive, 0);
  kernel.stray(Operation.none, 0);
  kernel.turn();
  const { stale, reports } = kernel.backend.stats;
  assert.deepEqual([stale, reports], [5, 0]);
  // The buffer of a receive that nobody wants is the kernel's again.
  const { fd, stream } = streamOn(kernel);
  kernel.turn();
  kernel.bring(fd, Buffer.from('x'), { more: true, stray: true });
  kernel.turn();
  kernel.turn();
  assert.deepEqual([kernel.backend.stats.stale, kernel.buffersFree], [6, BUFFERS_AT_FIRST]);
  stream.close();
});

test('ring backend: a handler that throws delays the others by a turn', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const angry = streamOn(kernel, {
    received: (chunk) => {
      angry.stream.send(chunk, 0, chunk.length);
      throw new Error('a handler');
    },
  });
  const calm = streamOn(kernel);
  kernel.turn();
  kernel.bring(angry.fd, Buffer.from('one'), { more: true });
  kernel.bring(calm.fd, Buffer.from('two'), { more: true });
  assert.throws(() => kernel.turn(), /a handler/);
  assert.deepEqual([angry.told, calm.told], [['one'], []]);
  kernel.turn();
  assert.deepEqual([angry.told, calm.told], [['one'], ['two']]);
  kernel.turn();
  assert.equal(kernel.buffersFree, BUFFERS_AT_FIRST);
  assert.equal(Buffer.concat(kernel.sent.get(angry.fd) ?? []).toString(), 'one');
});

test('ring backend: a send ahead of close is submitted, and what it lost is known', {
  skip,
}, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const { stream, fd, send, told } = streamOn(kernel);
  kernel.turn();
  kernel.complete(`recv ${fd}`, 0);
  kernel.turn();
  kernel.asked();
  kernel.onSendNow = () => 2;
  send('farewell');
  stream.close();
  assert.deepEqual(kernel.asked(), [`sendNow ${fd} farewell`]);
  kernel.turn();
  assert.deepEqual(told, ['ended', 'closed']);
  assert.equal(stream.unsentBytes, 6);

  const stuck = streamOn(kernel);
  kernel.turn();
  kernel.complete(`recv ${stuck.fd}`, 0);
  kernel.turn();
  kernel.takes = -EAGAIN;
  stuck.send('secret');
  stuck.stream.close();
  kernel.backend.closePhase();
  kernel.backend.closePhase();
  assert.ok(!kernel.calls.includes(`close ${stuck.fd}`), 'the number could be reused');
  assert.equal(kernel.backend.active, 1);
  kernel.takes = 8;
  kernel.backend.closePhase();
  assert.equal(kernel.calls.at(-1), `close ${stuck.fd}`);
  kernel.asked();
  // Nothing is stuck any more.
  const last = streamOn(kernel);
  const other = streamOn(kernel);
  kernel.takes = -EBUSY;
  other.send('later');
  last.stream.close();
  kernel.backend.closePhase();
  assert.equal(kernel.calls.at(-1), `close ${last.fd}`);
});

test('ring backend: it gives up on operations that never end', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const { fd, told } = streamOn(kernel);
  const { fd: listener } = listenOn(kernel);
  const { fd: connect } = connectOn(kernel, Uint8Array.of(1));
  kernel.turn();
  kernel.asked();
  kernel.endsNothing = true;
  const startMs = kernel.nowMs;
  kernel.backend.destroy();
  const tookMs = kernel.nowMs - startMs;
  assert.ok(tookMs >= 1000 && tookMs < 1100, `${tookMs} ms`);
  const asked = kernel.asked();
  assert.equal(asked.length, 4);
  assert.equal(new Set(asked).size, 4, 'each is cancelled once, and all together');
  for (const one of [fd, listener, connect, 300_000, 1000, 200_000]) {
    assert.equal(kernel.calls.filter((call) => call === `close ${one}`).length, 1, `${one}`);
  }
  assert.deepEqual([told, kernel.backend.active], [[], 0]);
  assert.throws(() => kernel.backend.poll(0), /closed/);
  const calls = kernel.calls.length;
  kernel.backend.destroy();
  kernel.backend.wake();
  assert.equal(kernel.calls.length, calls);
});

test('ring backend: destroyed in a handler, it ends when the handler has', { skip }, (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  const other = streamOn(kernel);
  const one = streamOn(kernel, {
    received: () => {
      one.send('last words');
      kernel.backend.destroy();
      assert.deepEqual(kernel.calls, []);
    },
  });
  kernel.turn();
  kernel.bring(one.fd, Buffer.from('x'), { more: true });
  kernel.bring(other.fd, Buffer.from('y'), { more: true });
  kernel.backend.poll(0);
  assert.deepEqual([one.told, other.told], [['x'], []]);
  assert.equal(Buffer.concat(kernel.sent.get(one.fd) ?? []).toString(), 'last words');
  assert.ok(kernel.calls.includes(`close ${one.fd}`) && kernel.calls.includes('close 1000'));
});
