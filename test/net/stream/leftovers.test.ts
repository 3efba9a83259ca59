// Goal: a connect or a listener that has ended, in whatever way, leaves no timer, no signal and no
// descriptor, and tells once what there is to tell.
// Method: calls of the kernel that fail as they are told, lookups that are made up.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type TestContext, test } from 'node:test';
import { EventLoop } from 'sockloop';
import { createConnection } from 'sockloop/socket';
import { createBackend } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();
const { EAGAIN, ECONNREFUSED, EINVAL = 22, EMFILE } = native.abi.errno;
const TURNS_MAX = 2000;
const silent = { host: '127.0.0.1', port: 0, handlers: {} } as const;

/** A loop over poll(2), with some calls replaced. */
function loopWith(
  t: TestContext,
  own: Partial<Sys> = {},
  limit = { fd: Number.POSITIVE_INFINITY },
): EventLoop {
  leakCheck(t);
  const sys = standIn(native, own);
  const backend = createBackend('poll', sys);
  Object.defineProperty(backend, 'fdLimit', { get: () => limit.fd });
  const loop = new EventLoop({ sys, backend });
  t.after(() => loop.close());
  return loop;
}

function until(loop: EventLoop, done: () => boolean): void {
  for (let turn = 0; !done(); turn++) {
    assert.ok(turn < TURNS_MAX, 'waited in vain');
    loop.turn(1);
  }
}

/** Two calls of accept(2) by these names. */
function accepting(result: (real: () => number) => number): Partial<Sys> {
  return {
    accept4: (...args) => result(() => native.accept4(...args)),
    accept: (...args) => result(() => native.accept(...args)),
  };
}

test('connect: one that is over leaves neither timer nor signal', (t) => {
  const loop = loopWith(t);
  const listener = loop.listen(silent);
  const { signal } = new AbortController();
  let isOpen = false;
  loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    timeoutMs: 60_000,
    signal,
    handlers: {
      open: (connection) => {
        isOpen = true;
        connection.reset();
      },
    },
  });
  until(loop, () => isOpen);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  listener.close();
  until(loop, () => !loop.alive);
});

test('connect: a look-up that is cancelled, or that has failed, holds nothing', async (t) => {
  const loop = loopWith(t);
  const cancelled = loop.connect({
    ...silent,
    host: 'name',
    port: 1,
    lookup: () => undefined,
    onError: () => assert.fail('it was cancelled'),
  });
  cancelled.cancel();
  assert.equal(loop.alive, false);
  const errors: string[] = [];
  loop.connect({
    ...silent,
    host: 'name',
    port: 1,
    lookup: (_, done) => done(new Error('no such name'), []),
    onError: (error) => errors.push(error.message),
  });
  until(loop, () => errors.length > 0);
  assert.equal(loop.alive, false);
  // Nothing of it keeps the process in its run.
  await loop.run();
});

test('connect: a look-up that answers twice is heard once', (t) => {
  const loop = loopWith(t);
  const listener = loop.listen(silent);
  let opened = 0;
  loop.connect({
    host: 'name',
    port: portOf(listener),
    lookup: (_, done) => {
      done(null, ['127.0.0.1']);
      done(null, ['127.0.0.1']);
    },
    handlers: {
      open: (connection) => {
        opened += 1;
        connection.end();
      },
    },
  });
  until(loop, () => opened > 0 && listener.connections === 0);
  assert.deepEqual([opened, listener.stats.accepted], [1, 1]);
  listener.close();
  until(loop, () => !loop.alive);
});

test('connect: a descriptor that the loop cannot hold is closed', (t) => {
  const loop = loopWith(t, {}, { fd: 0 });
  const errors: Error[] = [];
  loop.connect({ ...silent, port: 1, onError: (error) => errors.push(error) });
  until(loop, () => errors.length > 0);
  assert.match(String(errors[0]), /^RangeError: the loop poll holds descriptors below 0/);
});

