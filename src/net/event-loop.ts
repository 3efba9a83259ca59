import { requireFlag, requireFunction, requireObject, requireWhole } from '../base/arguments.ts';
import type { Backend, BackendName, Watch } from '../loop/backend.ts';
import { chooseBackend, type LoopName, type MissingLoop } from '../loop/backends.ts';
import { Loop } from '../loop/loop.ts';
import type { Timer } from '../loop/timers.ts';
import type { Interest, WakeHandle } from '../poller/poller.ts';
import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';
import { runUntilAborted } from './async/abort.ts';
import { type AsyncAdoptSettings, adoptAsyncOn } from './async/adopt-async.ts';
import type { AsyncConnection } from './async/async-connection.ts';
import { type AsyncConnectOptions, connectAsyncOn } from './async/connect-async.ts';
import { loopClosed } from './async/loop-end.ts';
import { type DatagramSocket, datagramOn } from './datagram/datagram-socket.ts';
import type { DatagramOptions } from './datagram/options.ts';
import { LagProbe } from './lag-probe.ts';
import { LAG_EVERY_MS, TIMEOUT_MS_MAX } from './limits.ts';
import { type LoopStats, statsOf } from './loop-stats.ts';
import { adoptOn } from './stream/adopt.ts';
import type { Connection, ConnectionSettings } from './stream/connection.ts';
import { type ConnectOptions, type Connector, connectOn } from './stream/connector.ts';
import type { AsyncListenOptions, ListenOptions } from './stream/listen-options.ts';
import { type Listener, listenOn } from './stream/listener.ts';

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
  /**
   * A callback has thrown, or the promise that it returned was rejected; the loop goes on. It hears
   * of the handlers of every connection whose listener or `connect` has no `onHandlerError` of its
   * own, and of all other callbacks: timers, deferred tasks, watches, and `onError`. A listener or
   * `connect` that fails and has no `onError` passes its error on to this as well.
   *
   * Without it such an error ends {@link EventLoop.run}. That of a promise which is rejected while
   * no run is under way goes to Node as an uncaught exception.
   *
   * @param error what was thrown.
   * @param connection the connection of the handler, closed by then; null for other callbacks.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop } from 'sockloop';
   *
   * const heard: unknown[] = [];
   * using loop = new EventLoop({
   *   onHandlerError: (error, connection) => heard.push([(error as Error).message, connection]),
   * });
   * loop.setTimer(1, () => {
   *   throw new Error('out of paper');
   * });
   * await loop.run();
   * assert.deepEqual(heard, [['out of paper', null]]);
   * ```
   */
  onHandlerError?(error: unknown, connection: Connection<unknown> | null): void;
}

/** Options of {@link EventLoop.measureLag}. */
export interface LagOptions {
  /** How often to measure, in whole milliseconds, 1 and up; null for no more. Default: 50. */
  readonly everyMs?: number | null;
}

/** The loop that `eventLoop` holds, for what stands on it outside of this file. */
export let loopOf: (eventLoop: EventLoop) => Loop;

/** Options of {@link EventLoop.run}. */
export interface RunOptions {
  /** Stops the loop when it aborts: `run` rejects with its reason, and can be called again. */
  readonly signal?: AbortSignal;
}

