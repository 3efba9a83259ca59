import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { MissingLoop } from 'sockloop';
import { type WakeHandle, wake } from 'sockloop/poller';
import { nativeSys, type Sys } from 'sockloop/sys';
import { sharedClockOffsetMs } from '#src/sys/thread-clock.js';
import { threadReason } from '../../echo/threads/error.ts';
import type { LoadDocument } from '../document.ts';
import { END_GRACE_MS, PROGRESS_MS, START_DELAY_MS } from '../limits.ts';
import { checkPlan, loadLimits } from '../plan/check.ts';
import type { LoadPlan } from '../plan.ts';
import { Collection } from '../record/collection.ts';
import type { IntervalHistogram } from '../record/hdr-log.ts';
import type { ThreadMessage, ThreadResult, ThreadTask } from '../record/thread-messages.ts';
import { documentOf, type Outcome } from '../result/run-document.ts';
import { type Target, targetOf } from '../target.ts';
import { SharedState } from './shared-state.ts';

const WORDLESS = 'it ended without a word';

/** Callbacks of a run. */
interface LoadObserver {
  /** About twice a second, on the main thread. */
  progress?(now: LoadProgress): void;
}

/** Progress of a run. */
export interface LoadProgress {
  readonly phase: 'connecting' | 'ramp' | 'warmup' | 'measuring' | 'ending';
  /**
   * Time since the beginning of the warm-up, and the length of warm-up and measured time together.
   */
  readonly elapsedMs: number;
  readonly totalMs: number;
  /** In the measured time so far. */
  readonly messages: number;
  readonly errors: number;
  /** Since the last call, and of the last whole second. */
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Connections that are open now. */
  readonly connections: number;
}

/** A run in progress. */
export interface LoadRun {
  /**
   * Fulfilled at the end of the run. Rejected if no thread could be run or no address was found.
   */
  readonly done: Promise<LoadDocument>;
  /** Times of every second, for `hdrLog`; complete once `done` is fulfilled. */
  readonly intervalHistograms: readonly IntervalHistogram[];
  /** Set if `auto` fell back: the loop in use and the better ones that were not available. */
  readonly fallback: { readonly loop: string; readonly missing: readonly MissingLoop[] } | null;
  /** Ends the run early: it reports what was measured so far. Idempotent. */
  stop(): void;
}

/**
 * Starts a load run: threads of their own send messages and check what comes back.
 *
 * Lifts the process's limit on descriptors as far as it may. Throws a RangeError that says why
 * there can be no such run.
 */
export function startLoad(plan: LoadPlan, observer: LoadObserver = {}): LoadRun {
  const sys = nativeSys();
  checkPlan(plan, loadLimits(sys));
  const run = new Run(plan, observer, sys);
  const done = run.run();
  return {
    done,
    get intervalHistograms() {
      return run.intervalHistograms;
    },
    get fallback() {
      return run.fallback;
    },
    stop: () => run.stop(),
  };
}

/** One thread as the main thread sees it. */
interface Thread {
  readonly worker: Worker;
  ready: boolean;
  wakeHandle: WakeHandle | null;
  loop: string | null;
  result: ThreadResult | null;
  failure: string | null;
  exited: boolean;
}

