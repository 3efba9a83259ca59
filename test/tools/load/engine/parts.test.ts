// Goal: the memory that threads share keeps their figures apart, and connects come from the local
// end that is theirs, no more of them at a time than were meant.
// Method: the parts by themselves, over a loop that is made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection, ConnectOptions, EventLoop } from 'sockloop';
import { nativeSys } from '#src/sys/native.js';
import { sysError } from '#src/sys/sys-error.js';
import type { ConnectionSlot } from '#tools/load/engine/connection-slot.js';
import { SharedState } from '#tools/load/engine/shared-state.js';
import { SlotConnects } from '#tools/load/engine/slot-connects.js';
import { TurnWatch } from '#tools/load/engine/turn-watch.js';
import { CONNECTS_AT_ONCE } from '#tools/load/limits.js';

test('shared state: each thread has figures and a lock of its own', () => {
  const main = new SharedState(3);
  const others = [0, 1, 2].map(() => new SharedState(3, main.memory));
  for (const [thread, other] of others.entries()) {
    other.tell(thread, 100 + thread, 200 + thread, 300 + thread);
  }
  for (const thread of others.keys()) {
    const figures = [main.messagesOf(thread), main.errorsOf(thread), main.connectionsOf(thread)];
    assert.deepEqual(figures, [100 + thread, 200 + thread, 300 + thread]);
  }
  assert.deepEqual([main.startMs, main.stopping], [null, false]);
  main.start(0.25);
  assert.deepEqual([others[1]?.startMs, others[1]?.stopping], [0.25, false]);
  main.stop();
  assert.equal(others[2]?.stopping, true);
  const woken: number[] = [];
  const wakeAll = (): void => {
    for (const thread of others.keys()) main.whileOpen(thread, () => woken.push(thread));
  };
  wakeAll();
  others[1]?.close(1);
  wakeAll();
  assert.deepEqual(woken, [0, 1, 2, 0, 2]);
  const broken = (): void => {
    throw new Error('from the wake');
  };
  assert.throws(() => main.whileOpen(2, broken), /from the wake/);
  wakeAll();
  assert.deepEqual(woken.slice(5), [0, 2], 'the lock is free again');
  // Nothing of it has touched the figures.
  assert.deepEqual([main.connectionsOf(1), main.messagesOf(2), main.startMs], [301, 102, 0.25]);
});

type Asked = ConnectOptions<ConnectionSlot>;

interface Ports {
  readonly sourceAddresses?: readonly string[];
  readonly sourcePorts?: readonly [number, number] | null;
  readonly threads?: number;
  readonly thread?: number;
}

/** The connects of a thread, none of which has an outcome before the test says so. */
function connectsOf(ports: Ports = {}) {
  const asked: Asked[] = [];
  const timers: [number, () => void][] = [];
  const outcomes: string[] = [];
  const loop = {
    sys: { monotonicMs: () => 7 },
    connect: (options: Asked) => void asked.push(options),
    setTimer: (ms: number, then: () => void) => void timers.push([ms, then]),
    defer: (then: () => void) => then(),
  };
  const connects = new SlotConnects(
    loop as unknown as EventLoop,
    {
      timeoutMs: 900,
      sourceAddresses: [],
      sourcePorts: null,
      threads: 1,
      thread: 0,
      target: { host: '127.0.0.1', port: 7007 },
      ...ports,
    },
    {
      opened: (_, beganMs) => void outcomes.push(`opened ${beganMs}`),
      failed: (_, kind) => void outcomes.push(kind),
    },
  );
  const slot = { opened: () => void outcomes.push('slot') } as unknown as ConnectionSlot;
  return { connects, slot, asked, timers, outcomes };
}

/** The local ends of so many connects. */
function localEnds(
  count: number,
  ports: Ports,
): (readonly [string | undefined, number | undefined])[] {
  const { connects, slot, asked } = connectsOf(ports);
  for (let made = 0; made < count; made += 1) connects.connect(slot, 0);
  return asked.map(({ localAddress, localPort }) => [localAddress, localPort] as const);
}

