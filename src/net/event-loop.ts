import { requireFlag, requireObject } from '../base/arguments.ts';
import type { Backend, BackendName, Watch } from '../loop/backend.ts';
import { chooseBackend, type LoopName, type MissingLoop } from '../loop/backends.ts';
import { Loop, type RunOptions } from '../loop/loop.ts';
import type { Timer } from '../loop/timers.ts';
import type { Interest, WakeHandle } from '../poller/poller.ts';
import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';
import { type ConnectOptions, type Connector, connectOn } from './stream/connector.ts';
import { type Listener, type ListenOptions, listenOn } from './stream/listener.ts';

/** Options of an {@link EventLoop}. */
export interface EventLoopOptions {
  /**
   * The way of waiting, by name, or an open backend, such as a simulated one, which the loop will
   * close. Default: `auto`, the best that this machine has.
   */
  readonly backend?: LoopName | Backend;
  /** The system calls to use. Default: those of this machine. */
  readonly sys?: Sys;
  /**
   * Whether a loop over epoll, poll or select makes the system calls of a turn together, by a page
   * of machine code: on Linux, where the kernel allows one. Default: true, unless the environment
   * has `SOCKLOOP_BATCH=0`. With false they are made one by one, which costs about a tenth more CPU
   * a message and changes nothing else. io_uring and an open backend make theirs in their own way.
   */
  readonly batch?: boolean;
}

/**
 * An event loop with connections: one thread, one wait, any number of sockets.
 *
 * {@link listen} and {@link connect} return at once; their handlers run in the turns that
 * {@link run} makes, never inside a call. `run` ends when nothing is left to wait for, or after
 * {@link stop}; {@link close} then closes what is still open. A handler that throws ends `run`
 * with its error. A loop belongs to one thread; any thread can wake it.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const server = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   handlers: {
 *     data: (connection, chunk) => {
 *       // What the kernel does not take is queued; a client that does not read is not read from.
 *       if (!connection.write(chunk)) connection.pause();
 *     },
 *     drain: (connection) => connection.resume(),
 *   },
 * });
 * assert(server.address.family === 'IPv4');
 *
 * let echo = '';
 * loop.connect({
 *   host: 'localhost',
 *   port: server.address.port,
 *   timeoutMs: 1000,
 *   handlers: {
 *     open: (connection) => connection.end(new TextEncoder().encode('hello\n')),
 *     data: (_, chunk) => {
 *       echo += new TextDecoder().decode(chunk);
 *     },
 *     close: () => server.close(),
 *   },
 * });
 * await loop.run();
 * assert.equal(echo, 'hello\n');
 * ```
 */
export class EventLoop implements Disposable {
  /** The system calls that the loop makes. */
  readonly sys: Sys;
  /** The way of waiting: with `auto`, the one that was chosen. */
  readonly backendName: BackendName;
  /**
   * The loops that `auto` prefers to this one and could not open, each with the reason: io_uring
   * where the kernel forbids it, say, or where this user may lock no more memory for it
   * (`ulimit -l`). Empty where a loop was asked for by name.
   */
  readonly missing: readonly MissingLoop[];
  readonly #loop: Loop;

  /**
   * Opens a loop.
   *
   * @param options the backend, the system calls and how they are made; all have defaults.
   * @throws Error with the reason where this machine cannot open that backend.
   * @throws RangeError for an unknown name.
   * @throws TypeError if `options` is no object, or `batch` neither true nor false.
   */
  constructor(options: EventLoopOptions = {}) {
    requireObject('options', options);
    const { backend = 'auto', sys = nativeSys(), batch = true } = options;
    requireFlag('batch', batch);
    const isOpen = typeof backend === 'object' && backend !== null;
    const choice = isOpen ? { backend, missing: [] } : chooseBackend(backend, sys, batch);
    this.sys = sys;
    this.backendName = choice.backend.name;
    this.missing = choice.missing;
    this.#loop = new Loop(sys, choice.backend);
  }

  /** The time in milliseconds on a clock that only goes forward, read about once per phase. */
  get nowMs(): number {
    return this.#loop.nowMs;
  }

  /** Wakes the loop from another thread, by the function `wake`. */
  get wakeHandle(): WakeHandle {
    return this.#loop.wakeHandle;
  }

  /** Whether anything is left that could make a callback run. */
  get alive(): boolean {
    return this.#loop.alive;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#loop.closed;
  }

  /** The number of turns so far. */
  get turns(): number {
    return this.#loop.turns;
  }

