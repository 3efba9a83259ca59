// Goal: threads share the connections of a service; one that ends in any way is replaced, and none
// of its connections hangs; the service ends in order, with nothing left open.
// Method: an echo service whose threads fail when they are told to, over every way of balancing, on
// epoll and io_uring, with clients of this thread.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { nativeSys } from 'sockloop';
import {
  type ServeOnThreadsOptions,
  serveOnThreads,
  type ThreadEnd,
  type ThreadService,
} from 'sockloop/workers';
import { BEAT_MS } from '#src/workers/limits.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { echoed, heldClients } from './clients.ts';
import type { Order } from './echo-service.ts';

const timeout = 120_000;
const LOOPS = ['epoll', 'io_uring'] as const;
const module = new URL('./echo-service.js', import.meta.url);
const listen = { host: '127.0.0.1', port: 0 };

interface Watched {
  readonly service: ThreadService;
  readonly ends: ThreadEnd[];
  readonly messages: unknown[];
}

async function start(options: Partial<ServeOnThreadsOptions> = {}): Promise<Watched> {
  const ends: ThreadEnd[] = [];
  const messages: unknown[] = [];
  const service = await serveOnThreads({
    module,
    listen,
    threads: 2,
    counters: ['messages'],
    onThreadEnd: (end) => ends.push(end),
    onMessage: (message) => messages.push(message),
    ...options,
  });
  return { service, ends, messages };
}

/** Waits for a condition, for as long as a starved machine may take. */
async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waits = 0; !condition(); waits++) {
    assert.ok(waits < 3000, `${what} within 30 s`);
    await pause(10);
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

async function replaced({ service, ends }: Watched, order: Order, restarts: number) {
  service.post(order, 0);
  await until(`the thread told to ${order} is replaced`, () => {
    const [thread] = service.threads;
    return thread?.restarts === restarts && thread.phase === 'serving';
  });
  const end = ends.at(-1);
  assert.equal(end?.index, 0);
  assert.equal(typeof end.restartMs, 'number');
  return end;
}

for (const backend of LOOPS) {
  for (const balance of ['kernel', 'acceptor'] as const) {
    const skip = reasonWithoutLoop(backend);
    test(`service: ${backend}: ${balance}`, { timeout, skip }, async (t) => {
      leakCheck(t);
      const watched = await start({ backend, balance, stallMs: 1500, threads: 2 });
      const { service, messages, ends } = watched;
      const clients = await heldClients(service.port ?? 0, 24);
      await until('all are counted', () => sum(service.threads.map(({ open }) => open)) === 24);
      const open = service.threads.map((thread) => thread.open);
      // The kernel goes by a hash of the addresses.
      if (balance === 'acceptor') assert.deepEqual(open, [12, 12]);
      assert.equal(sum(service.threads.map(({ counters }) => counters['messages'] ?? 0)), 24);
      assert.ok(service.threads.every((thread) => thread.backend === backend));

      service.post('greet' satisfies Order, 1);
      await until('the greeting is answered', () => messages.length === 1);
      assert.deepEqual(messages, ['0 was greeted by 1']);

      const thrown = await replaced(watched, 'throw', 1);
      assert.equal(thrown.reason, 'error');
      assert.equal((thrown.error as Error).message, 'asked to');
      await echoed(service.port ?? 0, 10);
      // What comes while no thread takes it is served by the successor.
      const [stalled] = await Promise.all([
        replaced(watched, 'spin', 2),
        pause(100).then(() => echoed(service.port ?? 0, 20)),
      ]);
      assert.equal(stalled.reason, 'stalled');
      await echoed(service.port ?? 0, 10);
      assert.equal(ends.length, 2);

      // The clients of the first thread have heard of its end, and those of the second none.
      await until('the clients are told', () => clients.ended() === open[0]);
      // What a thread publishes may be as old as a beat: of before the short clients.
      await pause(3 * BEAT_MS);
      await until('short clients are gone', () => service.threads[1]?.open === open[1]);
      await until('short clients are gone', () => service.threads[0]?.open === 0);
      const counts = await service.shutdown({ deadlineMs: 300 });
      assert.equal(counts.ended + counts.reset, open[1]);
      await until('the clients are told', () => clients.ended() === 24);
      assert.deepEqual(messages.slice(1).toSorted(), ['0 ends', '1 ends']);
      clients.close();
    });
  }
}

test('service: a thread without memory or by process.exit() is replaced', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const resourceLimits = { maxOldGenerationSizeMb: 48 };
  const watched = await start({ threads: 1, resourceLimits });
  await using service = watched.service;
  const exit = await replaced(watched, 'exit', 1);
  assert.deepEqual([exit.reason, exit.error, exit.restartMs], ['exit', null, 0]);
  const memory = await replaced(watched, 'allocate', 2);
  assert.equal((memory.error as NodeJS.ErrnoException).code, 'ERR_WORKER_OUT_OF_MEMORY');
  assert.ok((memory.restartMs ?? 0) > 0, 'the second restart waits');
  await echoed(service.port ?? 0, 5);
});