/**
 * An event loop with connections: one thread, one wait, any number of sockets.
 *
 * {@link listen} and {@link connect} return at once; their handlers run in the turns that
 * {@link run} makes, never inside a call. `run` ends when nothing is left to wait for, or after
 * {@link stop}; {@link close} then closes what is still open. A handler that throws closes its
 * connection and ends `run` with its error, unless an `onHandlerError` hears of it. A loop belongs
 * to one thread; any thread can wake it.
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
export class EventLoop implements Disposable, AsyncDisposable {
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
  #lag: LagProbe | null = null;

  static {
    loopOf = (eventLoop) => eventLoop.#loop;
  }

  /**
   * Opens a loop.
   *
   * @param options the backend, the system calls and how they are made; all have defaults.
   * @throws Error with the reason where this machine cannot open that backend.
   * @throws RangeError for an unknown name.
   * @throws TypeError if `options` is no object, `batch` neither true nor false, or
   *   `onHandlerError` no function.
   */
  constructor(options: EventLoopOptions = {}) {
    requireObject('options', options);
    const { backend = 'auto', sys = nativeSys(), batch = true } = options;
    requireFlag('batch', batch);
    requireFunction('onHandlerError', options.onHandlerError);
    const isOpen = typeof backend === 'object' && backend !== null;
    const choice = isOpen ? { backend, missing: [] } : chooseBackend(backend, sys, batch);
    this.sys = sys;
    this.backendName = choice.backend.name;
    this.missing = choice.missing;
    this.#loop = new Loop(sys, choice.backend, options);
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
   * The counters of the loop since it was opened, and what it holds now. They are counted in any
   * case; reading them walks over the open connections: a millisecond for 50,000.
   *
   * @returns a copy, plain data that can be posted to another thread.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop } from 'sockloop';
   *
   * using loop = new EventLoop();
   * loop.measureLag({ everyMs: 5 });
   * loop.setTimer(50, () => {
   *   const until = loop.nowMs + 20;
   *   while (performance.now() < until); // Keeps everybody waiting.
   * });
   * loop.setTimer(60, () => undefined);
   * await loop.run();
   * const { turns, connections, lag } = loop.stats();
   * assert(turns > 10 && connections === 0);
   * assert(lag !== null && lag.maxUs > 10_000);
   * ```
   */
  stats(): LoopStats {
    return statsOf(this.#loop, this.#lag);
  }

  /**
   * Measures from now on how late the thread of the loop is: at regular times it is to be called
   * back, and whatever keeps it, a handler or a callback of Node's, makes that late. So late is the
   * answer to what a client sends. It is known to a millisecond or two, as Node's timers are, and
   * measured while Node's own loop turns: beside {@link run} and {@link attach}, not between calls
   * of {@link turn}. {@link stats} has the result in `lag`. It costs a callback for each
   * measurement, and nothing unless called. It does not keep the process alive.
   *
   * @param options how often; `everyMs` null ends it. A second call begins anew.
   * @throws RangeError for an interval out of its range.
   * @throws Error on a closed loop.
   */
  measureLag({ everyMs = LAG_EVERY_MS }: LagOptions = {}): void {
    if (everyMs !== null) requireWhole('everyMs', everyMs, 1, TIMEOUT_MS_MAX);
    if (this.#loop.closed) throw new Error('cannot measure the lag: the loop is closed');
    this.#lag?.end();
    this.#lag = everyMs === null ? null : new LagProbe(this.sys, everyMs);
  }

  /**
   * Listens for connections: socket(2), SO_REUSEADDR, TCP_NODELAY, bind(2), listen(2). Of a host
   * with several addresses the first that can be bound is taken; null is all interfaces of both
   * families. Blocks while a name is resolved.
   *
   * With `fd` it takes over a socket that listens already; the file of a UNIX one stays in place.
   *
   * @param options where to listen, the limits, and the handlers of all accepted connections.
   * @returns the listener, which listens already.
   * @throws SysError (`EADDRINUSE`, `EACCES`, ...) or ResolveError; `EBADF`, `ENOTSOCK`,
   *   `EPROTOTYPE`, `EINVAL` for an `fd` that is no listening socket and stays the caller's.
   * @throws TypeError or RangeError for an option of a wrong type or value.
   * @throws the reason of a `signal` that is aborted already.
   * @throws Error on a closed loop.
   */
  listen<Data = undefined>(options: ListenOptions<Data>): Listener<Data>;
  /**
   * Listens without handlers: `for await` over the listener gives the connections.
   *
   * @param options where to listen, and the limits.
   * @returns the listener, which listens already, and accepts once it is iterated over.
   * @throws as with handlers.
   */
  listen(options: AsyncListenOptions): Listener<AsyncConnection>;
  listen<Data>(options: ListenOptions<Data> | AsyncListenOptions): Listener<Data> {
    this.#loop.begin('listen');
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
    this.#loop.begin('connect');
    requireObject('options', options);
    return connectOn(this.#loop, options);
  }

  /**
   * Connects as {@link connect} does, for `await`.
   *
   * @param options where to connect, from where, for how long. An abort of `signal` cancels.
   * @returns a promise of the connection. It rejects with what `onError` of {@link connect} would
   *   get (the reason of `signal`, too), with an Error on a closed loop and where the loop is
   *   closed before, and with a TypeError or RangeError for an option of a wrong type or value.
   */
  connectAsync(options: AsyncConnectOptions): Promise<AsyncConnection> {
    try {
      this.#loop.begin('connect');
    } catch (error) {
      return Promise.reject(error);
    }
    return connectAsyncOn(this.#loop, options);
  }

  /**
   * Opens a socket for datagrams: socket(2), bind(2), and connect(2) if `connect` is given. UDP
   * over IPv4, IPv6 or both, or a UNIX socket. Blocks while a name is resolved.
   *
   * @param options where to bind, whom to connect to, the limits, and the handlers.
   * @returns the socket, which receives in the next turn.
   * @throws SysError (`EADDRINUSE`, `EACCES`, ...) or ResolveError; `EPROTOTYPE`, `ENOTCONN`,
   *   `EEXIST` for an `fd` that cannot be used and stays the caller's.
   * @throws TypeError or RangeError for an option of a wrong type or value, or one that the
   *   platform lacks.
   * @throws the reason of a `signal` that is aborted already.
   * @throws Error on a closed loop.
   */
  datagram(options: DatagramOptions): DatagramSocket {
    this.#loop.begin('open a socket for datagrams');
    requireObject('options', options);
    return datagramOn(this.#loop, options);
  }

  /**
   * Makes a connected stream socket a connection of this loop: of TCP, or a UNIX socket. It becomes
   * non-blocking and closed on exec. `open` of the handlers is not called.
   *
   * @param fd its descriptor, which the connection owns, and closes, once `adopt` has returned.
   * @param settings the handlers and the limits.
   * @returns the connection, which is open.
   * @throws SysError `EBADF`, `ENOTSOCK`, `EPROTOTYPE` (no stream socket), `EINVAL` (it listens),
   *   `ENOTCONN`, `EEXIST` (the loop has it already); the descriptor is still the caller's.
   * @throws TypeError or RangeError for a value of a wrong type or range.
   * @throws Error on a closed loop.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop, Socket } from 'sockloop';
   *
   * using loop = new EventLoop();
   * const [one, other] = Socket.pair();
   * loop.adopt(one.detach(), {
   *   handlers: { data: (connection, chunk) => connection.end(chunk) },
   * });
   * other.sendAll('hello');
   * other.shutdown('write');
   * await loop.run();
   * assert.equal(other.recv(new Uint8Array(16)), 5);
   * other.close();
   * ```
   */
  adopt<Data = undefined>(fd: number, settings: ConnectionSettings<Data>): Connection<Data>;
  /**
   * Makes a connected stream socket an {@link AsyncConnection} of this loop.
   *
   * @param fd its descriptor, which the connection owns, and closes, once `adopt` has returned.
   * @param settings the limits.
   * @returns the connection, which is open.
   * @throws as with handlers.
   */
  adopt(fd: number, settings?: AsyncAdoptSettings): AsyncConnection;
  adopt<Data>(
    fd: number,
    settings: ConnectionSettings<Data> | AsyncAdoptSettings = {},
  ): Connection<Data> | AsyncConnection {
    this.#loop.begin('adopt a descriptor');
    if (settings.handlers === undefined) return adoptAsyncOn(this.#loop, fd, settings);
    return adoptOn(this.#loop, fd, settings);
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
   * Turns until {@link stop} is called or nothing is left to wait for, beside everything else that
   * the thread does, as {@link attach} does.
   *
   * What is still open at the end stays open: see {@link close}. A `stop` that was called while
   * nothing ran ends this run at once.
   *
   * @param options see {@link RunOptions}.
   * @returns a promise for the end of the run.
   * @throws what a callback threw, without an `onHandlerError` that hears of it; the reason of
   *   `signal`.
   * @throws Error on a closed loop, or one that runs or is attached already.
   */
  run({ signal }: RunOptions = {}): Promise<void> {
    const loop = this.#loop;
    return signal === undefined ? loop.run() : runUntilAborted(loop, signal, () => loop.run());
  }

  /**
   * Makes the loop part of the program that it runs in: its turns take place beside Node's timers,
   * servers, files, signals and messages, all of which keep their usual latency. The loop waits in
   * the kernel in place of Node's, for the descriptors of both. Several loops of a thread share its
   * waits.
   *
   * The process stays alive while anything is open on the loop, unless {@link unref} was called.
   * What a callback throws is an uncaught exception of the process. In Bun and Deno, whose own
   * loops cannot be waited for, waits last a millisecond at most, and the first message after a
   * time without any may be 15 ms late.
   *
   * @throws Error on a closed loop, or one that runs or is attached already.
   * @example
   * ```ts
   * import assert from 'node:assert/strict';
   * import { EventLoop } from 'sockloop';
   *
   * const loop = new EventLoop();
   * loop.attach();
   * const server = loop.listen({
   *   host: '127.0.0.1',
   *   port: 0,
   *   handlers: { data: (client, chunk) => void client.write(chunk) },
   * });
   * assert(server.address.family === 'IPv4');
   * // Node's own client, in the same thread.
   * const { connect } = await import('node:net');
   * const socket = connect(server.address.port, '127.0.0.1');
   * socket.end('hello');
   * let echo = '';
   * for await (const chunk of socket) echo += chunk;
   * assert.equal(echo, 'hello');
   * loop.close();
   * ```
   */
  attach(): void {
    this.#loop.attach();
  }

  /**
   * Ends {@link attach}: what was written is sent, and nothing is delivered any more until the loop
   * runs or is attached again. Does nothing on a loop that is not attached.
   */
  detach(): void {
    this.#loop.detach();
  }

  /** Whether the loop is attached. */
  get attached(): boolean {
    return this.#loop.attached;
  }

  /**
   * Has the open sockets and timers of the attached loop keep the process alive, as they do at
   * first.
   *
   * @returns the loop.
   */
  ref(): this {
    this.#loop.ref();
    return this;
  }

  /**
   * Lets the process end although something is open on the attached loop. {@link run} keeps it
   * alive in any case.
   *
   * @returns the loop.
   */
  unref(): this {
    this.#loop.unref();
    return this;
  }

  /**
   * Makes one turn: due timers, one wait, deliveries, deferred tasks, closes. For a driver with a
   * schedule of its own, such as a simulation or a load generator; others call {@link run}. Neither
   * promise jobs nor Node's own loop turn in between.
   *
   * @param waitMsMax the longest wait in milliseconds; 0 does not wait.
   * @throws what a callback threw, without an `onHandlerError` that hears of it.
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
   * Detaches an attached loop. Does nothing on a closed loop.
   */
  stop(): void {
    this.#loop.stop();
  }

  /**
   * Closes everything that is open, without calling a handler, and ends {@link run}. The loop
   * cannot be used any more. Promises that were given out reject, iterators end. A second call does
   * nothing.
   */
  close(): void {
    this.#lag?.end();
    this.#loop.close();
    loopClosed(this.#loop);
  }

  /** Closes the loop, as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Closes the loop, as {@link close}, at the end of an `await using` block.
   *
   * @returns a resolved promise.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
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
