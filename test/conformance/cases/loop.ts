import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Case, inEnvironment } from '../case.ts';
import { closePair, connectedPair, turnOn, until } from '../environment.ts';

// The loop itself: laws 2, 9 and 10.

/** The number of wakes by the other thread, and the longest wait. */
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
    run: inEnvironment((environment) => {
      const ran: string[] = [];
      // A machine that is starved may take its time between two of these.
      environment.loop.setTimer(250, () => ran.push('d'));
      environment.loop.setTimer(100, () => ran.push('b'));
      environment.loop.setTimer(100, () => ran.push('c'));
      environment.loop.setTimer(0, () => ran.push('a'));
      until(environment, () => ran.length === 4, 'all have run');
      assert.deepEqual(ran, ['a', 'b', 'c', 'd']);
    }),
  },
  {
    name: 'a timer never runs early',
    laws: [10],
    run: inEnvironment((environment) => {
      for (const delayMs of [0.2, 1, 1.5, 7, 30]) {
        const startMs = environment.nowMs();
        let tookMs = Number.NaN;
        environment.loop.setTimer(delayMs, () => (tookMs = environment.nowMs() - startMs));
        until(environment, () => !Number.isNaN(tookMs), 'it has run');
        assert.ok(tookMs >= delayMs, `${delayMs} ms took ${tookMs} ms`);
      }
    }),
  },
  {
    name: 'a timer runs in time where nothing else happens for longer than one wait takes',
    laws: [10],
    run: async (open) => {
      const environment = open();
      try {
        const startMs = environment.nowMs();
        environment.loop.setTimer(QUIET_MS, () => undefined);
        await environment.loop.run();
        const tookMs = environment.nowMs() - startMs;
        assert.ok(tookMs >= QUIET_MS && tookMs < WAIT_MS, `it took ${tookMs} ms`);
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'a timer of 0 ms that sets itself anew does not keep the loop to itself',
    laws: [8, 10],
    run: inEnvironment((environment) => {
      let runs = 0;
      const again = (): void => {
        runs += 1;
        if (runs < 50) environment.loop.setTimer(0, again);
      };
      environment.loop.setTimer(0, again);
      const before = environment.loop.turns;
      until(environment, () => runs === 50, 'it has run 50 times');
      assert.ok(environment.loop.turns - before >= 49, 'one run a turn');
    }),
  },
  {
    name: 'a timer that is cancelled does not run, also not by one that is due with it',
    laws: [1, 10],
    run: inEnvironment((environment) => {
      const ran: string[] = [];
      environment.loop.setTimer(5, () => {
        ran.push('first');
        second.cancel();
      });
      const second = environment.loop.setTimer(5, () => ran.push('second'));
      const third = environment.loop.setTimer(1, () => ran.push('third'));
      third.cancel();
      third.cancel();
      until(environment, () => ran.length > 0, 'the first has run');
      turnOn(environment, 20);
      assert.deepEqual(ran, ['first']);
    }),
  },
  {
    name: 'deferred tasks run after what the wait delivered, those of tasks a turn later',
    laws: [2],
    run: inEnvironment((environment) => {
      const order: string[] = [];
      const pair = connectedPair(environment, {
        data: () => {
          environment.loop.defer(() => {
            order.push('task');
            environment.loop.defer(() =>
              order.push(`task of task ${environment.loop.turns - turn}`),
            );
          });
          order.push('data');
        },
      });
      let turn = 0;
      pair.client.write(Buffer.from('x'));
      until(
        environment,
        () => {
          if (order.length < 2) turn = environment.loop.turns + 1;
          return order.length >= 3;
        },
        'the tasks have run',
      );
      assert.deepEqual(order, ['data', 'task', 'task of task 1']);
      closePair(environment, pair);
    }),
  },
  {
    name: 'an error thrown by a callback ends the turn with that error',
    laws: [2],
    run: inEnvironment((environment) => {
      const boom = new Error('boom');
      environment.loop.setTimer(0, () => {
        throw boom;
      });
      assert.throws(() => turnOn(environment, 5), boom);
      turnOn(environment, 2);
    }),
  },
  {
    name: 'a turn cannot begin inside of a callback',
    laws: [2],
    run: inEnvironment((environment) => {
      let refused = false;
      environment.loop.setTimer(0, () => {
        assert.throws(() => environment.turn(), /inside of a callback/);
        refused = true;
      });
      until(environment, () => refused, 'it was refused');
    }),
  },
  {
    name: 'wake() before a wait makes it return',
    laws: [9],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      const startMs = environment.nowMs();
      environment.backend.wake();
      environment.backend.wake();
      environment.loop.turn(5000);
      assert.ok(environment.nowMs() - startMs < 2500, 'the wait was cut short');
      closePair(environment, pair);
    }),
  },
  {
    name: 'a wake from another thread ends a wait that is under way, every time',
    laws: [9],
    skip: (target) => (target.simulated ? 'a simulated kernel has one thread' : null),
    run: async (open) => {
      const environment = open();
      const memory = new Int32Array(new SharedArrayBuffer(4));
      const { wakeHandle: handle } = environment.loop;
      const worker = new Worker(new URL('../waker.js', import.meta.url), {
        workerData: { handle, memory },
      });
      try {
        await once(worker, 'online');
        const startMs = environment.nowMs();
        for (let round = 1; round <= WAKES; round++) {
          // The other thread wakes the loop now or in a moment: no wake may be lost.
          Atomics.store(memory, 0, round);
          Atomics.notify(memory, 0);
          environment.loop.turn(WAIT_MS);
        }
        const tookMs = environment.nowMs() - startMs;
        assert.ok(tookMs < WAIT_MS, `${WAKES} waits took ${tookMs} ms: one was not ended`);
      } finally {
        Atomics.store(memory, 0, -1);
        Atomics.notify(memory, 0);
        await once(worker, 'exit');
        environment.close();
      }
    },
  },
  {
    name: 'a signal that comes in the first turn is handled before the next wait',
    laws: [],
    run: async (open) => {
      const environment = open();
      try {
        let turnsThen = Number.NaN;
        process.once('SIGUSR2', () => {
          turnsThen = environment.loop.turns;
          environment.loop.stop();
        });
        environment.loop.setTimer(0, () => process.kill(process.pid, 'SIGUSR2'));
        const late = environment.loop.setTimer(WAIT_MS, () => environment.loop.stop());
        // From a callback of Node's reads: no signal is looked at behind it in the same turn.
        await new Promise((resolve) => readFile(SOURCE, () => resolve(environment.loop.run())));
        late.cancel();
        assert.equal(turnsThen, 1);
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'watch() tells of any descriptor, modify() and unwatch() hold at once',
    laws: [1],
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      const { AF_UNIX, SOCK_STREAM, MSG_DONTWAIT } = sys.abi.constants;
      const fds = new Int32Array(2);
      assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
      const [left = -1, right = -1] = fds;
      const seen: number[] = [];
      const watch = environment.loop.watch(left, 1, (interest) => seen.push(interest));
      turnOn(environment);
      assert.deepEqual(seen, []);
      assert.equal(sys.send(right, Buffer.from('x'), 0, 1, MSG_DONTWAIT), 1);
      until(environment, () => seen.length > 0, 'it can be read');
      assert.equal(seen[0], 1);
      watch.modify(2);
      seen.length = 0;
      until(environment, () => seen.length > 0, 'it can be written');
      assert.ok(seen.every((interest) => interest === 2));
      watch.unwatch();
      watch.unwatch();
      seen.length = 0;
      turnOn(environment);
      assert.deepEqual(seen, []);
      sys.close(left);
      sys.close(right);
    }),
  },
];
