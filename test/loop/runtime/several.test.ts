// Goal: several loops of a thread, and loops of workers, get their turns and delay nobody.
// Method: a server and a client on loops of their own, of every kind beside every kind, which pass
// a message back and forth; workers that are terminated or end while their loop is attached.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { EventLoop, type LoopName, nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

const timeout = 60_000;
const names = backends
  .filter(({ available }) => available(nativeSys()) === true)
  .map(({ name }) => name);

/** Loops that others cannot wait for. With two of them the waits last a millisecond. */
const BLIND: readonly LoopName[] = ['io_uring', 'poll', 'select'];

const ROUNDS = 50;

/** Passes a message back and forth. Returns once it has come back so often. */
async function rounds(serving: EventLoop, asking: EventLoop, count: number): Promise<void> {
  const listener = serving.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (client, chunk) => void client.write(chunk) },
  });
  assert(listener.address.family === 'IPv4');
  const { port } = listener.address;
  let left = count;
  await new Promise<void>((resolve) => {
    asking.connect({
      host: '127.0.0.1',
      port,
      handlers: {
        open: (connection) => void connection.write('x'),
        data: (connection) => {
          left -= 1;
          if (left === 0) connection.end();
          else connection.write('x');
        },
        close: () => resolve(),
      },
    });
  });
  listener.close();
}

for (const first of names) {
  for (const second of names) {
    test(`several: ${first} and ${second} attached`, { timeout }, async (t) => {
      leakCheck(t);
      using serving = new EventLoop({ backend: first });
      using asking = new EventLoop({ backend: second });
      serving.attach();
      asking.attach();
      const startMs = performance.now();
      await rounds(serving, asking, ROUNDS);
      const ms = performance.now() - startMs;
      // A loop that nobody waits for would be late by up to 500 ms a round.
      const perRound = ms / ROUNDS;
      assert.ok(perRound < 50, `${perRound} ms a round`);
      // Both are idle now: one of them waits, for timers of the other as well.
      serving.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      asking.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      const isBlind = BLIND.includes(first) && BLIND.includes(second);
      const turnsMax = isBlind ? 1500 : 250;
      // Node has work of its own now and then: one quiet time is enough.
      let turns = Number.POSITIVE_INFINITY;
      for (let attempt = 0; turns >= turnsMax && attempt < 3; attempt++) {
        const before = serving.turns + asking.turns;
        await new Promise<void>((resolve) => void asking.setTimer(300, resolve));
        turns = serving.turns + asking.turns - before;
      }
      assert.ok(turns < turnsMax, `${turns} turns in 300 ms`);
      // The one that waits goes.
      serving.close();
      await new Promise<void>((resolve) => void asking.setTimer(1, resolve));
    });
  }
}

test('several: one runs, one is attached, a third is idle', { timeout }, async (t) => {
  leakCheck(t);
  using running = new EventLoop();
  using attached = new EventLoop();
  using idle = new EventLoop();
  idle.attach();
  attached.attach();
  const keep = running.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  const run = running.run();
  await rounds(running, attached, 10);
  await rounds(attached, running, 10);
  idle.setTimer(1, () => keep.close());
  await run;
  await rounds(attached, attached, 10);
});

const WORKER = `
  const { EventLoop } = await import('file://${root}dist/src/index.js');
  const { parentPort, workerData } = await import('node:worker_threads');
  const loop = new EventLoop({ backend: workerData.backend });
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  loop.attach();
  parentPort.once('message', (word) => {
    if (word === 'close') listener.close();
    if (word === 'throw') loop.setTimer(1, () => { throw new Error('in a worker'); });
    if (word === 'exit') loop.setTimer(1, () => process.exit(3));
  });
  parentPort.postMessage(loop.fds());
`;

for (const backend of names) {
  for (const ending of ['close', 'throw', 'exit', 'terminate'] as const) {
    test(`several: a worker with an attached loop: ${ending} (${backend})`, {
      timeout,
    }, async (t) => {
      leakCheck(t);
      const url = new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`);
      const worker = new Worker(url, { workerData: { backend } });
      const errors: string[] = [];
      worker.on('error', (error: Error) => errors.push(error.message));
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      const [fds] = (await once(worker, 'message')) as [number[]];
      // It is in its wait by then.
      await delay(20);
      const startMs = performance.now();
      if (ending === 'terminate') {
        await worker.terminate();
        for (const fd of fds) nativeSys().close(fd);
      } else {
        worker.postMessage(ending);
      }
      const status = await ended;
      assert.ok(performance.now() - startMs < 20_000);
      assert.equal(status, { close: 0, throw: 1, exit: 3, terminate: 1 }[ending]);
      assert.deepEqual(errors, ending === 'throw' ? ['in a worker'] : []);
    });
  }
}