test('connect: a UNIX listener that is full, and then gone, ends it', (t) => {
  let calls = 0;
  const loop = loopWith(t, {
    connect: () => {
      calls += 1;
      return calls <= 2 ? -EAGAIN : -ECONNREFUSED;
    },
  });
  const errors: string[] = [];
  loop.connect({
    path: '/nowhere/socket',
    handlers: {},
    onError: (error) => errors.push((error as Error & { code: string }).code),
  });
  until(loop, () => errors.length > 0);
  assert.deepEqual([calls, errors, loop.alive], [3, ['ECONNREFUSED'], false]);
});

test('listener: closed while it rests without descriptors, it leaves no timer', (t) => {
  const loop = loopWith(
    t,
    accepting(() => -EMFILE),
  );
  const errors: string[] = [];
  const { signal } = new AbortController();
  const listener = loop.listen({
    ...silent,
    signal,
    onError: (error) => errors.push((error as Error & { code: string }).code),
  });
  using client = createConnection({ host: '127.0.0.1', port: portOf(listener) });
  until(loop, () => errors.length > 0);
  listener.close();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  loop.turn(0);
  assert.deepEqual([errors, loop.alive], [['EMFILE'], false]);
  client.close();
});

test('listener: connections that the loop cannot hold are turned away, which is told once', (t) => {
  const limit = { fd: Number.POSITIVE_INFINITY };
  const loop = loopWith(t, {}, limit);
  const errors: Error[] = [];
  const listener = loop.listen({ ...silent, onError: (error) => errors.push(error) });
  limit.fd = 3;
  for (let count = 1; count <= 2; count++) {
    using _client = createConnection({ host: '127.0.0.1', port: portOf(listener) });
    until(loop, () => listener.stats.shed === count);
  }
  assert.equal(errors.length, 1);
  assert.match(String(errors[0]), /holds descriptors below 3/);
  listener.close();
});

test('listener: its figures are those of its connections', (t) => {
  const loop = loopWith(t);
  const listener = loop.listen({
    ...silent,
    handlers: { data: (connection) => connection.end('an answer') },
  });
  using client = createConnection({ host: '127.0.0.1', port: portOf(listener) });
  client.sendAll('hi');
  client.shutdown('write');
  until(loop, () => listener.stats.closed === 1);
  const { accepted, broken, bytesReceived, bytesSent } = listener.stats;
  assert.deepEqual([accepted, broken, bytesReceived, bytesSent], [1, 0, 2, 9]);
  listener.close();
});

test('listener: those that wait for a PROXY header count to maxConnections', (t) => {
  const loop = loopWith(t);
  let opened = 0;
  const listener = loop.listen({
    ...silent,
    maxConnections: 1,
    proxyProtocol: { from: ['127.0.0.1'] },
    handlers: {
      open: () => {
        opened += 1;
      },
    },
  });
  const port = portOf(listener);
  const waiting = createConnection({ host: '127.0.0.1', port });
  for (let turn = 0; turn < 5; turn++) loop.turn(1);
  using next = createConnection({ host: '127.0.0.1', port });
  next.sendAll('PROXY UNKNOWN\r\n');
  for (let turn = 0; turn < 5; turn++) loop.turn(1);
  assert.equal(opened, 0, 'it waits in the queue of listen(2)');
  waiting.close();
  until(loop, () => opened === 1);
  listener.close();
});

test('listener: an error that an iterator throws is not one of the loop as well', async (t) => {
  leakCheck(t);
  const sys = standIn(
    native,
    accepting(() => -EINVAL),
  );
  const heard: unknown[] = [];
  const backend = createBackend('poll', sys);
  using loop = new EventLoop({ sys, backend, onHandlerError: (error) => void heard.push(error) });
  const listener = loop.listen({ host: '127.0.0.1', port: 0 });
  const next = listener[Symbol.asyncIterator]().next();
  using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
  const running = loop.run();
  await assert.rejects(next, { code: 'EINVAL' });
  await running;
  assert.deepEqual(heard, []);
  client.close();
});
