import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { Socket } from 'sockloop/socket';
import { nativeSys, type Sys, SysError } from 'sockloop/sys';
import type { IterativeServerOptions, ServerObserver, ServerTotals } from '../iterative-server.ts';
import {
  ACCEPT_REPORT_MS,
  GROWTH_PAUSE_MS,
  LINE_BYTES_MAX,
  THREADS_DEFAULT,
  THREADS_SPARE,
  THREADS_START,
  THREADS_STARTING_MAX,
} from '../limits.ts';
import type { MisbehaviourPlan } from '../misbehaviour/plan.ts';
import { threadReason } from './error.ts';
import { errorOf, SharedState, type ThreadMessage, type ThreadPlan } from './server-shared.ts';

/** Options of a {@link ThreadedServer}. */
interface ThreadedServerOptions extends IterativeServerOptions {
  /** The most threads, and so the most clients at a time. */
  readonly threads?: number;
  /** True to report every connection, else only those that failed. */
  readonly watched?: boolean;
  /** Whether another process has the listener as well, which it must not shut down. */
  readonly shared?: boolean;
  /** Prints a system call of a worker. */
  readonly trace?: ((line: string) => void) | undefined;
}

/**
 * The classic server of many clients: a thread for each, with blocking calls, in a pool of bounded
 * size. While all threads are busy, further clients wait in the queue of listen(2).
 *
 * The workers block in accept(2) on one listener, and the kernel picks one for each connection. The
 * main thread serves no client: it starts workers while few are left to accept, handles signals and
 * sums up. The observer is called by message and may lag behind.
 *
 * A thread blocked in the kernel receives no message and cannot be terminated. So no wait exceeds
 * WAIT_MS, and {@link stop} shuts the listener down, which wakes accept(2) on Linux.
 */
export class ThreadedServer {
  readonly #listener: Socket;
  readonly #options: ThreadedServerOptions;
  readonly #observer: ServerObserver;
  readonly #sys: Sys;
  readonly #threadsMax: number;
  readonly #misbehaviour: MisbehaviourPlan | null;
  readonly #shared = new SharedState();
  readonly #workers = new Set<Worker>();
  /** Workers that are not ready yet. */
  readonly #starting = new Set<Worker>();
  readonly #errors = new Map<Worker, unknown>();
  #threadsStarted = 0;
  #growthHasFailed = false;
  #growAt: NodeJS.Timeout | null = null;
  #drainEnd: NodeJS.Timeout | null = null;
  #acceptReportedMs = Number.NEGATIVE_INFINITY;
  #acceptReported = '';
  #failure: unknown = null;
  #allEnded: () => void = () => undefined;