  /**
   * Listens for connections: socket(2), SO_REUSEADDR, TCP_NODELAY, bind(2), listen(2). Of a host
   * with several addresses the first that can be bound is taken; null is all interfaces of both
   * families. Blocks while a name is resolved.
   *
   * @param options where to listen, the limits, and the handlers of all accepted connections.
   * @returns the listener, which listens already.
   * @throws SysError (`EADDRINUSE`, `EACCES`, ...) or ResolveError.
   * @throws TypeError or RangeError for an option of a wrong type or value.
   * @throws Error on a closed loop.
   */
  listen<Data = undefined>(options: ListenOptions<Data>): Listener<Data> {
    requireOpen(this.#loop, 'listen');
    requireObject('options', options);
    return listenOn(this.#loop, options);
  }

  /**
   * Connects, without blocking, to the first address of the host that answers (RFC 8305). null is
   * the loopback address.
   *
   * @param options where to connect, from where, for how long, and the handlers.
   * @returns the connect operation, which can be cancelled.
   * @throws TypeError or RangeError for an option of a wrong type or value: a port above 65535, a
   *   path that is too long. All other failures go to `onError`.
   * @throws Error on a closed loop.
   */
  connect<Data = undefined>(options: ConnectOptions<Data>): Connector<Data> {
    requireOpen(this.#loop, 'connect');
    requireObject('options', options);
    return connectOn(this.#loop, options);
  }

  /**
   * Runs `callback` once, in `delayMs`, never earlier. Timers of the same deadline run in the order
   * in which they were set.
   *
   * @param delayMs milliseconds from now: finite, 0 and up.
   * @param callback what to run.
   * @returns the timer, to cancel it.
   * @throws RangeError for another delay.
   * @throws TypeError where `callback` is no function.
   * @throws Error on a closed loop.
   */
  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#loop.setTimer(delayMs, callback);
  }

  /**
   * Runs `callback` later in this turn, or in the next one.
   *
   * @param callback what to run.
   * @throws TypeError where `callback` is no function.
   * @throws Error on a closed loop.
   */
  defer(callback: () => void): void {
    this.#loop.defer(callback);
  }

  /**
   * Calls `callback` whenever `fd` is ready for `interest`. The descriptor stays the caller's, who
   * ends the watch before closing it.
   *
   * Several watches of one descriptor all hear of it, each of what it asked for, and so does the
   * connection that the descriptor belongs to: watches of `connection.fd` end with the connection.
   *
   * @param fd any descriptor that can be waited for.
   * @param interest what to wait for: `Interest.read`, `Interest.write` or both.
   * @param callback gets what the descriptor is ready for, and the errno that the kernel reported
   *   with it, 0 if none.
   * @returns the watch, to change its interest and to end it.
   * @throws SysError `EBADF` where `fd` is not open, `EPERM` where it cannot be waited for (a plain
   *   file, on Linux): the same on every loop.
   * @throws RangeError for a descriptor that this loop cannot hold, or an unknown interest.
   * @throws TypeError where `callback` is no function, `fd` or `interest` no number.
   * @throws Error on a closed loop.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop, Interest, Socket } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const [one, other] = Socket.pair();
   * const watch = loop.watch(one.fileno(), Interest.read, () => {
   *   assert.equal(one.recv(new Uint8Array(16)), 5);
   *   watch.unwatch();
   * });
   * other.sendAll(new TextEncoder().encode('hello'));
   * await loop.run();
   * one.close();
   * other.close();
   * ```
   */
  watch(
    fd: number,
    interest: Interest,
    callback: (interest: Interest, errno: number) => void,
  ): Watch {
    return this.#loop.watch(fd, interest, callback);
  }

  /**
   * Turns until {@link stop} is called or nothing is left to wait for. It keeps the thread, and
   * goes round Node's own loop (signal handlers, messages, Node's timers) after a signal, after
   * every 256 turns, and twice a second when little happens.
   *
   * What is still open at the end stays open: see {@link close}. A `stop` that was called while
   * nothing ran ends this run at once.
   *
   * @param options see {@link RunOptions}.
   * @returns a promise for the end of the run.
   * @throws what a callback threw.
   * @throws Error on a closed loop, or one that runs already.
   */
  run(options: RunOptions = {}): Promise<void> {
    return this.#loop.run(options);
  }

  /**
   * Makes one turn: due timers, one wait, deliveries, deferred tasks, closes. For a driver with a
   * schedule of its own, such as a simulation or a load generator; others call {@link run}. Neither
   * promise jobs nor Node's own loop turn in between.
   *
   * @param waitMsMax the longest wait in milliseconds; 0 does not wait.
   * @throws what a callback threw.
   * @throws Error on a closed loop, or inside a callback.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * let ran = false;
   * loop.setTimer(5, () => {
   *   ran = true;
   * });
   * while (loop.alive) loop.turn(100);
   * assert(ran);
   * ```
   */
  turn(waitMsMax: number): void {
    this.#loop.turn(waitMsMax);
  }

  /**
   * Ends {@link run} after this turn, or the next `run` at its beginning where none is under way.
   * Does nothing on a closed loop.
   */
  stop(): void {
    this.#loop.stop();
  }

  /**
   * Closes everything that is open, without calling a handler, and ends {@link run}. The loop
   * cannot be used any more. A second call does nothing.
   */
  close(): void {
    this.#loop.close();
  }

  /** Closes the loop, as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The descriptors that the loop has open now: listeners, connections, and its own.
   *
   * The loop of a worker closes them when the thread ends, by an error or `process.exit()` too.
   * `worker.terminate()` leaves no time for that: the owner of the thread then closes them with
   * `closeDescriptors`.
   *
   * @returns their numbers; none on a closed loop.
   */
  fds(): number[] {
    return this.#loop.fds();
  }
}

function requireOpen(loop: Loop, attempt: string): void {
  if (loop.closed) throw new Error(`cannot ${attempt}: the loop is closed`);
}
