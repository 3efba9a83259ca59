import type { MessagePort } from 'node:worker_threads';
import { requireCallback, requireObject, shown } from '../base/arguments.ts';
import type { AsyncConnection } from '../net/async/async-connection.ts';
import type { ShutdownCounts } from '../net/async/shutdown.ts';
import { EventLoop } from '../net/event-loop.ts';
import { SHUTDOWN_DEADLINE_MS } from '../net/limits.ts';
import type { AsyncListenSettings } from '../net/stream/listen-options.ts';
import type { Listener, ListenSettings } from '../net/stream/listener.ts';
import { prepareInherited } from '../socket/inherited.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import { sysError } from '../sys/sys-error.ts';
import { keepLedger } from '../sys/thread-resources.ts';
import { HandedConnections } from './handed-connections.ts';
import { BEAT_MS } from './limits.ts';
import type { OwnerMessage, ThreadMessage, ThreadTask } from './messages.ts';
import { SharedLedger } from './shared-ledger.ts';
import { ThreadState } from './shared-state.ts';

/** How to listen in a thread: everything but where. */
export type ThreadListenSettings<Data = undefined> = Omit<
  ListenSettings<Data>,
  'backlog' | 'reusePort' | 'noDelay'
>;

/** How to listen in a thread without handlers: iterating gives the connections. */
export type AsyncThreadListenSettings = Omit<
  AsyncListenSettings,
  'backlog' | 'reusePort' | 'noDelay'
>;

/** A number that a thread counts up and its owner reads. */
export interface Counter {
  /**
   * Adds to the counter: one addition to memory, for every message if need be.
   *
   * @param count what to add. Default: 1.
   */
  add(count?: number): void;
}

/** Opens the service of this thread: for the entry of the worker. */
export let openServiceThread: (task: ThreadTask, port: MessagePort) => ServiceThread;

/** Told by the entry of the worker. */
export let beginService: (
  thread: ServiceThread,
  serve: (thread: ServiceThread) => unknown,
) => Promise<void>;

/**
 * One thread of a service, as its module gets it: `serve(thread)`. Its loop is attached, so that
 * timers, promises and Node's own servers work beside it.
 *
 * @example
 * ```ts
 * import type { ServiceThread } from 'sockloop/workers';
 *
 * // The module that `serveOnThreads({ module, ... })` names.
 * export function serve(thread: ServiceThread): void {
 *   const messages = thread.counter('messages');
 *   thread.listen({
 *     handlers: {
 *       data: (connection, chunk) => {
 *         messages.add();
 *         if (!connection.write(chunk)) connection.pause();
 *       },
 *       drain: (connection) => connection.resume(),
 *     },
 *   });
 * }
 * ```
 */
export class ServiceThread {
  /** The number of this thread, from 0 on. */
  readonly index: number;
  /** How many threads serve. */
  readonly threads: number;
  /** The loop of this thread, attached to Node's. */
  readonly loop: EventLoop;
  /** A copy of `options` of `serveOnThreads`. */
  readonly options: unknown;
  /** Where the service listens. */
  readonly address: SocketAddress;
  readonly #task: ThreadTask;
  readonly #port: MessagePort;
  readonly #state: ThreadState;
  readonly #handed: HandedConnections | null;
  /** Its listeners: further ones may be opened by the program, on the loop. */
  #listener: Listener<unknown> | null = null;
  #heard: ((message: unknown, from: number | null) => void) | null = null;
  #ended: unknown = undefined;
  /** Whether it ends with its last connection, and whether it has ended. */
  #handedOver = false;
  #over = false;

  static {
    openServiceThread = (task, port) => new ServiceThread(task, port);
    beginService = (thread, serve) => thread.#begin(serve);
  }

