import type { ServiceThread } from 'sockloop/workers';
import { EventServer } from '../event-server.ts';
import { guardsOfThread } from '../guard-plan.ts';
import type { ConnectionTotals, ServerObserver } from '../iterative-server.ts';
import type { LoopThreadMessage, LoopThreadPlan } from './loop-shared.ts';
import { failureOf } from './server-shared.ts';

// One thread of an echo server on event loops.

/** The clients at a time of one of several threads: `max` in all. */
function shareOf(max: number, { index, threads }: ServiceThread): number {
  return Math.floor(max / threads) + (index < max % threads ? 1 : 0);
}

/** Begins to serve. Returns what ends it in order, once it is told to. */
export function serve(thread: ServiceThread): () => Promise<void> {
  const { maxConnections, guarding, ...plan } = thread.options as LoopThreadPlan;
  const tell = (message: LoopThreadMessage): void => thread.post(message);
  const server = new EventServer(thread.loop, {
    ...plan,
    maxConnections: maxConnections === null ? null : shareOf(maxConnections, thread),
    guarding: guardsOfThread(guarding, thread.threads),
    listen: (settings) => thread.listen(settings),
    observer: observerOf(thread, tell),
  });
  const { backendName, missing } = thread.loop;
  tell({ kind: 'listens', loop: backendName, missing });
  return async () => tell({ kind: 'ended', totals: await server.shutdown() });
}

/** Passes on what a server observes. Each connection of the process has a number of its own. */
function observerOf(
  { index, threads }: ServiceThread,
  tell: (message: LoopThreadMessage) => void,
): ServerObserver {
  const numbered = (connection: number): number => (connection - 1) * threads + index + 1;
  return {
    accepted: (address, connection) =>
      tell({ kind: 'accepted', address, connection: numbered(connection) }),
    closed: (address, totals: ConnectionTotals, failure) =>
      tell({
        kind: 'closed',
        address,
        totals: { ...totals, connection: numbered(totals.connection) },
        failure: failure === null ? null : failureOf(failure),
      }),
    acceptFailed: (failure) => tell({ kind: 'acceptFailed', failure: failureOf(failure) }),
  };
}
