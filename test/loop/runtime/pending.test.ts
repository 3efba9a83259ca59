// Goal: no wait in the kernel begins while something of Node is pending, and one that has begun
// ends when something of Node is ready: timers, ticks, promises, messages, files, signals, HTTP.
// Method: each kind is started by a callback of a loop that has nothing else to do and would wait
// half a second, while the loop runs and while it is attached, on every loop.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs';
import { createServer, get } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { EventLoop, type LoopName, nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';

const timeout = 60_000;

/** A loop with nothing to do waits for 500 ms. */
const LATE_MS = 400;

/** A busy machine may be late by itself, but not every time. */
const ATTEMPTS = 5;

const KINDS: Readonly<Record<string, (done: () => void) => void>> = {
  'a promise job': (done) => void Promise.resolve().then(done),
  'three awaits': (done) => {
    void (async () => {
      await null;
      await null;
      await null;
      done();
    })();
  },
  'a tick': (done) => process.nextTick(done),
  'a tick of a promise job of a tick': (done) => {
    process.nextTick(() => queueMicrotask(() => process.nextTick(done)));
  },
  'an immediate': (done) => void setImmediate(done),
  'a timer': (done) => void setTimeout(done, 1),
  'a timer behind an immediate': (done) => void setImmediate(() => setTimeout(done, 1)),
  'a message': (done) => {
    const { port1, port2 } = new MessageChannel();
    port2.once('message', () => {
      port1.close();
      done();
    });
    port1.postMessage('now');
  },
  'a worker': (done) => void new Worker('', { eval: true }).once('exit', done),
  'a file': (done) => readFile(import.meta.filename, done),
  'a program': (done) => void execFile(process.execPath, ['--version'], done),
  'a signal': (done) => {
    process.once('SIGWINCH', done);
    process.kill(process.pid, 'SIGWINCH');
  },
  'an HTTP request': (done) => {
    const server = createServer((_, response) => response.end('hello'));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume().once('end', () => {
          server.close();
          done();
        });
      });
    });
  },
};

/** Milliseconds until `start` is done, begun by a callback of the loop. */
function elapsed(loop: EventLoop, start: (done: () => void) => void): Promise<number> {
  return new Promise((resolve) => {
    // Also from a timer that the loop is late for: the wait follows it in the same turn.
    loop.setTimer(0, () => {
      const startMs = performance.now();
      start(() => resolve(performance.now() - startMs));
    });
  });
}

async function inTime(loop: EventLoop, start: (done: () => void) => void): Promise<void> {
  const times: number[] = [];
  while (times.length < ATTEMPTS) {
    const ms = await elapsed(loop, start);
    if (ms < LATE_MS) return;
    times.push(ms);
  }
  assert.fail(`done after ${times.map(Math.round).join(', ')} ms`);
}

async function withLoop(
  backend: LoopName,
  way: 'run' | 'attach',
  body: (loop: EventLoop) => Promise<void>,
): Promise<void> {
  using loop = new EventLoop({ backend });
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  if (way === 'attach') {
    loop.attach();
    await body(loop);
    return;
  }
  const running = loop.run();
  await body(loop);
  listener.close();
  await running;
}

for (const { name, available } of backends) {
  const here = available(nativeSys());
  const skip = here === true ? false : here.reason;
  for (const way of ['run', 'attach'] as const) {
    for (const [kind, start] of Object.entries(KINDS)) {
      test(`pending: ${kind} (${name}, ${way})`, { skip, timeout }, async (t) => {
        leakCheck(t);
        await withLoop(name, way, (loop) => inTime(loop, start));
      });
    }
  }
  test(`pending: nothing: the loop waits (${name})`, { skip, timeout }, async (t) => {
    leakCheck(t);
    await withLoop(name, 'attach', async (loop) => {
      const before = loop.turns;
      await delay(600);
      assert.ok(loop.turns - before < 1000, `${loop.turns - before} turns in 600 ms`);
    });
  });
}
