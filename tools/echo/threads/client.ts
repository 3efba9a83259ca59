import { SHARE_ENV, Worker } from 'node:worker_threads';
import { nativeSys, type SocketAddress, type Sys } from 'sockloop/sys';
import { Deque } from '#src/base/deque.js';
import { openFilesLimit } from '#src/sys/rlimit.js';
import {
  CLIENT_STARTING_MAX,
  CLIENT_STOP_MS,
  CLIENT_WAKE_MS,
  PROCESS_FILES,
  STARTING_FILES,
  THREAD_FILES,
} from '../limits.ts';
import {
  type ClientPlan,
  ClientState,
  type ClientThreadMessage,
  type ClientThreadPlan,
  type ThreadCounts,
  type ThreadOutcome,
} from './client-shared.ts';
import { threadReason } from './error.ts';
import { errorOf } from './server-shared.ts';

/** The result of a thread. */
export interface ThreadResult extends ThreadCounts {
  /** Counted from 1. */
  readonly thread: number;
  readonly outcome: ThreadOutcome;
  /** Why it failed; null if it did not. */
  readonly failure: Error | null;
}

/** The result of a client. */
export interface ClientResult {
  readonly threads: readonly ThreadResult[];
  /** The address that accepted; null if none did. */
  readonly server: SocketAddress | null;
  /** From the start of the last thread to the end of the last. */
  readonly elapsedMs: number;
}

/** How a thread ended. */
interface ThreadEnd {
  readonly outcome: ThreadOutcome;
  readonly failure: Error | null;
}

const STOPPED: ThreadEnd = { outcome: 'stopped', failure: null };

/**
 * Threads that may start at the same time: one where descriptors are short. Otherwise a thread may
 * fail because of the files of others that fail, which Node closes some time after their exit.
 */
function startingMax(threads: number): number {
  const files = PROCESS_FILES + threads * THREAD_FILES + CLIENT_STARTING_MAX * STARTING_FILES;
  return files <= openFilesLimit(nativeSys()).soft ? CLIENT_STARTING_MAX : 1;
}

/**
 * The textbook's client of many threads: each has a blocking socket, sends all messages and prints
 * their replies. They begin once all have started.
 *
 * A thread that fails ends, and the others continue. The main thread starts them, handles signals
 * and sums up.
 *
 * A thread blocked in the kernel receives no message and cannot be terminated: {@link stop} shuts
 * its socket down, which ends the wait. If that does not help (connect(2) to a UNIX server whose
 * queue is full, or on a BSD; write(2) to a pipe that nobody reads) the thread is given up.
 */
export class ThreadedClient {
  readonly #plan: ClientPlan;
  readonly #sys: Sys;
  readonly #failed: (thread: number, failure: Error) => void;
  readonly #state: ClientState;
  /** Running threads by number. */
  readonly #workers = new Map<number, Worker>();
  /** Running threads that have not reported their end. */
  readonly #busy = new Set<number>();
  /** Threads that are not ready yet. */
  readonly #starting = new Set<number>();
  readonly #errors = new Map<number, Error>();
  readonly #ends = new Map<number, ThreadEnd>();
  /** The numbers of the threads not started yet, in order. */
  readonly #waiting = new Deque<number>();
  #startingMax: number;
  /** The thread that starts alone, after others failed to start. */
  #startedAlone: number | null = null;
  #server: SocketAddress | null = null;
  #beganMs: number | null = null;
  #endedMs = 0;
  #wakeAt: NodeJS.Timeout | null = null;
  #giveUpAt: NodeJS.Timeout | null = null;
  #failure: Error | null = null;
  #over: () => void = () => undefined;

  /** `failed` is called for each thread that fails. */
  constructor(plan: ClientPlan, sys: Sys, failed: (thread: number, failure: Error) => void) {
    this.#plan = plan;
    this.#sys = sys;
    this.#failed = failed;
    this.#state = new ClientState(plan.threads);
    for (let thread = 1; thread <= plan.threads; thread++) this.#waiting.push(thread);
    this.#startingMax = startingMax(plan.threads);
  }

