import { requireWhole, wrongValue } from '../base/arguments.ts';
import { chooseBackend } from '../loop/backends.ts';
import { Loop } from '../loop/loop.ts';
import { deadlineError, type ShutdownCounts, type ShutdownOptions } from '../net/async/shutdown.ts';
import { SHUTDOWN_DEADLINE_MS, TIMEOUT_MS_MAX } from '../net/limits.ts';
import { nativeSys } from '../sys/native.ts';
import { openFilesLimit } from '../sys/rlimit.ts';
import { formatAddress, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { Acceptor } from './acceptor.ts';
import { LOOK_MS } from './limits.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { checkedOptions, type ServeOnThreadsOptions, type ServiceOptions } from './options.ts';
import { RestartPolicy } from './restart-policy.ts';
import { endError } from './thread-end.ts';
import { type SlotEnd, type SlotOwner, type ThreadPhase, ThreadSlot } from './thread-slot.ts';

/** What a thread of a service does, as of at most 100 ms ago. */
export interface ThreadInfo {
  readonly index: number;
  readonly phase: ThreadPhase;
  /** The loop of the thread; empty until it serves. */
  readonly backend: string;
  /** Connections accepted so far, by all threads that had this place. */
  readonly accepted: number;
  /** Connections that are open. */
  readonly open: number;
  /** How often it was replaced. */
  readonly restarts: number;
  /** The counters of the program, by their names. */
  readonly counters: Readonly<Record<string, number>>;
}

/**
 * Serves on several threads: each has a loop of its own, attached to that of Node, and the
 * connections are spread over them. A thread that ends is replaced; connections that wait for it
 * are served by its successor.
 *
 * @param options the module that serves, where to listen, and the limits.
 * @returns the service, once all threads serve.
 * @throws SysError or ResolveError where it cannot listen; what a thread threw that ended before it
 *   served; Error for one that was not ready in time.
 * @throws TypeError or RangeError for an option of a wrong type or value.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection } from 'sockloop';
 * import { serveOnThreads } from 'sockloop/workers';
 *
 * // Usually a file: new URL('./echo.js', import.meta.url).
 * const module = new URL(
 *   `data:text/javascript,export const serve = (thread) => void thread.listen({
 *      handlers: { data: (connection, chunk) => void connection.write(chunk) },
 *    });`,
 * );
 * const service = await serveOnThreads({
 *   module,
 *   threads: 2,
 *   listen: { host: '127.0.0.1', port: 0 },
 * });
 * using client = createConnection({ host: '127.0.0.1', port: service.port ?? 0 });
 * client.sendAll('hello');
 * assert.equal(client.recv(new Uint8Array(16)), 5);
 * client.close();
 * await service.shutdown({ deadlineMs: 1000 });
 * ```
 */
export async function serveOnThreads(options: ServeOnThreadsOptions): Promise<ThreadService> {
  const checked = checkedOptions(options);
  options.signal?.throwIfAborted();
  const service = openService(checked, nativeSys());
  await startedService(service);
  return service;
}

/** What waits for all threads to serve. */
interface Starting {
  resolve(): void;
  reject(error: unknown): void;
}

let openService: (options: ServiceOptions, sys: Sys) => ThreadService;
let startedService: (service: ThreadService) => Promise<void>;

/**
 * Threads that serve, returned by {@link serveOnThreads}.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { serveOnThreads } from 'sockloop/workers';
 *
 * const module = new URL('data:text/javascript,export const serve = (thread) => thread.listen();');
 * const listen = { host: '127.0.0.1', port: 0 };
 * await using service = await serveOnThreads({ module, listen, threads: 1 });
 * assert.deepEqual(service.threads.map(({ phase, open }) => [phase, open]), [['serving', 0]]);
 * ```
 */
export class ThreadService implements AsyncDisposable {
  /** Where it listens, with the port that was chosen for port 0. */
  readonly address: SocketAddress;
  /**
   * Settled once all threads have ended: with what became of the connections after
   * {@link shutdown}. Rejected with the last error where threads have ended more often than
   * `restarts` allows; the others are shut down then.
   */
  readonly done: Promise<ShutdownCounts>;
  readonly #options: ServiceOptions;
  readonly #sys: Sys;
  readonly #sockets: ListeningSockets;
  readonly #slots: ThreadSlot[] = [];
  readonly #acceptor: Acceptor | null;
  readonly #policy: RestartPolicy;
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #look: NodeJS.Timeout;
  #lookedMs: number;
  #stopping = false;
  #handingOver = false;
  #handOverEnd: NodeJS.Timeout | null = null;
  /** Why it ends although nobody has asked for it. */
  #failure: unknown = null;
  /** Until all threads serve for the first time. */
  #starting: Starting | null = null;
  #resolve: (counts: ShutdownCounts) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #ended = 0;
  #reset = 0;
  readonly #aborted = (): void => void this.shutdown().catch(() => undefined);

  static {
    openService = (options, sys) => new ThreadService(options, sys);
    startedService = (service) => service.#start();
  }

  private constructor(options: ServiceOptions, sys: Sys) {
    this.#options = options;
    this.#sys = sys;
    this.#policy = new RestartPolicy(options.restarts);
    const { listen, threads } = options;
    this.#sockets = new ListeningSockets(sys, listen, listen, options.balance, threads);
    this.address = this.#sockets.address;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Heard of by `shutdown`, too.
    this.done.catch(() => undefined);
    const owner = this.#owner();
    const fdLimit = openFilesLimit(sys).hard;
    for (let index = 0; index < threads; index++) {
      this.#slots.push(new ThreadSlot(this.#task(index), options, fdLimit, sys, owner));
    }
    this.#acceptor = this.#sockets.balance === 'acceptor' ? this.#openAcceptor() : null;
    this.#lookedMs = sys.monotonicMs();
    this.#look = setInterval(() => this.#lookAtAll(), LOOK_MS);
    options.signal?.addEventListener('abort', this.#aborted);
  }

  #task(index: number) {
    const { module, threads, backend, batch, counters } = this.#options;
    const fd = this.#sockets.balance === 'kernel' ? this.#sockets.fdOf(index) : null;
    const { address } = this;
    const given = this.#options.options;
    return { index, threads, module, backend, batch, address, fd, options: given, counters };
  }

  #openAcceptor(): Acceptor {
    // The acceptor's loop closes its descriptors.
    const fds = this.#sockets.fds.map((fd) => this.#sys.dup(fd));
    try {
      const failed = fds.find((fd) => fd < 0);
      if (failed !== undefined) throw sysError(this.#sys, failed, 'dup', 'listen', this.address);
      const loop = new Loop(this.#sys, chooseBackend('auto', this.#sys).backend);
      loop.attach();
      const told = (error: SysError): void => this.#options.onError?.(error);
      const broken = (error: SysError): void => this.#fail(error);
      return new Acceptor(loop, fds, this.address, this.#slots, told, broken);
    } catch (error) {
      for (const fd of fds) if (fd >= 0) this.#sys.close(fd);
      this.#sockets.close();
      throw error;
    }
  }

  /** The port on which it listens; null for a UNIX socket. */
  get port(): number | null {
    return this.address.family === 'UNIX' ? null : this.address.port;
  }

  /** The descriptors of the listening sockets, for another process; they stay the service's. */
  get fds(): readonly number[] {
    return this.#sockets.fds;
  }

  /** What each thread does: how evenly the connections are spread, too. */
  get threads(): readonly ThreadInfo[] {
    return this.#slots.map((slot) => {
      const { index, phase, backend, accepted, restarts, state } = slot;
      const counters = Object.fromEntries(
        this.#options.counters.map((name, place) => [name, state.counter(place)]),
      );
      return { index, phase, backend, accepted, open: state.open, restarts, counters };
    });
  }

  /**
   * Posts a message, which is copied (structured clone), to `onMessage` of threads.
   *
   * @param message what to post.
   * @param to the number of a thread. Default: all of them.
   * @throws DataCloneError for what cannot be copied; RangeError for a number without a thread.
   */
  post(message: unknown, to?: number): void {
    if (to !== undefined && this.#slots[to] === undefined) {
      throw wrongValue(to, `a thread has a number from 0 to ${this.#slots.length - 1}`);
    }
    for (const slot of this.#slots) {
      if (to === undefined || slot.index === to) slot.tell({ kind: 'posted', message, from: null });
    }
  }

  /**
   * Stops accepting, and has every thread end its connections, as `Listener.shutdown` does, and
   * then itself. A thread that does not is terminated a second after the deadline.
   *
   * @param options by when; an earlier deadline in a second call holds. Default: 5 s.
   * @returns a promise of what became of the connections: {@link done}.
   */
  shutdown({ deadlineMs = SHUTDOWN_DEADLINE_MS }: ShutdownOptions = {}): Promise<ShutdownCounts> {
    const error = deadlineError(deadlineMs);
    if (error !== null) return Promise.reject(error);
    if (!this.#stopping) {
      this.#stopping = true;
      this.#cancelRestarts();
      this.#acceptor?.close();
      if (this.#handingOver) this.#sockets.letGo();
      else this.#sockets.close();
    }
    const nowMs = this.#sys.monotonicMs();
    for (const slot of this.#slots) slot.shutdown(nowMs, deadlineMs);
    this.#endIfDone();
    return this.done;
  }

  /**
   * Stops accepting where another process has the listening sockets too (see `startSuccessor` of
   * `sockloop/service`). Connections that were accepted go on, and each thread ends with its last
   * one. The file of a UNIX socket stays.
   *
   * @param options by when: the service is shut down then, as by {@link shutdown} with its default
   *   deadline. Default: never.
   * @returns {@link done}.
   */
  handOver({ deadlineMs }: ShutdownOptions = {}): Promise<ShutdownCounts> {
    if (deadlineMs !== undefined) requireWhole('a deadline', deadlineMs, 0, TIMEOUT_MS_MAX);
    if (this.#stopping || this.#handingOver) return this.done;
    this.#handingOver = true;
    this.#cancelRestarts();
    if (deadlineMs !== undefined) {
      this.#handOverEnd = setTimeout(() => void this.shutdown().catch(() => undefined), deadlineMs);
    }
    if (this.#acceptor === null) this.#handedOver();
    else this.#acceptor.retire(() => this.#handedOver());
    this.#endIfDone();
    return this.done;
  }

  /** All that was accepted has been handed to the threads. */
  #handedOver(): void {
    for (const slot of this.#slots) slot.tell({ kind: 'handOver' });
    // A thread that is starting takes its socket from the descriptor.
    if (this.#slots.every(({ phase }) => phase !== 'starting')) this.#sockets.letGo();
  }

  #cancelRestarts(): void {
    for (const timer of this.#restarts) clearTimeout(timer);
    this.#restarts.clear();
  }

  /**
   * Shuts the service down, as {@link shutdown} with its default deadline, at the end of an `await
   * using` block.
   *
   * @returns a promise that resolves when all threads have ended.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown().catch(() => undefined);
  }

  async #start(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#starting = { resolve, reject };
        for (const slot of this.#slots) slot.start(this.#sys.monotonicMs());
      });
    } catch (error) {
      await this.shutdown({ deadlineMs: 0 }).catch(() => undefined);
      throw error;
    } finally {
      this.#starting = null;
    }
  }

  #owner(): SlotOwner {
    return {
      ready: () => {
        this.#acceptor?.hungry();
        if (this.#slots.every(({ phase }) => phase === 'serving')) this.#starting?.resolve();
      },
      hungry: () => this.#acceptor?.hungry(),
      posted: (from, message, to) => this.#posted(from, message, to),
      ended: (slot, end, untaken) => this.#slotEnded(slot, end, untaken),
    };
  }

  #posted(from: number, message: unknown, to: number | 'owner' | 'others'): void {
    if (to === 'owner') {
      this.#options.onMessage?.(message, from);
      return;
    }
    for (const slot of this.#slots) {
      const isMeant = to === 'others' ? slot.index !== from : slot.index === to;
      if (isMeant) slot.tell({ kind: 'posted', message, from });
    }
  }

  #slotEnded(slot: ThreadSlot, end: SlotEnd, untaken: readonly number[]): void {
    this.#ended += end.counts.ended;
    this.#reset += end.counts.reset;
    if (this.#stopping) {
      for (const fd of untaken) this.#sys.close(fd);
      this.#endIfDone();
      return;
    }
    this.#acceptor?.handBack(untaken);
    const { index } = slot;
    const { reason, error } = end;
    if (this.#handingOver) {
      const isTold = reason === 'shutdown';
      if (!isTold) this.#options.onThreadEnd?.({ index, reason, error, restartMs: null });
      this.#endIfDone();
      return;
    }
    if (this.#starting !== null) {
      this.#starting.reject(this.#reasonOf(slot, end));
      return;
    }
    const pauseMs = this.#policy.pauseMs(this.#sys.monotonicMs());
    this.#options.onThreadEnd?.({ index, reason, error, restartMs: pauseMs });
    if (pauseMs === null) this.#fail(this.#reasonOf(slot, end));
    else this.#restartIn(slot, pauseMs);
  }

  #restartIn(slot: ThreadSlot, pauseMs: number): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      try {
        slot.start(this.#sys.monotonicMs());
      } catch (error) {
        this.#fail(error);
      }
    }, pauseMs);
    this.#restarts.add(timer);
  }

  #reasonOf({ index }: ThreadSlot, end: SlotEnd): unknown {
    const what = `thread ${index} of the service on ${formatAddress(this.address)}`;
    return endError(what, end, this.#options);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.shutdown().catch(() => undefined);
  }

  #lookAtAll(): void {
    const nowMs = this.#sys.monotonicMs();
    // Of a time in which the whole process was stopped, a little counts.
    const sinceMs = Math.min(nowMs - this.#lookedMs, 2 * LOOK_MS);
    this.#lookedMs = nowMs;
    for (const slot of this.#slots) slot.look(nowMs, sinceMs);
  }

  #endIfDone(): void {
    if (this.#slots.some(({ phase }) => phase !== 'ended')) return;
    clearInterval(this.#look);
    if (this.#handOverEnd !== null) clearTimeout(this.#handOverEnd);
    if (this.#handingOver) {
      this.#acceptor?.close();
      this.#sockets.letGo();
    }
    const { signal } = this.#options;
    signal?.removeEventListener('abort', this.#aborted);
    const shutDown = new Error('cannot serve: it was shut down');
    this.#starting?.reject(this.#failure ?? signal?.reason ?? shutDown);
    if (this.#failure === null) this.#resolve({ ended: this.#ended, reset: this.#reset });
    else this.#reject(this.#failure);
  }
}
