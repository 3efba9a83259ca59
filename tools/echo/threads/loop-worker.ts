import { SysError } from 'sockloop/sys';
import type { ServiceThread } from 'sockloop/workers';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { EventServer } from '../event-server.ts';
import { guardsOfThread } from '../guards/plan.ts';
import type { ConnectionTotals, ServerObserver, ServerTotals } from '../iterative-server.ts';
import { EventMisbehaviour } from '../misbehaviour/event-misbehaviour.ts';
import type { FiguresRequest, LoopThreadMessage, LoopThreadPlan } from './loop-shared.ts';
import { failureOf } from './server-shared.ts';

// One thread of an echo server on event loops.

/** The clients at a time of one of several threads: `max` in all. */
function shareOf(max: number, { index, threads }: ServiceThread): number {
  return Math.floor(max / threads) + (index < max % threads ? 1 : 0);
}

/** Begins to serve. Returns what ends it in order, once it is told to. */
export function serve(thread: ServiceThread): () => Promise<void> {
  const { maxConnections, measured, misbehaviour, guarding, ...plan } =
    thread.options as LoopThreadPlan;
  const numberOf = (accepted: number): number => numberIn(thread, accepted);
  const tell = (message: LoopThreadMessage): void => thread.post(message);
  const server = new EventServer(thread.loop, {
    ...plan,
    maxConnections: maxConnections === null ? null : shareOf(maxConnections, thread),
    guarding: guardsOfThread(guarding, thread.threads),
    listen: ({ onError, ...settings }) =>
      thread.listen({ ...settings, onError: (error) => unlessFinal(error, onError) }),
    observer: observerOf(thread, tell),
    misbehaviour:
      misbehaviour === null
        ? null
        : new EventMisbehaviour(thread.loop, misbehaviour, plan.mode, numberOf),
  });
  if (measured) thread.loop.measureLag();
  thread.onMessage((message) => {
    const { request } = message as FiguresRequest;
    tell({ kind: 'figures', request, figures: server.figures() });
  });
  const { backendName, missing } = thread.loop;
  tell({ kind: 'listens', loop: backendName, missing });
  // Its connections break without their close(), and it is asked for nothing any more.
  const failing = (): void => tell({ kind: 'ended', totals: brokenOff(server) });
  process.once('uncaughtExceptionMonitor', failing);
  return async () => {
    const totals = await server.shutdown();
    process.off('uncaughtExceptionMonitor', failing);
    tell({ kind: 'ended', totals });
  };
}

/** The totals of a thread that fails now: what is open breaks. */
function brokenOff(server: EventServer): ServerTotals {
  const { open, shed: turnedAway, receivedBytes, sentBytes } = server.figures();
  const failed = server.totals.failed + open;
  return { ...server.totals, failed, turnedAway, receivedBytes, sentBytes };
}

/** A listener that is broken ends its thread, and another one takes its place. */
function unlessFinal(error: Error, told: ((error: Error) => void) | undefined): void {
  if (error instanceof SysError && acceptErrorKind(error.code) === 'final') throw error;
  told?.(error);
}

/** The number in the process of the n-th connection of a thread: each has one of its own. */
function numberIn({ index, threads }: ServiceThread, accepted: number): number {
  return (accepted - 1) * threads + index + 1;
}

/** Passes on what a server observes. */
function observerOf(
  thread: ServiceThread,
  tell: (message: LoopThreadMessage) => void,
): ServerObserver {
  const numbered = (connection: number): number => numberIn(thread, connection);
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
