// A service on threads, one of which ends and is replaced now and then.

import type { LoopName } from 'sockloop';
import { serveOnThreads } from 'sockloop/workers';
import { answerQuestions } from './asked.ts';
import type { Account } from './ledger.ts';
import { type Heap, sampleHere } from './sample.ts';

/** What it is asked. */
type Question = { readonly what: 'ports' | 'sample' | 'account' | 'end a thread' | 'close' };

const THREADS = 2;
const LATE_MS = 30_000;
const { backend }: { readonly backend: LoopName } = JSON.parse(process.argv[2] ?? '{}');
let heaps: Heap[] = [];
let told: () => void = () => undefined;
const service = await serveOnThreads({
  module: new URL('./service-thread.js', import.meta.url),
  listen: { host: '127.0.0.1', port: 0 },
  threads: THREADS,
  backend,
  counters: ['received', 'sent', 'closed'],
  restarts: { max: 2, withinMs: 1 },
  onMessage: (heap) => {
    heaps.push(heap as Heap);
    told();
  },
});

async function until(holds: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + LATE_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A sample of the process with the heaps of all threads. */
async function sample() {
  heaps = [];
  service.post('heap');
  await new Promise<void>((resolve) => {
    told = () => {
      if (heaps.length === THREADS) resolve();
    };
  });
  const here = sampleHere();
  const sum = { heapBytes: here.heapBytes, externalBytes: here.externalBytes };
  for (const { heapBytes, externalBytes } of heaps) {
    sum.heapBytes += heapBytes;
    sum.externalBytes += externalBytes;
  }
  return { ...here, ...sum };
}

async function endThread(): Promise<void> {
  const restarts = () => service.threads.reduce((sum, one) => sum + one.restarts, 0);
  const before = restarts();
  service.post('throw', before % THREADS);
  const isServing = () => service.threads.every(({ phase }) => phase === 'serving');
  await until(() => restarts() > before && isServing(), 'another thread serves');
}

function account(): Account {
  const all = { connections: 0, receivedBytes: 0, sentBytes: 0 };
  for (const { counters } of service.threads) {
    all.connections += counters['closed'] ?? 0;
    all.receivedBytes += counters['received'] ?? 0;
    all.sentBytes += counters['sent'] ?? 0;
  }
  return { all, kinds: null, datagrams: null };
}

// Who asks has ended.
process.once('disconnect', () => void service.shutdown({ deadlineMs: 0 }));

answerQuestions<Question>(async ({ what }) => {
  switch (what) {
    case 'ports':
      return { port: service.port };
    case 'sample':
      return await sample();
    case 'account':
      return account();
    case 'end a thread':
      return await endThread();
    case 'close':
      await service.shutdown({ deadlineMs: 1000 });
      setImmediate(() => process.disconnect());
      return [];
  }
});
