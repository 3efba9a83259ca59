import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoop } from '#src/net/event-loop.js';
import type { Connection } from '#src/net/stream/connection.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';

/** What a Sys does without a foreign call. */
const FREE = new Set(['monotonicMs', 'address', 'view']);

/** The calls of this machine, and how often each was made since the last look. */
function countingSys(): { readonly sys: Sys; readonly counted: () => Record<string, number> } {
  const counts = new Map<string, number>();
  const sys = new Proxy(nativeSys(), {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (!FREE.has(String(key))) counts.set(String(key), (counts.get(String(key)) ?? 0) + 1);
        return Reflect.apply(value, target, args);
      };
    },
  });
  const counted = (): Record<string, number> => {
    const seen = Object.fromEntries(counts);
    counts.clear();
    return seen;
  };
  return { sys, counted };
}

/** An echo server on `backend` whose calls are counted, and 50 clients on a loop of their own. */
function fixture(backend: 'epoll' | 'poll' | 'select', batch = true) {
  const { sys, counted } = countingSys();
  const loop = new EventLoop({ backend, sys, batch });
  const others = new EventLoop({ backend: 'epoll' });
  const clients: Connection[] = [];
  let echoed = 0;
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => void connection.write(chunk) },
  });
  assert.ok(server.address.family === 'IPv4');
  for (let client = 0; client < 50; client++) {
    others.connect({
      host: '127.0.0.1',
      port: server.address.port,
      handlers: {
        open: (connection) => void clients.push(connection),
        data: (_, chunk) => {
          echoed += chunk.length;
        },
      },
    });
  }
  const turnUntil = (done: () => boolean): void => {
    const endMs = performance.now() + 20_000;
    while (!done() && performance.now() < endMs) {
      others.turn(1);
      loop.turn(1);
    }
    assert.ok(done());
  };
  turnUntil(() => clients.length === 50);
  for (const client of clients) client.write(new Uint8Array(1));
  turnUntil(() => echoed === 50);
  // What was gathered or is to be reported goes with the next turns.
  for (let turn = 0; turn < 3; turn++) loop.turn(0);
  const close = (): void => {
    loop.close();
    others.close();
  };
  return { loop, others, clients, counted, turnUntil, echoed: () => echoed, close };
}

const { batching } = nativeSys();
const skip = batching === true ? false : batching.reason;

for (const backend of ['epoll', 'poll', 'select'] as const) {
  test(`${backend}: a turn is two foreign calls, whatever it does`, { skip }, (t) => {
    leakCheck(t);
    const { loop, others, clients, counted, turnUntil, echoed, close } = fixture(backend);
    counted();
    for (const talkers of [1, 50]) {
      const before = echoed();
      for (const client of clients.slice(0, talkers)) client.write(new Uint8Array(100));
      others.turn(0);
      loop.turn(0);
      // The wait, and all receives.
      assert.deepEqual(counted(), { batch: 2 }, `${talkers} talk`);
      loop.turn(0);
      // All sends, and the next wait.
      assert.deepEqual(counted(), { batch: 1 }, `${talkers} are answered`);
      turnUntil(() => echoed() === before + talkers * 100);
      loop.turn(0);
      counted();
    }
    for (const client of clients.splice(0, 20)) client.close();
    others.turn(0);
    loop.turn(0);
    // The wait, the receives that bring the ends, and all closes.
    assert.deepEqual(counted(), { batch: 3 });
    close();
  });
}

test('with batch: false each system call is one foreign call', { skip }, (t) => {
  leakCheck(t);
  const { loop, others, clients, counted, turnUntil, echoed, close } = fixture('epoll', false);
  counted();
  const before = echoed();
  for (const client of clients) client.write(new Uint8Array(100));
  others.turn(0);
  loop.turn(0);
  assert.deepEqual(counted(), { epoll_wait: 1, recv: 50 });
  loop.turn(0);
  assert.deepEqual(counted(), { send: 50, epoll_wait: 1 });
  turnUntil(() => echoed() === before + 50 * 100);
  close();
});
