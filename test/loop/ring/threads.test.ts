// Goal: rings begin and end without a trace, however many of them, in whatever thread, and signals
// and wakes reach their loops.
// Method: the real kernel; descriptors, mappings and registrations are counted before and after.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as turnOfNode } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { EventLoop } from '#src/net/event-loop.js';
import { nativeSys } from '#src/sys/native.js';
import {
  connectedPair,
  type Environment,
  pattern,
  portOf,
  until,
} from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { ringEnvironment, withoutRing } from './environment.ts';
import { socketPair } from './socket-pairs.ts';

const sys = nativeSys();
const limits = { skip: withoutRing, timeout: 60_000 };

/** How often something is done that must leave nothing. */
const ROUNDS = 200;

/** What of this process' memory is mapped from a ring, and what is mapped without a file. */
function mappings(): { rings: number; large: number } {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  const large = lines.filter((line) => {
    const [from = 0, to = 0] = (line.split(' ')[0] ?? '')
      .split('-')
      .map((at) => Number.parseInt(at, 16));
    return to - from >= 16_000_000;
  });
  return { rings: lines.filter((line) => line.includes('io_uring')).length, large: large.length };
}

/** A few words there and back. */
function talk(environment: Environment): void {
  const pair = connectedPair(environment, { data: (connection, chunk) => connection.write(chunk) });
  pair.client.write(Buffer.from('hello'));
  until(environment, () => pair.clientLog.received.length === 5, 'the echo is there');
  assert.equal(pair.clientLog.received.toString(), 'hello');
}

test('ring threads: 200 loops, one after the other, in one process', limits, (t) => {
  leakCheck(t);
  for (let warm = 0; warm < 3; warm++) {
    const environment = ringEnvironment();
    talk(environment);
    environment.close();
  }
  const before = mappings();
  for (let round = 0; round < ROUNDS; round++) {
    const environment = ringEnvironment();
    if (round % 4 === 0) talk(environment);
    environment.close();
  }
  assert.deepEqual(mappings(), before);
  // The kernel has a place for the next one, of the 16 that a thread may register.
  const { IORING_ENTER_REGISTERED_RING = 0 } = sys.abi.ioUring?.constants ?? {};
  let registered = 0;
  const looking = standIn(sys, {
    io_uring_enter: (...call) => {
      if ((call[3] & IORING_ENTER_REGISTERED_RING) !== 0) registered += 1;
      return sys.io_uring_enter(...call);
    },
  });
  const environment = ringEnvironment(looking);
  talk(environment);
  environment.close();
  assert.ok(registered > 0);
});

test('ring threads: more rings at once than a thread may register', limits, (t) => {
  leakCheck(t);
  const before = mappings().rings;
  // 16 of them: IO_RINGFD_REG_MAX.
  const environments = Array.from({ length: 20 }, () => ringEnvironment());
  t.after(() => {
    for (const environment of environments) environment.close();
  });
  for (const environment of environments) talk(environment);
  for (const environment of environments) environment.close();
  assert.equal(mappings().rings, before);
  // The places are free again: the calls of a registered ring go to it and to no other.
  const again = ringEnvironment();
  talk(again);
  again.close();
});

test('ring threads: two loops of one thread talk to each other', limits, (t) => {
  leakCheck(t);
  const [one, other] = [ringEnvironment(), ringEnvironment()];
  t.after(() => {
    one.close();
    other.close();
  });
  const bytes = pattern(500_000);
  let echoed = Buffer.alloc(0);
  const listener = one.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => connection.write(chunk) },
  });
  let closed = false;
  other.loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    handlers: {
      open: (connection) => connection.end(bytes),
      data: (_, chunk) => {
        echoed = Buffer.concat([echoed, chunk]);
      },
      close: () => {
        closed = true;
      },
    },
  });
  for (let turns = 0; turns < 5000 && !closed; turns++) {
    one.loop.turn(1);
    other.loop.turn(1);
  }
  assert.ok(echoed.equals(bytes));
});

test('ring threads: loops in two threads', limits, async (t) => {
  leakCheck(t);
  const environment = ringEnvironment();
  t.after(() => environment.close());
  const listener = environment.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => connection.write(chunk) },
  });
  const workers = [1, 2].map((seed) => {
    const workerData = { port: portOf(listener), seed };
    return new Worker(new URL('./talker.js', import.meta.url), { workerData });
  });
  const ends = workers.map(async (worker) => {
    const [[verdict]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    return verdict as string;
  });
  const all = Promise.all(ends).finally(() => environment.loop.stop());
  await environment.loop.run();
  assert.deepEqual(await all, ['all has come back', 'all has come back']);
});

test('ring threads: wakes of another thread while much goes on', limits, async (t) => {
  leakCheck(t);
  const environment = ringEnvironment();
  t.after(() => environment.close());
  const memory = new Int32Array(new SharedArrayBuffer(4));
  const { wakeHandle: handle } = environment.loop;
  const waker = new Worker(new URL('../../conformance/waker.js', import.meta.url), {
    workerData: { handle, memory },
  });
  await once(waker, 'online');
  const pair = connectedPair(environment, { data: (connection, chunk) => connection.write(chunk) });
  const bytes = pattern(1000);
  let echoes = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    Atomics.store(memory, 0, round);
    Atomics.notify(memory, 0);
    pair.client.write(bytes);
    until(environment, () => pair.clientLog.received.length >= bytes.length, 'the echo is there');
    assert.ok(pair.clientLog.received.equals(bytes));
    pair.clientLog.clear();
    pair.serverLog.clear();
    echoes += 1;
  }
  // And one that comes when nothing else does.
  const startMs = environment.nowMs();
  Atomics.store(memory, 0, ROUNDS + 1);
  Atomics.notify(memory, 0);
  environment.loop.turn(5000);
  assert.ok(environment.nowMs() - startMs < 2500, 'the wait was cut short');
  Atomics.store(memory, 0, -1);
  Atomics.notify(memory, 0);
  await once(waker, 'exit');
  assert.equal(echoes, ROUNDS);
});

test('ring threads: signals, timers and turns of Node while a loop waits', limits, async (t) => {
  leakCheck(t);
  const loop = new EventLoop({ backend: 'io_uring' });
  t.after(() => loop.close());
  const [fd, other] = socketPair(sys);
  // Something to wait for that never comes.
  const watch = loop.watch(fd, 1, () => assert.fail('nobody writes'));
  const heard: string[] = [];
  const onSignal = (): void => {
    heard.push('signal');
    if (heard.filter((what) => what === 'signal').length < 3) return;
    watch.unwatch();
    loop.stop();
  };
  process.on('SIGUSR2', onSignal);
  t.after(() => process.off('SIGUSR2', onSignal));
  const startMs = sys.monotonicMs();
  void turnOfNode().then(() => heard.push('turn'));
  void delay(1).then(() => heard.push('timer'));
  const killer = new Worker(
    `for (let i = 0; i < 3; i++) {
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
       process.kill(process.pid, 'SIGUSR2');
     }`,
    { eval: true },
  );
  // It may be over before the loop is.
  const over = once(killer, 'exit');
  await loop.run();
  await over;
  assert.deepEqual(heard.sort(), ['signal', 'signal', 'signal', 'timer', 'turn']);
  assert.ok(sys.monotonicMs() - startMs < 5000);
  sys.close(fd);
  sys.close(other);
});