  /** Runs all threads to their ends, or until {@link stop}. Throws if their output fails. */
  async run(): Promise<ClientResult> {
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    this.#startMore();
    await over;
    if (this.#wakeAt !== null) clearInterval(this.#wakeAt);
    if (this.#giveUpAt !== null) clearTimeout(this.#giveUpAt);
    if (this.#failure !== null) throw this.#failure;
    return this.#result();
  }

  /**
   * Ends all threads. {@link run} waits at most CLIENT_STOP_MS. Threads that have not ended by then
   * count as `stopped` and keep the process alive until they end.
   */
  stop(): void {
    if (this.#state.stopping) return;
    this.#state.stop();
    this.#wake();
    // Repeated: a thread may have checked `stopping` and not yet published its socket.
    this.#wakeAt = setInterval(() => this.#wake(), CLIENT_WAKE_MS);
    this.#giveUpAt = setTimeout(() => this.#over(), CLIENT_STOP_MS);
  }

  #wake(): void {
    const { SHUT_RDWR } = this.#sys.abi.constants;
    for (const thread of this.#workers.keys()) {
      const fd = this.#state.socketOf(thread);
      // Fails without a connection, which is harmless.
      if (fd >= 0) this.#sys.shutdown(fd, SHUT_RDWR);
    }
  }

  #startMore(): void {
    while (this.#starting.size < this.#startingMax && !this.#state.stopping) {
      const thread = this.#waiting.shift();
      if (thread === undefined) break;
      this.#startedAlone = this.#startingMax === 1 ? thread : null;
      this.#start(thread);
    }
    if (this.#starting.size > 0) return;
    if (this.#beganMs === null && !this.#state.stopping) {
      this.#beganMs = this.#sys.monotonicMs();
      this.#endedMs = this.#beganMs;
      this.#state.begin();
    }
    this.#checkOver();
  }

  #checkOver(): void {
    // Hundreds of threads take seconds to exit: after a stop their reported end is enough.
    const left = this.#state.stopping ? this.#busy : this.#workers;
    if (left.size === 0) this.#over();
  }

  #start(thread: number): void {
    const plan: ClientThreadPlan = { ...this.#plan, memory: this.#state.memory, thread };
    let worker: Worker;
    try {
      worker = new Worker(new URL('./client-worker.js', import.meta.url), {
        workerData: plan,
        env: SHARE_ENV,
      });
    } catch (error) {
      this.#notStarted(thread, error);
      return;
    }
    this.#workers.set(thread, worker);
    this.#busy.add(thread);
    this.#starting.add(thread);
    worker.on('message', (message: ClientThreadMessage) => this.#received(thread, message));
    worker.on('error', (error: Error) => this.#errors.set(thread, error));
    worker.on('exit', () => this.#exited(thread));
  }

  #received(thread: number, message: ClientThreadMessage): void {
    switch (message.kind) {
      case 'ready':
        this.#starting.delete(thread);
        this.#startMore();
        break;
      case 'ended': {
        const { outcome, server } = message;
        this.#busy.delete(thread);
        this.#server ??= server;
        const failure = message.failure === null ? null : errorOf(message.failure);
        this.#ended(thread, { outcome, failure });
        this.#checkOver();
        break;
      }
      case 'outputFailed':
        this.#fail(errorOf(message.failure));
        break;
    }
  }

  #ended(thread: number, end: ThreadEnd): void {
    this.#endedMs = this.#sys.monotonicMs();
    this.#ends.set(thread, end);
    if (end.failure === null) return;
    try {
      this.#failed(thread, end.failure);
    } catch (error) {
      // The reader of that output has gone.
      this.#fail(error);
    }
  }

  #exited(thread: number): void {
    const error = this.#errors.get(thread);
    this.#errors.delete(thread);
    this.#workers.delete(thread);
    this.#busy.delete(thread);
    this.#state.setSocket(thread, -1);
    this.#state.endPrinting(thread);
    if (this.#starting.delete(thread)) this.#notStarted(thread, error);
    // Expected failures are messages: this is a defect.
    else if (error !== undefined) this.#fail(error);
    this.#startMore();
  }

  /** The system is short of descriptors, memory or threads. */
  #notStarted(thread: number, error: unknown): void {
    if (this.#state.stopping) return;
    if (thread !== this.#startedAlone) {
      // Threads that start hold files open for a moment: try again alone.
      this.#startingMax = 1;
      this.#waiting.unshift(thread);
      return;
    }
    const failure = new Error(`cannot start: ${threadReason(error)}`);
    // The threads behind it would fail in the same way.
    const all = [thread, ...this.#waiting];
    this.#waiting.clear();
    for (const each of all) {
      this.#ended(each, { outcome: 'failed', failure });
    }
  }

  /** Stops with an error: the first one counts. */
  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.stop();
  }

  #result(): ClientResult {
    const allEnded = this.#ends.size === this.#plan.threads;
    const endedMs = allEnded ? this.#endedMs : this.#sys.monotonicMs();
    return {
      threads: Array.from({ length: this.#plan.threads }, (_, index) => {
        const end = this.#ends.get(index + 1) ?? STOPPED;
        return { thread: index + 1, ...end, ...this.#state.countsOf(index + 1) };
      }),
      server: this.#server,
      elapsedMs: this.#beganMs === null ? 0 : endedMs - this.#beganMs,
    };
  }
}
