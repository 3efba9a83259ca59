// Goal: connects and watches on a poller are told of once, share a descriptor, and leave nothing
// behind; what a turn has left out is made up for.
// Method: the test is the kernel: it sees each call, says what it returns, and what is ready when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { connectOn, listenOn, streamOn, watchOn } from '../../scripted-sinks.ts';
import { ScriptedKernel } from './kernel.ts';

const { EINTR, EAGAIN, EINPROGRESS, ECONNREFUSED, ENOSPC = 28, EPIPE } = nativeSys().abi.errno;
const ADDRESS = Uint8Array.of(2, 0);
const { read, write, both } = Interest;

function kernelOf(t: TestContext, edge = true): ScriptedKernel {
  leakCheck(t);
  return new ScriptedKernel(t, edge);
}

test('connect: what is known at once is told in the next turn', (t) => {
  for (const [result, told] of [
    [0, 'connected'],
    [-ECONNREFUSED, `failed ${ECONNREFUSED}`],
    [-EAGAIN, `failed ${EAGAIN}`],
  ] as const) {
    const kernel = kernelOf(t);
    kernel.connects.push(result);
    const connect = connectOn(kernel, ADDRESS);
    assert.deepEqual([connect.told, kernel.backend.isQuiet], [[], false]);
    kernel.turn();
    kernel.turn();
    const expected = result === 0 ? [`connected ${connect.fd}`] : [told, 'closed'];
    assert.deepEqual(connect.told, expected);
    assert.equal(kernel.backend.active, 0);
    assert.equal(kernel.calls().includes(`close ${connect.fd}`), result !== 0);
  }
});

test('connect: what takes a while is told when it is writable', (t) => {
  for (const first of [EINPROGRESS, EINTR]) {
    for (const [error, reported, told] of [
      [0, 0, 'connected'],
      [ECONNREFUSED, 0, `failed ${ECONNREFUSED}`],
      // A poller may have taken the error.
      [0, ECONNREFUSED, `failed ${ECONNREFUSED}`],
    ] as const) {
      const kernel = kernelOf(t);
      kernel.connects.push(-first);
      const connect = connectOn(kernel, ADDRESS);
      kernel.turn();
      assert.deepEqual(kernel.calls(), [`connect ${connect.fd}`, `register ${connect.fd} write`]);
      kernel.turn();
      assert.deepEqual([connect.told, kernel.backend.active], [[], 1]);
      kernel.pendingError = error;
      kernel.ready(connect.fd, write, reported);
      kernel.turn();
      const ok = told === 'connected';
      assert.deepEqual(connect.told, ok ? [`connected ${connect.fd}`] : [told, 'closed']);
      const gone = ok
        ? [`deregister ${connect.fd}`]
        : [`forget ${connect.fd}`, `close ${connect.fd}`];
      assert.deepEqual(kernel.calls(), gone);
      assert.equal(kernel.backend.active, 0);
    }
  }
});

test('connect: one that is closed, or that the poller refuses', (t) => {
  const kernel = kernelOf(t);
  kernel.connects.push(-EINPROGRESS, -EINPROGRESS, 0);
  const closed = connectOn(kernel, ADDRESS);
  kernel.turn();
  closed.operation.close();
  closed.operation.close();
  assert.deepEqual(closed.told, []);
  kernel.turn();
  assert.deepEqual(closed.told, ['closed']);
  kernel.refusal = ENOSPC;
  const refused = connectOn(kernel, ADDRESS);
  const done = connectOn(kernel, ADDRESS);
  kernel.turn();
  assert.deepEqual(refused.told, [`failed ${ENOSPC}`, 'closed']);
  assert.deepEqual(done.told, [`connected ${done.fd}`], 'its outcome was known');
});

test('watch: each interest is told, and changes with the next wait', (t) => {
  const kernel = kernelOf(t);
  const { watch, fd, told } = watchOn(kernel, read);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`register ${fd} read`]);
  kernel.ready(fd, read);
  kernel.turn();
  watch.modify(read);
  watch.modify(both);
  assert.deepEqual([told, kernel.calls()], [[read], []]);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`modify ${fd} both`]);
  kernel.ready(fd, both);
  kernel.turn();
  assert.deepEqual(told, [read, both]);
  watch.unwatch();
  watch.unwatch();
  watch.modify(write);
  assert.deepEqual([kernel.calls(), kernel.backend.active], [[`deregister ${fd}`], 0]);
  kernel.turn();
  assert.deepEqual([kernel.calls(), told.length], [[], 2]);
});