test('slot connects: addresses take turns, and then the ports of the thread', () => {
  assert.deepEqual(localEnds(2, {}), [
    [undefined, undefined],
    [undefined, undefined],
  ]);
  const sourceAddresses = ['127.0.0.1', '127.0.0.2'];
  assert.deepEqual(localEnds(3, { sourceAddresses, threads: 2, thread: 1 }), [
    ['127.0.0.2', undefined],
    ['127.0.0.1', undefined],
    ['127.0.0.2', undefined],
  ]);
  // Seven ports for three threads: the first has three of them, the others two.
  const sourcePorts = [9000, 9006] as const;
  const portsOf = (thread: number) =>
    localEnds(5, { sourcePorts, threads: 3, thread }).map(([, port]) => port);
  assert.deepEqual(portsOf(0), [9000, 9003, 9006, 9000, 9003]);
  assert.deepEqual(portsOf(1), [9001, 9004, 9001, 9004, 9001]);
  assert.deepEqual(portsOf(2), [9002, 9005, 9002, 9005, 9002]);
  // The same port from each address.
  assert.deepEqual(localEnds(5, { sourceAddresses, sourcePorts: [9000, 9001] }), [
    ['127.0.0.1', 9000],
    ['127.0.0.2', 9000],
    ['127.0.0.1', 9001],
    ['127.0.0.2', 9001],
    ['127.0.0.1', 9000],
  ]);
});

test('slot connects: 64 at a time, and the next when one is over, however it ended', () => {
  const { connects, slot, asked, outcomes } = connectsOf();
  for (let made = 0; made < CONNECTS_AT_ONCE + 3; made += 1) connects.connect(slot, 0);
  assert.equal(asked.length, CONNECTS_AT_ONCE);
  const [first, second] = asked;
  assert.deepEqual([first?.timeoutMs, 'port' in (first ?? {})], [900, true]);
  const connection = { data: null } as unknown as Connection<ConnectionSlot>;
  first?.handlers.open?.(connection);
  assert.deepEqual([asked.length, outcomes], [CONNECTS_AT_ONCE + 1, ['opened 7', 'slot']]);
  assert.equal(connection.data, slot);
  second?.onError?.(new RangeError('select cannot hold it'), []);
  assert.deepEqual([asked.length, outcomes.at(-1)], [CONNECTS_AT_ONCE + 2, 'resources']);
  connects.connect(slot, 0);
  assert.equal(asked.length, CONNECTS_AT_ONCE + 2);
});

test('slot connects: a pause comes first', () => {
  const { connects, slot, asked, timers } = connectsOf();
  connects.connect(slot, 40);
  assert.deepEqual([asked.length, timers.length, timers[0]?.[0]], [0, 1, 40]);
  timers[0]?.[1]();
  assert.equal(asked.length, 1);
});

test('slot connects: each error is of its kind', () => {
  const kinds = {
    reset: ['ECONNRESET', 'ECONNABORTED', 'EPIPE'],
    refused: ['ECONNREFUSED', 'ENOENT'],
    connectTimeout: ['ETIMEDOUT'],
    resources: ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EADDRINUSE'],
    unreachable: ['EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EPERM'],
  };
  const { connects, slot, asked, outcomes } = connectsOf();
  const { errno } = nativeSys().abi;
  for (const [kind, codes] of Object.entries(kinds)) {
    for (const code of codes) {
      connects.connect(slot, 0);
      const error = sysError(nativeSys(), -(errno[code] ?? 0), 'connect', 'connect');
      asked.at(-1)?.onError?.(error, []);
      assert.equal(outcomes.at(-1), kind, code);
    }
  }
});

test('turn watch: what is done ahead of a wait takes its time, 2 ms more of waiting do not', () => {
  const watch = new TurnWatch();
  watch.setWindow(1000, 5000);
  watch.turned(1000, 0);
  watch.waiting(1030);
  assert.equal(watch.longestMs, 30);
  watch.turned(1052, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [30, 0]);
  watch.waiting(1052);
  watch.turned(1074.5, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [30, 2.5]);
  // The first thing that came is when the wait was over, not the second.
  watch.waiting(1100);
  watch.working(1110);
  watch.working(1150);
  watch.turned(1160, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [50, 2.5]);
  watch.setWindow(2000, 2100);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [0, 0]);
  watch.waiting(1900);
  watch.turned(2150, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [100, 100]);
});
