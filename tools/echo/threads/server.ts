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
} from '../limits.ts';
import { threadReason } from './error.ts';
import { errorOf, SharedState, type ThreadMessage, type ThreadPlan } from './server-shared.ts';

/** How a {@link ThreadedServer} serves. */
interface ThreadedServerOptions extends IterativeServerOptions {
  /** How many threads there may be, and so how many clients at a time. */
  readonly threads?: number;
  /** Whether the observer hears of every connection, or only of those that failed. */
  readonly watched?: boolean;
  /** Where each system call of the workers goes, one line each. */
  readonly trace?: ((line: string) => void) | undefined;
}

/**
 * The classic server of many clients: a thread for each, with blocking calls, in a pool of bounded
 * size. When all threads are busy, everybody else waits in the queue of listen(2).
 *
 * The workers block in accept(2) on the one listener, and the kernel picks one for each connection.
 * The thread that runs this class serves nobody: it starts workers while few are left to accept,
 * hears signals and adds up. What the observer hears comes by message and may lag behind.
 *
 * A thread that waits in the kernel can be neither told nor terminated. So no wait is longer than
 * WAIT_MS, and {@link stop} shuts the listener down, which wakes those in accept(2) on Linux.
 */
export class ThreadedServer {
  readonly #listener: Socket;
  readonly #options: ThreadedServerOptions;
  readonly #observer: ServerObserver;
  readonly #sys: Sys;
  readonly #threadsMax: number;
  readonly #shared = new SharedState();
  readonly #workers = new Set<Worker>();
  /** Those that have not said yet that they wait for a client. */
  readonly #starting = new Set<Worker>();
  readonly #errors = new Map<Worker, unknown>();
  #threadsStarted = 0;
  #growthHasFailed = false;
  #growAt: NodeJS.Timeout | null = null;
  #acceptReportedMs = Number.NEGATIVE_INFINITY;
  #failure: unknown = null;
  #allEnded: () => void = () => undefined;

  constructor(listener: Socket, options: ThreadedServerOptions) {
    this.#listener = listener;
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#sys = options.sys ?? nativeSys();
    this.#threadsMax = options.threads ?? THREADS_DEFAULT;
    if (!Number.isInteger(this.#threadsMax) || this.#threadsMax < 1) {
      throw new RangeError(`a pool takes 1 thread and more, not ${this.#threadsMax}`);
    }
  }

  /** What all threads came to so far; the bytes of a connection count once it has ended. */
  get totals(): ServerTotals {
    return this.#shared.totals;
  }

  /** How many threads there are. */
  get threads(): number {
    return this.#workers.size;
  }

  /** How often accept(2) failed. */
  get acceptFailures(): number {
    return this.#shared.acceptFailures;
  }

  /** Accepts and receives no more; what has come still gets its answer, within DRAIN_MS. */
  stop(): void {
    if (this.#shared.stopping) return;
    this.#shared.stop();
    if (this.#growAt !== null) clearTimeout(this.#growAt);
    try {
      this.#listener.shutdown('both');
    } catch (error) {
      // The BSDs do not shut a listener down (ENOTCONN): there the end of the wait does it.
      if (!(error instanceof SysError)) throw error;
    }
  }

  /**
   * Serves until {@link stop}, and until every thread has ended. Throws where the listener is
   * broken or no thread can be started.
   */
  async run(): Promise<ServerTotals> {
    if (!this.#acceptsBlocking) this.#listener.setBlocking(false);
    const ended = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    // One alone: each opens some 20 files for a moment, and without any there is no server.
    this.#start(1);
    if (this.#workers.size > 0) await ended;
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  /**
   * Elsewhere a thread that found the listener readable would block for ever in accept(2), when
   * another one was faster.
   */
  get #acceptsBlocking(): boolean {
    return this.#sys.abi.behaviours.timeoutsBoundAcceptAndConnect;
  }

  /**
   * Starts threads where few wait for a client: half as many again as there are, but one alone after
   * a failure. There are always as many as at the start.
   */
  #grow(): void {
    const { stopping, waiting } = this.#shared;
    const size = this.#workers.size;
    if (stopping || this.#starting.size > 0 || this.#growAt !== null) return;
    if (waiting >= THREADS_SPARE && size >= THREADS_START) return;
    const count = this.#growthHasFailed ? 1 : Math.max(1, size >> 1);
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
    };
    const worker = new Worker(new URL('./server-worker.js', import.meta.url), {
      workerData: plan,
      env: SHARE_ENV,
    });
    this.#workers.add(worker);
    this.#starting.add(worker);
    worker.on('message', (message: ThreadMessage) => this.#heard(worker, plan.thread, message));
    worker.on('error', (error) => this.#errors.set(worker, error));
    worker.on('exit', () => this.#ended(worker));
  }

  #heard(worker: Worker, thread: number, message: ThreadMessage): void {
    this.#shared.endMessage();
    try {
      this.#handle(worker, thread, message);
    } catch (error) {
      // Whoever reads what the observer prints has gone.
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

  /** Every thread may fail at the same time, and each would say the same. */
  #acceptFailed(failure: Error): void {
    const nowMs = this.#sys.monotonicMs();
    if (nowMs - this.#acceptReportedMs < ACCEPT_REPORT_MS) return;
    this.#acceptReportedMs = nowMs;
    this.#observer.acceptFailed?.(failure);
  }

  #ended(worker: Worker): void {
    const error = this.#errors.get(worker);
    this.#errors.delete(worker);
    this.#workers.delete(worker);
    this.#shared.full = false;
    // Before it was ready the system was short of descriptors, memory or threads; an error later on
    // is a defect.
    if (this.#starting.delete(worker)) this.#growthFailed(error);
    else if (error !== undefined) this.#fail(error);
    if (this.#workers.size === 0) this.#allEnded();
  }

  /** A thread could not be started: those that there are go on, and it is tried again later. */
  #growthFailed(error: unknown): void {
    // A server that stops needs no more threads, and may end with one that failed to start.
    if (this.#shared.stopping) return;
    const reason = threadReason(error);
    if (this.#workers.size === 0) this.#fail(new Error(`cannot start a thread: ${reason}`));
    // It may fail every second from now on, and that is no news.
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