class Run {
  readonly #plan: LoadPlan;
  readonly #observer: LoadObserver;
  readonly #sys: Sys;
  readonly #shared: SharedState;
  readonly #collection: Collection;
  readonly #threads: Thread[] = [];
  /** Offset of the clock that all threads share from this thread's. */
  readonly #offsetMs = sharedClockOffsetMs();
  /** See {@link LoadRun.fallback}. */
  fallback: LoadRun['fallback'] = null;
  /** When the warm-up begins, on the clock that all threads share, and on the wall. */
  #startMs: number | null = null;
  #startWallMs = 0;
  #startLateMs = 0;
  #endedEarly = false;
  #over = false;
  #cpu: NodeJS.CpuUsage | null = null;
  #cpuAtEnd: NodeJS.CpuUsage | null = null;
  readonly #timers = new Set<NodeJS.Timeout>();
  #progressMs = 0;
  #progressMessages = 0;
  /** Rejected if the run is stopped before the server's address is known. */
  readonly #stoppedSoon: Promise<never>;
  #stopSoon: (error: Error) => void = () => undefined;
  #allEnded: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(plan: LoadPlan, observer: LoadObserver, sys: Sys) {
    this.#plan = plan;
    this.#observer = observer;
    this.#sys = sys;
    this.#shared = new SharedState(plan.threads);
    this.#collection = new Collection(plan);
    this.#stoppedSoon = new Promise((_, reject) => {
      this.#stopSoon = reject;
    });
    // Unhandled once the server's address is known.
    this.#stoppedSoon.catch(() => undefined);
  }

  get intervalHistograms(): readonly IntervalHistogram[] {
    return this.#collection.histograms;
  }

  async run(): Promise<LoadDocument> {
    const { endpoint, timeoutMs } = this.#plan;
    const target = await Promise.race([
      targetOf(endpoint, timeoutMs, this.#sys),
      this.#stoppedSoon,
    ]);
    const ended = new Promise<void>((resolve, reject) => {
      this.#allEnded = resolve;
      this.#fail = reject;
    });
    // May be rejected while threads are still being started, before it is awaited.
    ended.catch(() => undefined);
    const progress = setInterval(() => this.#tellProgress(), PROGRESS_MS);
    try {
      for (let thread = 0; thread < this.#plan.threads; thread += 1) this.#begin(thread, target);
      await ended;
    } finally {
      clearInterval(progress);
      for (const timer of this.#timers) clearTimeout(timer);
      this.#over = true;
      this.#shared.stop();
      this.#wakeAll();
      await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
    }
    return this.#document();
  }

  stop(): void {
    if (this.#over || this.#shared.stopping) return;
    this.#endedEarly = true;
    this.#shared.stop();
    this.#stopSoon(new Error('ended before the server was found'));
    this.#wakeAll();
    this.#after(END_GRACE_MS, () => this.#giveUp());
  }

  #begin(index: number, target: Target): void {
    const task: ThreadTask = {
      memory: this.#shared.memory,
      plan: this.#plan,
      thread: index,
      target,
    };
    const worker = this.#newWorker(index, task);
    const thread: Thread = {
      worker,
      ready: false,
      wakeHandle: null,
      loop: null,
      result: null,
      failure: null,
      exited: false,
    };
    this.#threads.push(thread);
    worker.on('message', (message: ThreadMessage) => {
      try {
        this.#heard(index, thread, message);
      } catch (error) {
        this.#fail(error);
      }
    });
    worker.on('error', (error) => {
      thread.failure = threadReason(error);
      // The remaining threads would not be the load that was requested.
      this.stop();
    });
    worker.on('exit', () => this.#ended(thread));
  }

  #newWorker(index: number, workerData: ThreadTask): Worker {
    try {
      const url = new URL('./worker.js', import.meta.url);
      return new Worker(url, { workerData, env: SHARE_ENV });
    } catch (error) {
      const which = `${index + 1} of ${this.#plan.threads}`;
      throw new Error(`cannot start thread ${which}: ${threadReason(error)}`);
    }
  }

  #heard(index: number, thread: Thread, message: ThreadMessage): void {
    switch (message.kind) {
      case 'begun':
        thread.wakeHandle = message.wakeHandle;
        thread.loop = message.loop;
        if (message.missing.length > 0) this.fallback ??= message;
        if (this.#shared.stopping) this.#wakeAll();
        break;
      case 'ready':
        thread.ready = true;
        if (this.#threads.every(({ ready }) => ready)) this.#release();
        break;
      case 'interval':
        this.#collection.add(index, message.counts);
        break;
      case 'ended':
        thread.result = message.result;
        break;
    }
  }

  #ended(thread: Thread): void {
    thread.exited = true;
    if (thread.result === null) thread.failure ??= WORDLESS;
    if (this.#threads.some(({ exited }) => !exited)) return;
    if (this.#threads.every(({ result }) => result === null)) {
      const failures = this.#threads.map(({ failure }) => failure);
      const first = failures.find((failure) => failure !== WORDLESS) ?? WORDLESS;
      this.#fail(new Error(`the threads of the run failed: ${first}`));
    } else {
      this.#allEnded();
    }
  }

  /** All threads are connected: sets the time at which they begin. */
  #release(): void {
    if (this.#startMs !== null) return;
    const { startAtMs, warmupMs, durationMs } = this.#plan;
    const nowMs = Date.now();
    const leftMs = startAtMs === null ? 0 : startAtMs - nowMs;
    this.#startLateMs = Math.max(0, -leftMs);
    const delayMs = Math.max(START_DELAY_MS, leftMs);
    this.#startMs = this.#sys.monotonicMs() + this.#offsetMs + delayMs;
    this.#startWallMs = nowMs + delayMs;
    this.#shared.start(this.#startMs);
    this.#wakeAll();
    this.#after(delayMs + warmupMs, () => {
      this.#cpu = process.cpuUsage();
    });
    this.#after(delayMs + warmupMs + durationMs, () => {
      this.#cpuAtEnd = process.cpuUsage(this.#cpu ?? undefined);
    });
    this.#after(delayMs + warmupMs + durationMs + this.#plan.timeoutMs + END_GRACE_MS, () =>
      this.#giveUp(),
    );
  }

  /** Terminates threads that should have ended, and reports what there is. */
  #giveUp(): void {
    for (const { worker } of this.#threads) void worker.terminate();
  }

  #wakeAll(): void {
    for (const [index, { wakeHandle }] of this.#threads.entries()) {
      if (wakeHandle === null) continue;
      this.#shared.whileOpen(index, () => wake(this.#sys, wakeHandle));
    }
  }

  #after(delayMs: number, callback: () => void): void {
    // The longest that Node's timers take: a run may be longer.
    const partMs = Math.min(delayMs, 2 ** 31 - 1);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (delayMs > partMs) this.#after(delayMs - partMs, callback);
      else callback();
    }, partMs);
    this.#timers.add(timer);
  }

  #tellProgress(): void {
    const nowMs = this.#sys.monotonicMs();
    const { warmupMs, rampMs, durationMs, threads } = this.#plan;
    const startMs = this.#startMs;
    const elapsedMs = startMs === null ? 0 : Math.max(0, nowMs + this.#offsetMs - startMs);
    const totalMs = warmupMs + durationMs;
    const sum = (of: (thread: number) => number): number =>
      Array.from({ length: threads }, (_, thread) => of(thread)).reduce((a, b) => a + b, 0);
    const messages = sum((thread) => this.#shared.messagesOf(thread));
    const sinceMs = nowMs - this.#progressMs;
    const perSecond = ((messages - this.#progressMessages) / sinceMs) * 1000;
    this.#progressMs = nowMs;
    this.#progressMessages = messages;
    const phase =
      startMs === null || nowMs + this.#offsetMs < startMs
        ? 'connecting'
        : elapsedMs < rampMs
          ? 'ramp'
          : elapsedMs < warmupMs
            ? 'warmup'
            : elapsedMs < totalMs && !this.#shared.stopping
              ? 'measuring'
              : 'ending';
    this.#observer.progress?.({
      phase,
      elapsedMs: Math.min(elapsedMs, totalMs),
      totalMs,
      messages,
      errors: sum((thread) => this.#shared.errorsOf(thread)),
      perSecond,
      ...this.#collection.latest,
      connections: sum((thread) => this.#shared.connectionsOf(thread)),
    });
  }

  #document(): LoadDocument {
    const { warmupMs } = this.#plan;
    const startWallMs = this.#startMs === null ? Date.now() : this.#startWallMs + warmupMs;
    const outcome: Outcome = {
      plan: this.#plan,
      startedAt: new Date(startWallMs).toISOString(),
      endedEarly: this.#endedEarly,
      startLateMs: this.#startLateMs,
      cpuMs: this.#cpuMs(),
      threads: this.#threads.map(({ loop, result, failure }) => ({ loop, result, failure })),
    };
    return documentOf(outcome, this.#collection);
  }

  /** CPU time of the whole process over the measured time. */
  #cpuMs(): number {
    if (this.#cpu === null) return 0;
    const used = this.#cpuAtEnd ?? process.cpuUsage(this.#cpu);
    return (used.user + used.system) / 1e3;
  }
}
