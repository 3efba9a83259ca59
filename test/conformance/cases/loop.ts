import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Case, inWorld } from '../case.ts';
import { closePair, connectedPair, turnOn, until } from '../environment.ts';

// The loop itself: laws 2, 9 and 10.

/** How often the other thread wakes the loop, and the longest wait that it may take. */
const WAKES = 200;
const WAIT_MS = 5000;

/** Longer than any wait of run(). */
const QUIET_MS = 1200;

/** Any file will do. */
const SOURCE = fileURLToPath(import.meta.url);

export const loopCases: readonly Case[] = [
  {
    name: 'timers run in the order of their deadlines, equal ones as they were set',
    laws: [10],
    run: inWorld((world) => {
      const ran: string[] = [];
      world.loop.setTimer(20, () => ran.push('d'));
      world.loop.setTimer(10, () => ran.push('b'));
      world.loop.setTimer(10, () => ran.push('c'));
      world.loop.setTimer(0, () => ran.push('a'));
      until(world, () => ran.length === 4, 'all have run');
      assert.deepEqual(ran, ['a', 'b', 'c', 'd']);
    }),
  },
  {
    name: 'a timer never runs early',
    laws: [10],
    run: inWorld((world) => {
      for (const delayMs of [0.2, 1, 1.5, 7, 30]) {
        const startMs = world.nowMs();
        let tookMs = Number.NaN;
        world.loop.setTimer(delayMs, () => (tookMs = world.nowMs() - startMs));
        until(world, () => !Number.isNaN(tookMs), 'it has run');
        assert.ok(tookMs >= delayMs, `${delayMs} ms took ${tookMs} ms`);
      }
    }),
  },
  {
    name: 'a timer runs in time where nothing else happens for longer than one wait takes',
    laws: [10],
    run: async (open) => {
      const world = open();
      try {
        const startMs = world.nowMs();
        world.loop.setTimer(QUIET_MS, () => undefined);
        await world.loop.run();
        const tookMs = world.nowMs() - startMs;
        assert.ok(tookMs >= QUIET_MS && tookMs < WAIT_MS, `it took ${tookMs} ms`);
      } finally {
        world.close();
      }
    },
  },
  {
    name: 'a timer of 0 ms that sets itself anew does not keep the loop to itself',
    laws: [8, 10],
    run: inWorld((world) => {
      let runs = 0;
      const again = (): void => {
        runs += 1;
        if (runs < 50) world.loop.setTimer(0, again);
      };
      world.loop.setTimer(0, again);
      const before = world.loop.turns;
      until(world, () => runs === 50, 'it has run 50 times');
      assert.ok(world.loop.turns - before >= 49, 'one run a turn');
    }),
  },
  {
    name: 'a timer that is cancelled does not run, also not by one that is due with it',
    laws: [1, 10],
    run: inWorld((world) => {
      const ran: string[] = [];
      world.loop.setTimer(5, () => {
        ran.push('first');
        second.cancel();
      });
      const second = world.loop.setTimer(5, () => ran.push('second'));
      const third = world.loop.setTimer(1, () => ran.push('third'));
      third.cancel();
      third.cancel();
      until(world, () => ran.length > 0, 'the first has run');
      turnOn(world, 20);
      assert.deepEqual(ran, ['first']);
    }),
  },
  {
    name: 'deferred tasks run after what the wait delivered, those of tasks a turn later',
    laws: [2],
    run: inWorld((world) => {
      const order: string[] = [];
      const pair = connectedPair(world, {
        data: () => {
          world.loop.defer(() => {
            order.push('task');
            world.loop.defer(() => order.push(`task of task ${world.loop.turns - turn}`));
          });
          order.push('data');
        },
      });
      let turn = 0;
      pair.client.write(Buffer.from('x'));
      until(
        world,
        () => {
          if (order.length < 2) turn = world.loop.turns + 1;
          return order.length >= 3;
        },
        'the tasks have run',
      );
      assert.deepEqual(order, ['data', 'task', 'task of task 1']);
      closePair(world, pair);
    }),
  },
  {
    name: 'an error thrown by a callback ends the turn with that error',
    laws: [2],
    run: inWorld((world) => {
      const boom = new Error('boom');
      world.loop.setTimer(0, () => {
        throw boom;
      });
      assert.throws(() => turnOn(world, 5), boom);
      turnOn(world, 2);
    }),
  },
  {
    name: 'a turn cannot begin inside of a callback',
    laws: [2],
    run: inWorld((world) => {
      let refused = false;
      world.loop.setTimer(0, () => {
        assert.throws(() => world.turn(), /inside of a callback/);
        refused = true;
      });
      until(world, () => refused, 'it was refused');
    }),
  },
  {
    name: 'wake() before a wait makes it return',
    laws: [9],
    run: inWorld((world) => {
      const pair = connectedPair(world);
      const startMs = world.nowMs();
      world.backend.wake();
      world.backend.wake();
      world.loop.turn(5000);
      assert.ok(world.nowMs() - startMs < 2500, 'the wait was cut short');
      closePair(world, pair);
    }),
  },
  {
    name: 'a wake from another thread ends a wait that is under way, every time',
    laws: [9],
    skip: (subject) => (subject.simulated ? 'a simulated kernel has one thread' : null),
    run: async (open) => {
      const world = open();
      const memory = new Int32Array(new SharedArrayBuffer(4));
      const { wakeHandle: handle } = world.loop;
      const worker = new Worker(new URL('../waker.js', import.meta.url), {
        workerData: { handle, memory },
      });
      try {
        await once(worker, 'online');
        const startMs = world.nowMs();
        for (let round = 1; round <= WAKES; round++) {
          // From here on the other thread wakes the loop, now or in a moment: none may be lost.
          Atomics.store(memory, 0, round);
          Atomics.notify(memory, 0);
          world.loop.turn(WAIT_MS);
        }
        const tookMs = world.nowMs() - startMs;
        assert.ok(tookMs < WAIT_MS, `${WAKES} waits took ${tookMs} ms: one was not ended`);
      } finally {
        Atomics.store(memory, 0, -1);
        Atomics.notify(memory, 0);
        await once(worker, 'exit');
        world.close();
      }
    },
  },
  {
    name: 'a signal that comes in the first turn is handled before the next wait',
    laws: [],
    run: async (open) => {
      const world = open();
      try {
        let turnsThen = Number.NaN;
        process.once('SIGUSR2', () => {
          turnsThen = world.loop.turns;
          world.loop.stop();
        });
        world.loop.setTimer(0, () => process.kill(process.pid, 'SIGUSR2'));
        const late = world.loop.setTimer(WAIT_MS, () => world.loop.stop());
        // From where Node reads, behind which the same turn of its loop looks at no signals.
        await new Promise((resolve) => readFile(SOURCE, () => resolve(world.loop.run())));
        late.cancel();
        assert.equal(turnsThen, 1);
      } finally {
        world.close();
      }
    },
  },
  {
    name: 'watch() tells of any descriptor, modify() and unwatch() hold at once',
    laws: [1],
    run: inWorld((world) => {
      const { sys } = world.loop;
      const { AF_UNIX, SOCK_STREAM, MSG_DONTWAIT } = sys.abi.constants;
      const fds = new Int32Array(2);
      assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
      const [left = -1, right = -1] = fds;
      const seen: number[] = [];
      const watch = world.loop.watch(left, 1, (interest) => seen.push(interest));
      turnOn(world);
      assert.deepEqual(seen, []);
      assert.equal(sys.send(right, Buffer.from('x'), 0, 1, MSG_DONTWAIT), 1);
      until(world, () => seen.length > 0, 'it can be read');
      assert.equal(seen[0], 1);
      watch.modify(2);
      seen.length = 0;
      until(world, () => seen.length > 0, 'it can be written');
      assert.ok(seen.every((interest) => interest === 2));
      watch.unwatch();
      watch.unwatch();
      seen.length = 0;
      turnOn(world);
      assert.deepEqual(seen, []);
      sys.close(left);
      sys.close(right);
    }),
  },
];