test('watch: several of a descriptor share it, each with its own interest', (t) => {
  const kernel = kernelOf(t);
  const stream = streamOn(kernel);
  kernel.turn();
  const { fd } = stream;
  assert.deepEqual(kernel.calls(), [`register ${fd} read edge`]);
  const writes = watchOn(kernel, write, fd);
  const nothing = watchOn(kernel, Interest.none, fd);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`deregister ${fd}`, `register ${fd} both`]);
  assert.equal(kernel.backend.active, 3);
  kernel.receives.set(fd, [Buffer.from('hello')]);
  kernel.ready(fd, read);
  kernel.turn();
  assert.deepEqual([stream.told, writes.told, nothing.told], [['hello'], [], []]);
  kernel.ready(fd, write);
  kernel.turn();
  assert.deepEqual([stream.told.length, writes.told, nothing.told], [1, [write], []]);
  kernel.calls();
  stream.stream.pause();
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`modify ${fd} write`], 'by its level now');
  stream.stream.resume();
  kernel.turn();
  writes.watch.unwatch();
  kernel.turn();
  kernel.turn();
  assert.ok(kernel.calls().includes(`modify ${fd} read`));
  assert.equal(kernel.backend.active, 2);
  // The others end with the stream.
  stream.stream.close();
  kernel.turn();
  assert.equal(kernel.backend.active, 0);
  assert.ok(kernel.calls().includes(`forget ${fd}`));
  nothing.watch.modify(both);
  nothing.watch.unwatch();
  kernel.turn();
  assert.deepEqual(kernel.calls(), []);
});

test('watch: one that a callback ends or adds is not told of the same report', (t) => {
  const kernel = kernelOf(t);
  const fd = kernel.newFd();
  const told: string[] = [];
  const watches = ['first', 'second', 'third'].map((name) =>
    kernel.backend.watch(fd, read, {
      ready: () => {
        told.push(name);
        if (name !== 'first' || told.length > 1) return;
        watches[0]?.unwatch();
        watches[1]?.unwatch();
        kernel.backend.watch(fd, read, { ready: () => told.push('new') });
      },
    }),
  );
  kernel.turn();
  kernel.ready(fd, read);
  kernel.turn();
  assert.deepEqual(told, ['first', 'third']);
  kernel.turn();
  kernel.ready(fd, read);
  kernel.turn();
  assert.deepEqual(told, ['first', 'third', 'third', 'new']);
});

test('watch: those of a number end when it has a new owner', (t) => {
  const kernel = kernelOf(t);
  const { watch, fd, told } = watchOn(kernel, read);
  const other = watchOn(kernel, write, fd);
  kernel.turn();
  kernel.calls();
  kernel.newFdIs(fd);
  const { stream } = listenAt(kernel, fd);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`deregister ${fd}`, `register ${fd} read`]);
  watch.modify(both);
  other.watch.unwatch();
  kernel.turn();
  kernel.ready(fd, read);
  kernel.turn();
  assert.deepEqual([told, other.told, kernel.backend.active], [[], [], 1]);
  stream.close();
});

function listenAt(kernel: ScriptedKernel, fd: number) {
  const { acceptance } = listenOn(kernel);
  assert.equal(acceptance.fd, fd);
  return { stream: acceptance };
}

test('turn: it waits as long as it is told to, if nothing is left to do', (t) => {
  const kernel = kernelOf(t);
  const { backend } = kernel;
  const waits = (timeoutMs: number | null): string[] => {
    kernel.waits();
    backend.poll(timeoutMs);
    return kernel.waits();
  };
  assert.deepEqual([waits(20), waits(null), waits(0)], [['wait 20'], ['wait -1'], ['wait 0']]);
  const { stream, fd } = streamOn(kernel);
  assert.equal(backend.isQuiet, false);
  assert.deepEqual(waits(20), ['wait 20']);
  stream.fail(EPIPE);
  assert.deepEqual(waits(20), ['wait 0'], 'a report waits');
  assert.deepEqual(waits(20), ['wait 0'], 'and a close');
  backend.closePhase();
  assert.deepEqual([waits(20), backend.isQuiet, fd > 0], [['wait 20'], true, true]);
});

