import { requireCallback, wrongValue } from '../base/arguments.ts';
import type { Interest, WakeHandle } from '../poller/poller.ts';
import type { Sys } from '../sys/sys.ts';
import type { Backend, Watch } from './backend.ts';
import { type CallbackErrors, Callbacks } from './callbacks.ts';
import {
  NODE_WAIT_MS,
  TASKS_PER_TURN,
  TURNS_PER_NODE_TURN,
  TURNS_PER_TIME_CHECK,
  WAIT_MS_MAX,
} from './limits.ts';
import { turnOfNode } from './node-turn.ts';
import { closedInThread, openedInThread } from './thread-exit.ts';
import { type Timer, Timers } from './timers.ts';
import { checkInterest, checkWatchable } from './watchable.ts';

/** Options of `EventLoop.run`. */
export interface RunOptions {
  /**
   * Whether promise jobs run after every turn. Default: true. With false they run only where Node's
   * own loop turns, which saves 1 to 3 % of the CPU of an echo server whose handlers use none.
   */
  readonly promises?: boolean;
}

/**
 * An event loop over a {@link Backend}: one thread, one wait.
 *
 * A turn has five phases: read the time; run due timers; wait and deliver; run deferred tasks;
 * close what was marked for closing, and report it. Callbacks run nowhere else (law 2). Where the
 * error of one goes, {@link Callbacks} says.
 *
 * `run` occupies the thread: it waits in the kernel, and runs promise jobs after each turn. Node's
 * own loop, with its signal handlers, messages and timers, runs after a signal, after every 256
 * turns, and twice a second when little happens.
 */
export class Loop {
  readonly sys: Sys;
  readonly backend: Backend;
  readonly callbacks: Callbacks;
  readonly #timers = new Timers();
  #tasks: (() => void)[] = [];
  #nowMs: number;
  #nowIsOld = false;
  #running = false;
  #turning = false;
  #stopping = false;
  #closed = false;
  #turns = 0;
  /** The number of reports before this turn, and when Node's own loop last ran. */
  #reportsThen = 0;
  #nodeMs: number;
  /** The number of pending operations that only Node's own loop can finish. */
  #nodeWork = 0;

