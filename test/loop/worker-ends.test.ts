// Goal: however a worker ends, no descriptor of its loops is left: clients are not left hanging.
// Method: workers with a listener and a client that waits, on every loop, ended in every way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { closeDescriptors, createConnection, nativeSys, type Socket, wake } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import type { WorkerReport, WorkerTask } from './worker-ends-worker.ts';

const timeout = 60_000;
const names = backends.filter(({ available }) => available(nativeSys()) === true);
const ENDINGS = ['error', 'handler', 'exit', 'exit in a handler', 'terminate'] as const;

/** What a client of a server that has gone gets: an end or a reset, and no timeout. */
function endOf(client: Socket): string {
  try {
    return client.recv(new Uint8Array(10)) === 0 ? 'ended' : 'bytes';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'an error without a code';
  }
}

async function endWorker(task: WorkerTask): Promise<void> {
  const worker = new Worker(new URL('./worker-ends-worker.js', import.meta.url), {
    workerData: task,
  });
  // Heard before anything is awaited, for an error is an end like any other here.
  worker.on('error', () => undefined);
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const [first] = (await once(worker, 'message')) as [WorkerReport];
  const { port } = first;
  // Blocking calls on this thread: everything that they wait for happens on the other one.
  using client = createConnection({ host: '127.0.0.1', port }, { timeoutMs: 20_000 });
  const [last] = (await once(worker, 'message')) as [WorkerReport];
  assert.ok(last.fds.length > first.fds.length, 'the connection is among the descriptors');
  const open = openFds();
  assert.deepEqual(
    last.fds.filter((fd) => !open.has(fd)),
    [],
    'all that it names is open',
  );
  if (task.ending === 'terminate') {
    const terminated = worker.terminate();
    wake(nativeSys(), last.wakeHandle);
    await terminated;
    closeDescriptors(last.fds);
  } else {
    client.send('now');
    await ended;
  }
  assert.match(endOf(client), /^(ended|ECONNRESET)$/);
  assert.throws(() => createConnection({ host: '127.0.0.1', port }), { code: 'ECONNREFUSED' });
}

for (const { name } of names) {
  for (const ending of ENDINGS) {
    test(`worker ends: ${name}: ${ending}`, { timeout }, async (t) => {
      leakCheck(t);
      await endWorker({ loop: name, ending });
    });
  }
}
