// Goal: what is over is forgotten, tells its error once and leaves no timer, though its loop goes
// on.
// Method: references that are let go of, a queue over no listener, and deadlines of milliseconds.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type AsyncConnection, EventLoop } from 'sockloop';
import { ConnectionQueue } from '#src/net/async/connection-queue.js';
import { LagProbe } from '#src/net/lag-probe.js';
import { nativeSys } from '#src/sys/native.js';
import { collectGarbage } from '#test/harness/garbage.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { standIn } from '#test/sys/stand-in.js';
import { Outcome, pairOn, portOf, settled, turnOn, until } from './drive.ts';

const native = nativeSys();

/** A connection, a shutdown and a signal that are over, and that nobody else has. */
async function past(loop: EventLoop, signal: AbortSignal): Promise<WeakRef<object>[]> {
  const { server, client } = await pairOn(loop);
  await settled(loop, Promise.all([server.close(), client.close()]));
  const listener = loop.listen({ host: '127.0.0.1', port: 0, signal });
  const shutdown = listener.shutdown();
  await settled(loop, shutdown);
  return [server, client, shutdown, listener].map((object) => new WeakRef(object));
}

test('async: what is over is forgotten by its loop, and by a signal', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const { signal } = new AbortController();
  const refs = await past(loop, signal);
  await turnOn(loop);
  let left = refs;
  for (let attempt = 0; left.length > 0 && attempt < 10; attempt++) {
    await delay(1);
    collectGarbage();
    left = left.filter((ref) => ref.deref() !== undefined);
  }
  assert.equal(left.length, 0);
});

test('async: a shutdown that is done leaves no timer, and its first deadline holds', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  const client = await settled(
    loop,
    loop.connectAsync({ host: '127.0.0.1', port: portOf(listener) }),
  );
  await until(loop, () => listener.connections === 1, 'it is accepted');
  const done = listener.shutdown({ deadlineMs: 20 });
  assert.equal(listener.shutdown({ deadlineMs: 60_000 }), done);
  assert.deepEqual(await settled(loop, done), { ended: 0, reset: 1 });
  await settled(loop, client.close());
  await turnOn(loop);
  assert.equal(loop.alive, false);
});

test('async: of several iterators one throws the error that has ended accepting', async () => {
  const queue = new ConnectionQueue<AsyncConnection>({} as never, () => undefined);
  const [one, other] = [queue.iterate(), queue.iterate()];
  const outcomes = [one.next(), other.next()].map((promise) => new Outcome(promise));
  assert.equal(queue.end(new Error('broken')), true);
  await delay(1);
  const states = outcomes.map(({ state }) => state);
  assert.deepEqual(states, ['rejected broken', 'resolved {"done":true}']);
});

test("async: a part of a line is nobody's once the program has closed it", async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const { server, client } = await pairOn(loop);
  const lines = server.lines();
  const next = new Outcome(lines.next());
  await settled(loop, client.write('a part'));
  await turnOn(loop);
  assert.equal(next.state, 'pending');
  await settled(loop, Promise.all([server.close(), client.close()]));
  await turnOn(loop);
  assert.equal(next.state, 'resolved {"done":true}');
});

test('async: disposal of a connection whose peer has not got everything rejects', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const path = join(scratch(t), 'socket');
  const listener = loop.listen({ path });
  const accepted = listener[Symbol.asyncIterator]().next();
  const client = await settled(loop, loop.connectAsync({ path }));
  const { value: server } = await settled(loop, accepted);
  listener.close();
  const written = new Outcome(client.write(new Uint8Array(4 * 1024 * 1024)));
  await turnOn(loop);
  const running = loop.run();
  const disposed = new Outcome(client[Symbol.asyncDispose]());
  server?.reset();
  await running;
  await delay(1);
  assert.match(written.state, /^rejected cannot /);
  assert.match(disposed.state, /^rejected .*(EPIPE|ECONNRESET)/);
});

test('lag: each time is measured from the one before it', () => {
  let nowMs = 0;
  const probe = new LagProbe(standIn(native, { monotonicMs: () => nowMs }), 1_000_000);
  for (const lateMs of [30, 0, 0]) {
    nowMs += 1_000_000 + lateMs;
    probe.called();
  }
  const { count, sumUs, maxUs } = probe.stats;
  assert.deepEqual([count, sumUs, maxUs], [3, 30_000, 30_000]);
  probe.end();
});

test('lag: a measurement that has ended measures no more', async (t) => {
  leakCheck(t);
  let asked = 0;
  const sys = standIn(native, {
    monotonicMs: () => {
      asked += 1;
      return native.monotonicMs();
    },
  });
  using loop = new EventLoop({ sys, backend: 'poll' });
  loop.measureLag({ everyMs: 1 });
  await delay(10);
  loop.measureLag({ everyMs: null });
  const before = asked;
  await delay(10);
  assert.equal(asked, before);
  loop.measureLag({ everyMs: 1 });
  loop.measureLag({ everyMs: 1_000_000 });
  const again = asked;
  await delay(10);
  assert.equal(asked, again);
});
