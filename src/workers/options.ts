import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import {
  requireFlag,
  requireFunction,
  requireObject,
  requireTimeout,
  requireWhole,
  shown,
} from '../base/arguments.ts';
import type { LoopName } from '../loop/backends.ts';
import { requireSignal } from '../net/async/abort.ts';
import { TIMEOUT_MS_MAX } from '../net/limits.ts';
import {
  COUNTERS_MAX,
  RESTARTS_MAX,
  RESTARTS_WITHIN_MS,
  STALL_MS,
  START_TIMEOUT_MS,
  THREADS_MAX,
} from './limits.ts';
import type { Balance, ServiceEndpoint, ServiceSocketOptions } from './listening-sockets.ts';
import type { RestartLimit } from './restart-policy.ts';
import type { ThreadEndReason } from './thread-slot.ts';

/** A thread of a service that has ended. */
export interface ThreadEnd {
  readonly index: number;
  readonly reason: ThreadEndReason;
  /** What it threw; null if it did not. */
  readonly error: unknown;
  /** In how many milliseconds another one takes its place; null where none does. */
  readonly restartMs: number | null;
}

/** Options of {@link serveOnThreads}. */
export interface ServeOnThreadsOptions {
  /**
   * The module that serves: a file URL, as `new URL('./echo.js', import.meta.url)`, or an absolute
   * path. It exports `serve(thread)`, which may return a promise, and a function that is called
   * when the service shuts down, with the deadline in ms: the thread accepts no more then, and once
   * what the function returns is resolved, the connections that are left are ended.
   */
  readonly module: URL | string;
  /**
   * Where to listen, and how. `noDelay` is that of all connections. `fds` are sockets that listen
   * already: one for each thread, or any number for an acceptor.
   */
  readonly listen: ServiceEndpoint & ServiceSocketOptions;
  /** How many threads, 1 to 1024. Default: `max`, as many as there are cores. */
  readonly threads?: number | 'max';
  /** What each thread gets a copy of (structured clone), as `thread.options`. */
  readonly options?: unknown;
  /**
   * How connections come to the threads. `kernel`: a socket each, with SO_REUSEPORT, and the kernel
   * spreads them by their addresses. `acceptor`: this thread accepts and hands each connection to
   * the thread that has the fewest. Default: `kernel` where it balances (TCP on Linux).
   */
  readonly balance?: Balance;
  /** The loop of the threads. Default: `auto`. */
  readonly backend?: LoopName;
  /** As in `EventLoopOptions`. Default: true. */
  readonly batch?: boolean;
  /** Names of numbers that the threads count up, for `thread.counter`, at most 256. */
  readonly counters?: readonly string[];
  /**
   * How many threads may be replaced that have ended. One more ends the service: what has failed so
   * often will fail again. Default: 5 within 60 s.
   */
  readonly restarts?: RestartLimit;
  /** How long a thread may take until its `serve` is done, in ms. Default: 30 s. */
  readonly startTimeoutMs?: number;
  /**
   * After how many milliseconds without a turn a thread counts as stuck, and is terminated; null:
   * never. Default: 10 s. The time in which the whole process is stopped does not count.
   */
  readonly stallMs?: number | null;
  /** As in `new Worker`: a thread that takes more memory ends with `ERR_WORKER_OUT_OF_MEMORY`. */
  readonly resourceLimits?: ResourceLimits;
  /** Shuts the service down when it aborts, with the default deadline. */
  readonly signal?: AbortSignal;
  /**
   * A thread has ended although it was not told to.
   *
   * @param end which, why, and when another one takes its place.
   */
  onThreadEnd?(end: ThreadEnd): void;
  /**
   * A thread has posted a message to its owner.
   *
   * @param message a copy of it.
   * @param index the number of the thread.
   */
  onMessage?(message: unknown, index: number): void;
  /**
   * The acceptor cannot accept: out of descriptors, say. It goes on.
   *
   * @param error a SysError.
   */
  onError?(error: Error): void;
}

/** The options with their defaults. */
export interface ServiceOptions extends Omit<ServeOnThreadsOptions, 'module' | 'threads'> {
  readonly module: string;
  readonly threads: number;
  readonly backend: LoopName;
  readonly batch: boolean;
  readonly counters: readonly string[];
  readonly restarts: RestartLimit;
  readonly startTimeoutMs: number;
  readonly stallMs: number | null;
}

/** Checks the options. Throws a TypeError or RangeError that says which is wrong. */
export function checkedOptions(options: ServeOnThreadsOptions): ServiceOptions {
  requireObject('options', options);
  requireObject('listen', options.listen);
  const { threads = 'max', backend = 'auto', batch = true, balance, counters = [] } = options;
  const { startTimeoutMs = START_TIMEOUT_MS, stallMs = STALL_MS } = options;
  const { restarts = { max: RESTARTS_MAX, withinMs: RESTARTS_WITHIN_MS } } = options;
  const count = threads === 'max' ? availableParallelism() : threads;
  requireWhole('the number of threads', count, 1, THREADS_MAX);
  requireFlag('batch', batch);
  if (balance !== undefined && balance !== 'kernel' && balance !== 'acceptor') {
    throw new RangeError(`balance is kernel or acceptor, not ${shown(balance)}`);
  }
  if (balance === 'kernel' && 'path' in options.listen) {
    throw new RangeError('balance kernel is for TCP: a UNIX socket has one listener');
  }
  if ('fds' in options.listen) checkFds(options.listen.fds);
  requireTimeout('startTimeoutMs', startTimeoutMs, TIMEOUT_MS_MAX);
  if (stallMs !== null) requireTimeout('stallMs', stallMs, TIMEOUT_MS_MAX);
  requireObject('restarts', restarts);
  requireWhole('max of restarts', restarts.max, 0, Number.MAX_SAFE_INTEGER);
  requireTimeout('withinMs of restarts', restarts.withinMs, TIMEOUT_MS_MAX);
  checkCounters(counters);
  requireSignal(options.signal);
  requireFunction('onThreadEnd', options.onThreadEnd);
  requireFunction('onMessage', options.onMessage);
  requireFunction('onError', options.onError);
  const module = moduleUrl(options.module);
  const limits = { restarts, startTimeoutMs, stallMs };
  return { ...options, ...limits, module, threads: count, backend, batch, counters };
}

function checkFds(fds: unknown): void {
  if (!Array.isArray(fds) || fds.length === 0) {
    throw new TypeError(`fds are an array of descriptors, not ${shown(fds)}`);
  }
  for (const fd of fds) requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
}

function checkCounters(counters: unknown): void {
  const isList = Array.isArray(counters) && counters.every((name) => typeof name === 'string');
  if (!isList) throw new TypeError(`counters is an array of names, not ${shown(counters)}`);
  if (counters.length > COUNTERS_MAX) {
    throw new RangeError(`a service has at most ${COUNTERS_MAX} counters, not ${counters.length}`);
  }
  if (new Set(counters).size < counters.length) {
    throw new RangeError('two counters have the same name');
  }
}

function moduleUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module === 'string' && module.startsWith('file:')) return module;
  if (typeof module === 'string' && isAbsolute(module)) return pathToFileURL(module).href;
  throw new TypeError(`a module is a file URL or an absolute path, not ${shown(module)}`);
}