test('turn: a short write does not keep it from its wait', (t) => {
  const kernel = kernelOf(t);
  const { send, fd } = streamOn(kernel);
  kernel.turn();
  send('hello');
  kernel.sends.push(2);
  kernel.waits();
  kernel.backend.poll(20);
  assert.deepEqual(kernel.waits(), ['wait 20']);
  assert.equal(kernel.sent.get(fd), 'he');
});

test('turn: more receives than there are buffers are all made', (t) => {
  const kernel = kernelOf(t);
  const streams = Array.from({ length: 150 }, () => streamOn(kernel));
  kernel.turn();
  for (const { fd } of streams) kernel.bring(fd, `for ${fd}`);
  kernel.turn();
  for (const { fd, told } of streams) assert.deepEqual(told, [`for ${fd}`]);
  // An echo is sent from the buffer before that is used again.
  const echoes = Array.from({ length: 150 }, () => {
    const echo = streamOn(kernel, {
      received: (chunk) => void echo.stream.send(chunk, 0, chunk.length),
    });
    return echo;
  });
  kernel.turn();
  for (let round = 0; round < 2; round += 1) {
    for (const { fd } of echoes) kernel.bring(fd, `${round} to ${fd};`);
    kernel.turn();
  }
  kernel.turn();
  for (const { fd } of echoes) assert.equal(kernel.sent.get(fd), `0 to ${fd};1 to ${fd};`);
});

test('turn: a handler that throws delays the others by a turn', (t) => {
  const kernel = kernelOf(t);
  const angry = streamOn(kernel, {
    received: () => {
      throw new Error('a handler');
    },
  });
  const calm = streamOn(kernel);
  const { fd, told } = listenOn(kernel);
  const idle = listenOn(kernel);
  kernel.turn();
  kernel.bring(angry.fd, 'one');
  kernel.bring(calm.fd, 'two');
  kernel.ready(fd, read);
  kernel.ready(idle.fd, read);
  kernel.accepts.push(7001);
  assert.throws(() => kernel.turn(), /a handler/);
  assert.deepEqual([calm.told, told], [[], []]);
  assert.ok(kernel.backend.fds().includes(7001));
  assert.ok(kernel.backend.fds().every((one) => one >= 0));
  kernel.waits();
  kernel.backend.poll(20);
  assert.deepEqual(kernel.waits(), ['wait 0']);
  assert.deepEqual([calm.told, told], [['two'], ['7001']]);
});

test('turn: a closed() that throws closes none of the others twice', (t) => {
  const kernel = kernelOf(t);
  const streams = [1, 2, 3].map((number) =>
    streamOn(kernel, {
      closed: () => {
        if (number === 1) throw new Error('a handler');
      },
    }),
  );
  kernel.turn();
  for (const { stream } of streams) stream.close();
  kernel.calls();
  assert.throws(() => kernel.turn(), /a handler/);
  assert.equal(kernel.backend.active, 2);
  kernel.turn();
  kernel.turn();
  const closes = kernel.calls().filter((call) => call.startsWith('close'));
  assert.deepEqual(
    closes,
    streams.map(({ fd }) => `close ${fd}`),
  );
  assert.deepEqual(
    streams.map(({ told }) => told),
    [['closed'], ['closed'], ['closed']],
  );
});

test('turn: destroyed, everything is closed once, and what was accepted as well', (t) => {
  const kernel = kernelOf(t);
  const { send, fd } = streamOn(kernel, {
    received: () => {
      send('last words');
      kernel.backend.destroy();
    },
  });
  const listener = listenOn(kernel);
  kernel.turn();
  kernel.bring(fd, 'x');
  kernel.ready(listener.fd, read);
  kernel.accepts.push(7001);
  kernel.calls();
  kernel.backend.poll(0);
  assert.equal(kernel.sent.get(fd), 'last words');
  const closes = kernel.calls().filter((call) => call.startsWith('close'));
  const expected = [7001, fd, listener.fd, 300_000].map((one) => `close ${one}`);
  assert.deepEqual(closes.toSorted(), expected.toSorted());
  assert.deepEqual([listener.told, kernel.backend.active], [[], 0]);
});