  constructor(sys: Sys, backend: Backend, errors: CallbackErrors = {}) {
    this.sys = sys;
    this.backend = backend;
    this.callbacks = new Callbacks(errors, () => this.#running);
    this.#nowMs = sys.monotonicMs();
    this.#nodeMs = this.#nowMs;
    openedInThread(this);
  }

  /** The time of a monotonic clock in milliseconds, read about once per phase. */
  get nowMs(): number {
    if (this.#nowIsOld) this.#readTime();
    return this.#nowMs;
  }

  /** Wakes the loop from another thread, with the function `wake`. */
  get wakeHandle(): WakeHandle {
    return this.backend.wakeHandle;
  }

  /** True if a callback can still run: something is open, or a timer or task is pending. */
  get alive(): boolean {
    return (
      this.backend.active > 0 ||
      this.#timers.size > 0 ||
      this.#tasks.length > 0 ||
      this.#nodeWork > 0
    );
  }

  /** True once {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True during {@link run}. */
  get running(): boolean {
    return this.#running;
  }

  /** The number of turns so far. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Runs a callback once after a delay, never earlier.
   *
   * @param delayMs the delay in milliseconds, 0 or more, with fractions.
   * @param callback is called with no arguments.
   * @returns the timer, to cancel it.
   * @throws RangeError for a delay that is negative or not finite.
   * @throws TypeError if `callback` is no function.
   * @throws Error on a closed loop.
   */
  setTimer(delayMs: number, callback: () => void): Timer {
    this.requireOpen('set a timer');
    requireCallback(callback);
    if (!(Number.isFinite(delayMs) && delayMs >= 0)) {
      throw wrongValue(delayMs, 'a delay is 0 ms or more');
    }
    // Counted from now, not from the start of the turn, or it could run early: law 10.
    this.#readTime();
    return this.#timers.set(this.#nowMs + delayMs, callback);
  }

  /**
   * Runs a callback once, later in this turn or in the next one.
   *
   * @param callback is called with no arguments.
   * @throws TypeError if `callback` is no function.
   * @throws Error on a closed loop.
   */
  defer(callback: () => void): void {
    this.requireOpen('defer a task');
    requireCallback(callback);
    this.#tasks.push(callback);
  }

  /**
   * Calls a callback whenever a descriptor is ready.
   *
   * A descriptor may have several watches, each of which reports its own interest. Watches of
   * `connection.fd` do not disturb the connection, and end with it.
   *
   * @param fd the descriptor, which stays the caller's: end the watch before closing it.
   * @param interest what to watch it for.
   * @param callback is called with what the descriptor is ready for, and an error that the kernel
   *   reported with it (a positive errno), else 0.
   * @returns the watch, to change or end it.
   * @throws SysError `EBADF` if `fd` is not open, `EPERM` if it cannot be waited for (a plain file,
   *   on Linux), with the same result on every loop.
   * @throws RangeError for a descriptor that this loop cannot hold, or an invalid interest.
   * @throws TypeError if `callback` is no function.
   * @throws Error on a closed loop.
   */
  watch(
    fd: number,
    interest: Interest,
    callback: (interest: Interest, errno: number) => void,
  ): Watch {
    this.requireOpen('watch a descriptor');
    requireCallback(callback);
    checkInterest(interest);
    checkWatchable(this.sys, this.backend, fd);
    return this.backend.watch(fd, interest, { ready: this.callbacks.guarded(callback) });
  }

  /** An operation was started that Node's own loop finishes (a look-up): it runs every turn. */
  holdNodeLoop(): void {
    this.#nodeWork += 1;
  }

  /** Such an operation has finished. */
  releaseNodeLoop(): void {
    this.#nodeWork -= 1;
  }

  /**
   * Turns until {@link stop} is called or nothing is left to wait for. What is still open stays
   * open: see {@link close}. After a `stop` that was called while nothing ran, it ends at once.
   *
   * @param options with `promises: false` promise jobs run only when Node's own loop does, which
   *   saves 1 to 3 % of the CPU of an echo server whose callbacks use none.
   * @returns a promise for the end of the run. It rejects with what a callback threw, and with an
   *   Error on a closed or running loop.
   */
  async run({ promises = true }: RunOptions = {}): Promise<void> {
    this.requireOpen('run');
    if (this.#running) throw new Error('the loop is running');
    this.#running = true;
    try {
      // The caller may be in the middle of a turn of Node's loop, the rest of which handles no
      // signals: one that arrives now would be delayed until after the second wait.
      await turnOfNode();
      while (!this.#stopping && this.alive) {
        this.turn(WAIT_MS_MAX);
        if (this.#wantsNodeTurn()) {
          // That may take long.
          this.backend.flush?.();
          await turnOfNode();
          this.#nodeMs = this.nowMs;
        } else if (promises) {
          await null;
        }
      }
      this.callbacks.throwRaised();
    } finally {
      this.#running = false;
      this.#stopping = false;
      this.backend.flush?.();
    }
  }

  #wantsNodeTurn(): boolean {
    const { reports } = this.backend.stats;
    const nothingCame = reports === this.#reportsThen;
    this.#reportsThen = reports;
    if (nothingCame || this.#nodeWork > 0 || this.backend.interrupted) return true;
    if (this.#turns % TURNS_PER_NODE_TURN === 0) return true;
    // Turns may wait long for a message each: their count alone would delay Node's loop.
    return this.#turns % TURNS_PER_TIME_CHECK === 0 && this.nowMs - this.#nodeMs >= WAIT_MS_MAX;
  }

  /**
   * Runs one turn, for programs that drive the loop themselves, such as a simulation.
   *
   * @param waitMsMax the longest wait in milliseconds, 0 or more.
   * @throws Error on a closed loop, and inside a callback.
   */
  turn(waitMsMax: number): void {
    this.requireOpen('turn');
    if (this.#turning) throw new Error('a turn cannot begin inside of a callback');
    this.callbacks.throwRaised();
    this.#turning = true;
    this.#turns += 1;
    try {
      if (this.#timers.size > 0) {
        this.#readTime();
        this.#timers.run(this.#nowMs, this.callbacks);
        if (this.#closed) return;
      }
      const waitMs = this.#waitMs(waitMsMax);
      // During the deliveries `nowMs` is the time after the wait.
      this.#nowIsOld = true;
      this.backend.poll(waitMs);
      this.#nowIsOld = true;
      if (this.#tasks.length > 0) this.#runTasks();
      this.backend.closePhase();
    } finally {
      this.#turning = false;
      this.#nowIsOld = true;
    }
  }

  /**
   * Ends {@link run} after this turn, or the next `run` at once if none is in progress. No effect
   * on a closed loop.
   */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Closes everything that is open, without reports, and ends {@link run}. Calls that would start
   * something on a closed loop throw. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopping = true;
    this.#timers.clear();
    this.#tasks = [];
    closedInThread(this);
    this.backend.destroy();
  }

  /** Sends what was written, because the process ends. */
  flushAtExit(): void {
    this.backend.flush?.();
  }

  /** Closes the loop because its thread ends, perhaps in the middle of a turn. */
  closeAtExit(): void {
    this.#closed = true;
    closedInThread(this);
    this.backend.destroy(true);
  }

  /**
   * Lists the descriptors that the loop has open: listeners, connections, and its own.
   *
   * The loop of a worker closes them when the thread ends, also by an error or `process.exit()`.
   * After `worker.terminate()` the owner of the thread closes them with `closeDescriptors`.
   *
   * @returns the descriptors, in no order.
   */
  fds(): number[] {
    return this.#closed ? [] : this.backend.fds();
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an Error if the loop is closed. `what` completes "cannot ...". */
  protected requireOpen(what: string): void {
    if (this.#closed) throw new Error(`cannot ${what}: the loop is closed`);
  }

  #waitMs(waitMsMax: number): number {
    // A timer that has just run may have been the last thing to wait for.
    if (this.#tasks.length > 0 || this.#stopping || !this.alive) return 0;
    // Read after the timers, one of which may have started such an operation.
    const mostMs = this.#nodeWork > 0 ? Math.min(NODE_WAIT_MS, waitMsMax) : waitMsMax;
    const timerMs = this.#timers.size === 0 ? null : this.#timers.timeoutMs(this.nowMs);
    return timerMs === null ? mostMs : Math.min(timerMs, mostMs);
  }

  #runTasks(): void {
    const tasks = this.#tasks;
    this.#tasks = tasks.length > TASKS_PER_TURN ? tasks.splice(TASKS_PER_TURN) : [];
    let ran = 0;
    try {
      for (let task = tasks[0]; task !== undefined && !this.#closed; task = tasks[ran]) {
        ran += 1;
        this.callbacks.call(task);
      }
    } finally {
      // A callback that throws ends the turn; the rest runs in the next one.
      if (ran < tasks.length && !this.#closed) this.#tasks.unshift(...tasks.slice(ran));
    }
  }

  #readTime(): void {
    this.#nowMs = this.sys.monotonicMs();
    this.#nowIsOld = false;
  }
}