  constructor(listener: Socket, options: ThreadedServerOptions) {
    this.#listener = listener;
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#sys = options.sys ?? nativeSys();
    this.#misbehaviour = options.misbehaviour ?? null;
    this.#threadsMax = options.threads ?? THREADS_DEFAULT;
    if (!Number.isInteger(this.#threadsMax) || this.#threadsMax < 1) {
      throw new RangeError(`a pool takes 1 thread and more, not ${this.#threadsMax}`);
    }
  }

  /** Totals of all threads; the bytes of a connection count once it has ended. */
  get totals(): ServerTotals {
    const { totals } = this.#shared;
    if (this.#misbehaviour !== null) totals.misbehaved = this.#shared.misbehaved;
    return totals;
  }

  /** The number of threads. */
  get threads(): number {
    return this.#workers.size;
  }

  /** The number of failed calls of accept(2). */
  get acceptFailures(): number {
    return this.#shared.acceptFailures;
  }

  /** Stops accepting and receiving; input received so far is answered within DRAIN_MS. */
  stop(): void {
    if (this.#shared.stopping) return;
    this.#shared.stop();
    if (this.#growAt !== null) clearTimeout(this.#growAt);
    // Then accept(2) ends by itself, within WAIT_MS.
    if (this.#shared.retired || this.#options.shared === true) return;
    try {
      this.#listener.shutdown('both');
    } catch (error) {
      // The BSDs cannot shut a listener down (ENOTCONN): there the wait has to end.
      if (!(error instanceof SysError)) throw error;
    }
  }

  /** Another process accepts: each thread serves its client on; stops in `drainMs`. */
  handOver(drainMs: number): void {
    if (this.#shared.stopping || this.#shared.retired) return;
    this.#shared.retire();
    if (this.#growAt !== null) clearTimeout(this.#growAt);
    this.#drainEnd = setTimeout(() => this.stop(), drainMs);
  }

  /**
   * Serves until {@link stop} and until every thread has ended. Throws if the listener fails or no
   * thread can be started.
   */
  async run(): Promise<ServerTotals> {
    if (!this.#acceptsBlocking) this.#listener.setBlocking(false);
    const ended = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    // One first: each opens some 20 files while it starts, and without one there is no server.
    this.#start(1);
    if (this.#workers.size > 0) await ended;
    if (this.#drainEnd !== null) clearTimeout(this.#drainEnd);
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  /**
   * False where a timeout does not bound accept(2): a thread would block for ever if another one
   * took the connection.
   */
  get #acceptsBlocking(): boolean {
    return this.#sys.abi.behaviours.timeoutsBoundAcceptAndConnect;
  }

  /**
   * Starts threads while few wait for a client: half as many as there are, at most
   * THREADS_STARTING_MAX, or one after a failure. Below THREADS_START it always starts some.
   */
  #grow(): void {
    const { stopping, waiting } = this.#shared;
    const size = this.#workers.size;
    if (stopping || this.#shared.retired || this.#starting.size > 0 || this.#growAt !== null)
      return;
    if (waiting >= THREADS_SPARE && size >= THREADS_START) return;
    const few = Math.min(size >> 1, THREADS_STARTING_MAX);
    const count = this.#growthHasFailed ? 1 : Math.max(1, few);
    this.#start(Math.min(count, this.#threadsMax - size));
  }

  #start(count: number): void {
    this.#shared.full = this.#workers.size + count >= this.#threadsMax;
    for (let i = 0; i < count; i++) {
      try {
        this.#startOne();
      } catch (error) {
        this.#growthFailed(error);
        return;
      }
    }
  }

  #startOne(): void {
    const { mode, idleTimeoutMs, lineBytesMax, watched, trace } = this.#options;
    const plan: ThreadPlan = {
      memory: this.#shared.memory,
      thread: ++this.#threadsStarted,
      listener: this.#listener.fileno(),
      family: this.#listener.family,
      polls: !this.#acceptsBlocking,
      mode,
      idleTimeoutMs: idleTimeoutMs ?? null,
      lineBytesMax: lineBytesMax ?? LINE_BYTES_MAX,
      watched: watched ?? false,
      trace: trace !== undefined,
      misbehaviour: this.#misbehaviour,
    };
    const worker = new Worker(new URL('./server-worker.js', import.meta.url), {
      workerData: plan,
      env: SHARE_ENV,
    });
    this.#workers.add(worker);
    this.#starting.add(worker);
    worker.on('message', (message: ThreadMessage) => this.#received(worker, plan.thread, message));
    worker.on('error', (error) => this.#errors.set(worker, error));
    worker.on('exit', () => this.#ended(worker));
  }

  #received(worker: Worker, thread: number, message: ThreadMessage): void {
    this.#shared.endMessage();
    try {
      this.#handle(worker, thread, message);
    } catch (error) {
      // The reader of the observer's output has gone.
      this.#fail(error);
    }
  }

  #handle(worker: Worker, thread: number, message: ThreadMessage): void {
    switch (message.kind) {
      case 'ready':
        this.#starting.delete(worker);
        this.#growthHasFailed = false;
        this.#grow();
        break;
      case 'busy':
        this.#grow();
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
        this.#acceptFailed(errorOf(message.failure));
        break;
      case 'broken':
        this.#fail(errorOf(message.failure));
        break;
      case 'traced':
        this.#options.trace?.(`[thread ${thread}] ${message.line}`);
        break;
    }
  }

  /** All threads may fail at once, each with the same error: reports one. */
  #acceptFailed(failure: Error): void {
    const nowMs = this.#sys.monotonicMs();
    const isKnown = failure.message === this.#acceptReported;
    if (isKnown && nowMs - this.#acceptReportedMs < ACCEPT_REPORT_MS) return;
    this.#acceptReportedMs = nowMs;
    this.#acceptReported = failure.message;
    this.#observer.acceptFailed?.(failure);
  }

  #ended(worker: Worker): void {
    const error = this.#errors.get(worker);
    this.#errors.delete(worker);
    this.#workers.delete(worker);
    this.#shared.full = false;
    // Before `ready` the system lacked descriptors, memory or threads; a later error is a defect.
    if (this.#starting.delete(worker)) this.#growthFailed(error);
    else if (error !== undefined) this.#fail(error);
    if (this.#workers.size === 0) this.#allEnded();
  }

  /** A thread could not start: the others continue, and a new attempt follows later. */
  #growthFailed(error: unknown): void {
    // A server that stops needs no more threads.
    if (this.#shared.stopping || this.#shared.retired) return;
    const reason = threadReason(error);
    if (this.#workers.size === 0) this.#fail(new Error(`cannot start a thread: ${reason}`));
    // Attempts may fail every second: reports the first failure only.
    const told = this.#growthHasFailed;
    this.#growthHasFailed = true;
    if (this.#shared.stopping || this.#growAt !== null) return;
    this.#growAt = setTimeout(() => {
      this.#growAt = null;
      this.#grow();
    }, GROWTH_PAUSE_MS);
    if (told) return;
    const failure = new Error(`cannot start another thread: ${reason}`);
    this.#observer.acceptFailed?.(failure);
  }

  /** Stops with an error: the first one counts. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    this.stop();
  }
}