  private constructor(task: ThreadTask, port: MessagePort) {
    keepLedger(new SharedLedger(task.ledger));
    this.#task = task;
    this.#port = port;
    this.index = task.index;
    this.threads = task.threads;
    this.options = task.options;
    this.address = task.address;
    this.#state = new ThreadState(task.counters.length, task.state);
    const hungry = (): void => this.#tell({ kind: 'hungry' });
    this.#handed =
      task.fd === null ? new HandedConnections(task.address, this.#state, hungry) : null;
    this.loop = new EventLoop({ backend: task.backend, batch: task.batch });
    this.loop.attach();
    const beat = setInterval(() => this.#beat(), BEAT_MS);
    beat.unref();
    port.on('message', (message: OwnerMessage) => this.#received(message));
  }

  /**
   * Serves the connections that this thread gets: those that the kernel gives it, or that the owner
   * of the service hands over. Once per thread.
   *
   * @param settings the handlers and limits of `EventLoop.listen`; `maxConnections` is that of this
   *   thread.
   * @returns the listener.
   * @throws Error where it listens already; TypeError or RangeError for a wrong option.
   */
  listen<Data = undefined>(settings: ThreadListenSettings<Data>): Listener<Data>;
  /**
   * The same without handlers: `for await` over the listener gives the connections.
   *
   * @param settings the limits.
   * @returns the listener.
   * @throws as with handlers.
   */
  listen(settings?: AsyncThreadListenSettings): Listener<AsyncConnection>;
  listen<Data>(
    settings: ThreadListenSettings<Data> | AsyncThreadListenSettings = {},
  ): Listener<Data> {
    requireObject('settings', settings);
    if (this.#listener !== null) throw new Error('cannot listen: this thread listens already');
    const where = this.#handed === null ? { fd: this.#ownSocket() } : { source: this.#handed };
    try {
      // A source is no part of the public options.
      const listener = this.loop.listen<Data>({ ...settings, ...where } as never);
      this.#listener = listener as Listener<unknown>;
      return listener;
    } catch (error) {
      if (where.fd !== undefined) this.loop.sys.close(where.fd);
      throw error;
    }
  }

  /** A descriptor of the owner's listening socket, which outlives this thread. */
  #ownSocket(): number {
    const { sys } = this.loop;
    const fd = sys.dup(this.#task.fd ?? -1);
    if (fd < 0) throw sysError(sys, fd, 'dup', 'listen', this.address);
    prepareInherited(sys, fd, 'listen on', false);
    return fd;
  }

  /**
   * A counter that the owner of the service reads: `service.threads[n].counters`.
   *
   * @param name one of `counters` of `serveOnThreads`.
   * @returns the counter, for as long as the thread lives.
   * @throws RangeError for another name.
   */
  counter(name: string): Counter {
    const index = this.#task.counters.indexOf(name);
    if (index < 0) {
      const known = this.#task.counters.join(', ') || 'none';
      throw new RangeError(`the counters of the service are ${known}, not ${shown(name)}`);
    }
    const state = this.#state;
    return { add: (count = 1) => state.add(index, count) };
  }

  /**
   * Posts a message, which is copied (structured clone): to the owner of the service (`onMessage`
   * of `serveOnThreads`), or through it to other threads (`onMessage` here).
   *
   * @param message what to post.
   * @param to `owner`, `others` (all threads but this one), or the number of a thread.
   * @throws DataCloneError for what cannot be copied; RangeError for a number without a thread.
   */
  post(message: unknown, to: number | 'owner' | 'others' = 'owner'): void {
    const isThread = typeof to === 'number' && to >= 0 && to < this.threads;
    if (!isThread && to !== 'owner' && to !== 'others') {
      throw new RangeError(`a message goes to owner, others or a thread, not to ${shown(to)}`);
    }
    this.#tell({ kind: 'posted', message, to });
  }

  /**
   * Has `callback` hear of messages from the owner and the other threads.
   *
   * @param callback gets each message and the number of the thread that posted it, null for the
   *   owner. It replaces an earlier one.
   * @throws TypeError where it is no function.
   */
  onMessage(callback: (message: unknown, from: number | null) => void): void {
    requireCallback(callback);
    this.#heard = callback;
  }

  async #begin(serve: (thread: ServiceThread) => unknown): Promise<void> {
    this.#ended = await serve(this);
    this.#beat();
    this.#tell({ kind: 'ready', backend: this.loop.backendName });
  }

  #tell(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }

  #beat(): void {
    this.#state.beat();
    const listener = this.#listener;
    if (listener === null) return;
    const { stats, connections } = listener;
    this.#state.publish(stats.accepted, connections);
    if (this.#handedOver && connections === 0) void this.#shutdown(SHUTDOWN_DEADLINE_MS);
  }

  #received(message: OwnerMessage): void {
    switch (message.kind) {
      case 'connections':
        this.#handed?.push(message.fds);
        break;
      case 'posted':
        this.#heard?.(message.message, message.from);
        break;
      case 'handOver':
        void this.#handOver();
        break;
      case 'shutdown':
        // A rejection is an uncaught exception of the thread, which its owner reports.
        void this.#shutdown(message.deadlineMs);
        break;
    }
  }

  async #handOver(): Promise<void> {
    const listener = this.#listener;
    if (listener === null) return this.#shutdown(SHUTDOWN_DEADLINE_MS);
    await listener.handOver();
    this.#handedOver = true;
    this.#beat();
  }

  async #shutdown(deadlineMs: number): Promise<void> {
    this.#handedOver = false;
    let counts: ShutdownCounts = { ended: 0, reset: 0 };
    this.#listener?.close();
    this.#handed?.close(this.loop.sys);
    if (typeof this.#ended === 'function') await this.#ended(deadlineMs);
    if (this.#listener !== null && !this.loop.closed) {
      counts = await this.#listener.shutdown({ deadlineMs });
    }
    if (this.#over) return;
    this.#over = true;
    this.#beat();
    this.loop.close();
    this.#tell({ kind: 'ended', counts });
    this.#port.unref();
  }
}