test('service: a UNIX socket has an acceptor, and its file is removed', { timeout }, async (t) => {
  leakCheck(t);
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'service');
  const { service } = await start({ listen: { path } });
  const clients = await heldClients(path, 10);
  await until('both have five', () => service.threads.every(({ open }) => open === 5));
  // A thread that takes no more is left out.
  service.post('refuse' satisfies Order, 0);
  await until('it is told', () => service.threads[0]?.phase === 'serving');
  await pause(50);
  await echoed(path, 10);
  assert.equal(service.threads[0]?.accepted, 5);
  await service.shutdown({ deadlineMs: 200 });
  assert.equal(existsSync(path), false);
  clients.close();
});

/** A module that is one function, as a URL. */
function serving(body: string): URL {
  return new URL(`data:text/javascript,export const serve = (thread) => { ${body} };`);
}

async function ends(t: TestContext, options: Partial<ServeOnThreadsOptions>, expected: object) {
  leakCheck(t);
  await assert.rejects(async () => {
    const { service } = await start({ threads: 1, ...options });
    await service.done;
  }, expected);
}

test('service: threads that end again and again end it', { timeout }, (t) =>
  ends(
    t,
    {
      module: serving('thread.listen(); setTimeout(() => { throw new Error("again") }, 200)'),
      restarts: { max: 2, withinMs: 60_000 },
    },
    { message: 'again' },
  ),
);

for (const [name, options, expected] of [
  ['throws', { module: serving('throw new Error("out of luck")') }, { message: 'out of luck' }],
  ['rejects', { module: serving('return Promise.reject(new Error("no"))') }, { message: 'no' }],
  ['is no function', { module: new URL('data:text/javascript,') }, /no function named serve/],
  [
    'is never ready',
    { module: serving('return new Promise(() => undefined)'), startTimeoutMs: 5000 },
    /thread 0 of the service on 127.0.0.1:\d+ was not ready within 5000 ms/,
  ],
  ['exits', { module: serving('process.exit(0)') }, /has ended by itself/],
  ['listens twice', { module: serving('thread.listen(); thread.listen()') }, /listens already/],
  ['counts what is none', { module: serving('thread.counter("x")') }, /are messages, not/],
  ['is nowhere', { module: '/nowhere/none.js' }, { code: 'ERR_MODULE_NOT_FOUND' }],
  [
    'is aborted',
    {
      module: serving('return new Promise(() => undefined)'),
      signal: AbortSignal.timeout(500),
    },
    { name: 'TimeoutError' },
  ],
] as const) {
  test(`service: a module that ${name}`, { timeout }, (t) => ends(t, options, expected));
}

for (const [options, expected] of [
  [{ threads: 0 }, 'the number of threads is a number from 1 to 1024, not 0'],
  [
    { module: './echo.js' },
    'a module is a file URL or an absolute path, not the string "./echo.js"',
  ],
  [{ balance: 'fair' }, 'balance is kernel or acceptor, not the string "fair"'],
  [{ listen: { path: '/x' }, balance: 'kernel' }, /balance kernel is for TCP/],
  [{ counters: ['a', 'a'] }, 'two counters have the same name'],
  [{ restarts: { max: -1, withinMs: 1 } }, /^max of restarts is a number from 0/],
  [{ stallMs: 0 }, /^stallMs is above 0/],
  [{ onThreadEnd: 1 }, 'onThreadEnd is a function, not 1'],
  [{ listen: { host: 'nowhere.invalid', port: 0 } }, /nowhere.invalid/],
] as const) {
  test(`service: refuses ${JSON.stringify(options)}`, { timeout }, async (t) => {
    leakCheck(t);
    const wrong = options as unknown as Partial<ServeOnThreadsOptions>;
    await assert.rejects(start({ ...wrong }), { message: expected });
  });
}

test('service: an acceptor whose socket is broken ends the service', { timeout }, async (t) => {
  leakCheck(t);
  const told: Error[] = [];
  const onError = (error: Error) => told.push(error);
  const { service } = await start({ balance: 'acceptor', threads: 1, onError });
  const [fd = -1] = service.fds;
  const clients = await heldClients(service.port ?? 0, 2);
  const failed = assert.rejects(service.done, { code: 'EINVAL', syscall: 'accept' });
  // accept(2) answers EINVAL from now on.
  const sys = nativeSys();
  assert.equal(sys.shutdown(fd, sys.abi.constants.SHUT_RDWR), 0);
  await failed;
  assert.deepEqual(told, []);
  await until('the clients are told', () => clients.ended() === 2);
  clients.close();
});
