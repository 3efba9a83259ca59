import type { LoopName, MissingLoop } from 'sockloop';
import { serveOnThreads, type ThreadEnd, type ThreadService } from 'sockloop/workers';
import { addRefusals } from '../guards/plan.ts';
import { newTotals, type ServerObserver, type ServerTotals } from '../iterative-server.ts';
import { DRAIN_MS, LINGER_MS } from '../limits.ts';
import { addMisbehaviour, newMisbehaviourTotals } from '../misbehaviour/plan.ts';
import type { OpenServer, ServerEnvironment, ServerPlan } from '../servers.ts';
import type { LoopThreadMessage, LoopThreadPlan } from './loop-shared.ts';
import { errorOf } from './server-shared.ts';
import { ThreadFigures } from './thread-figures.ts';

/** Opens an echo server whose threads have an event loop each. Rejects if it cannot listen. */
export async function openLoopThreads(
  loop: LoopName,
  plan: ServerPlan,
  { observer, watched, measured }: ServerEnvironment,
): Promise<OpenServer> {
  const server = new LoopThreads(observer);
  const { mode, idleTimeoutMs, lineBytesMax, maxConnections, endpoint, backlog } = plan;
  const { guarding = null } = plan;
  // A thread without clients would hold its share of the places.
  const threads = Math.min(plan.threads, maxConnections ?? plan.threads);
  const { misbehaviour = null } = plan;
  const limits = { idleTimeoutMs, lineBytesMax, maxConnections };
  const options = { mode, ...limits, watched, measured, misbehaviour, guarding };
  const service = await serveOnThreads({
    module: new URL('./loop-worker.js', import.meta.url),
    threads,
    backend: loop,
    listen: backlog === undefined || 'fds' in endpoint ? endpoint : { ...endpoint, backlog },
    options: options satisfies LoopThreadPlan,
    // A full thread must not be given what another one has room for.
    ...(maxConnections === null ? {} : { balance: 'acceptor' }),
    onMessage: (message, index) => server.received(message as LoopThreadMessage, index),
    onThreadEnd: (end) => server.threadEnded(end),
    onError: (error) => observer.acceptFailed?.(error),
  });
  return server.opened(service);
}

/** The owner of the threads. */
class LoopThreads {
  readonly #observer: ServerObserver;
  readonly #totals = newTotals();
  #loop = '';
  #missing: readonly MissingLoop[] = [];
  #failure: unknown = null;
  #service: ThreadService | null = null;
  readonly #figures = new ThreadFigures();

  constructor(observer: ServerObserver) {
    this.#observer = observer;
  }

  opened(service: ThreadService): OpenServer {
    this.#service = service;
    // What it rejects with, `run` throws.
    const stop = (): void =>
      void service.shutdown({ deadlineMs: DRAIN_MS + LINGER_MS }).catch(() => undefined);
    return {
      loop: this.#loop,
      missing: this.#missing,
      threads: service.threads.length,
      balance: () => service.threads.map(({ accepted }) => accepted),
      figures: () => this.#figures.ask(service),
      address: service.address,
      run: () => this.#run(service),
      stop: () => stop(),
      sockets: service.fds,
      handOver: (drainMs) => void service.handOver({ deadlineMs: drainMs }).catch(() => undefined),
      timers: undefined,
      // The service removes it.
      removeFile: () => null,
      [Symbol.dispose]: () => stop(),
    };
  }

  async #run(service: ThreadService): Promise<ServerTotals> {
    try {
      await service.done;
    } catch (error) {
      this.#failure ??= error;
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#totals;
  }

  received(message: LoopThreadMessage, index: number): void {
    try {
      this.#handle(message, index);
    } catch (error) {
      // The reader of the observer's output has gone.
      this.#failure ??= error;
      void this.#service?.shutdown({ deadlineMs: 0 });
    }
  }

  /** Of the last one, in whose place none is started, the service says why. */
  threadEnded({ index, reason, error, restartMs }: ThreadEnd): void {
    if (restartMs === null) return;
    const why = error instanceof Error ? error.message : reason;
    const words = `thread ${index} has ended, and another one takes its place: ${why}`;
    this.#observer.threadFailed?.(new Error(words));
  }

  #handle(message: LoopThreadMessage, index: number): void {
    switch (message.kind) {
      case 'listens':
        this.#loop = message.loop;
        this.#missing = message.missing;
        break;
      case 'accepted':
        this.#observer.accepted?.(message.address, message.connection);
        break;
      case 'closed': {
        const failure = message.failure === null ? null : errorOf(message.failure);
        this.#observer.closed?.(message.address, message.totals, failure);
        break;
      }
      case 'acceptFailed':
        this.#observer.acceptFailed?.(errorOf(message.failure));
        break;
      case 'figures':
        this.#figures.answered(index, message.request, message.figures);
        break;
      case 'ended':
        addTotals(this.#totals, message.totals);
        break;
    }
  }
}

function addTotals(totals: ServerTotals, more: ServerTotals): void {
  totals.connections += more.connections;
  totals.failed += more.failed;
  totals.turnedAway += more.turnedAway;
  totals.receivedBytes += more.receivedBytes;
  totals.sentBytes += more.sentBytes;
  totals.unacknowledgedBytes += more.unacknowledgedBytes;
  if (more.misbehaved !== undefined) {
    totals.misbehaved ??= newMisbehaviourTotals();
    addMisbehaviour(totals.misbehaved, more.misbehaved);
  }
  if (more.refused === undefined) return;
  if (totals.refused === undefined) totals.refused = more.refused;
  else addRefusals(totals.refused, more.refused);
}
