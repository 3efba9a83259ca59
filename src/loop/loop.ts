import { requireCallback, wrongValue } from '../base/arguments.ts';
import { checking } from '../base/invariants.ts';
import { Interest, type WakeHandle } from '../poller/poller.ts';
import type { Sys } from '../sys/sys.ts';
import { noteClosing, noteOpened } from '../sys/thread-resources.ts';
import type { Backend, Watch } from './backend.ts';
import { type CallbackErrors, Callbacks } from './callbacks.ts';
import { NODE_WAIT_MS, TASKS_PER_TURN, WAIT_MS_MAX } from './limits.ts';
import { driverFor } from './runtime/drivers.ts';
import type { DrivenLoop, ThreadDriver } from './runtime/thread-driver.ts';
import { closedInThread, openedInThread } from './thread-exit.ts';
import { type Timer, Timers } from './timers.ts';
import { checkInterest, checkWatchable } from './watchable.ts';

/** A run that is under way. */
interface Run {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * An event loop over a {@link Backend}: one thread, one wait.
 *
 * A turn has five phases: read the time; run due timers; wait and deliver; run deferred tasks;
 * close what was marked for closing, and report it. Callbacks run nowhere else (law 2). Where the
 * error of one goes, {@link Callbacks} says.
 *
 * `run` and `attach` have the turns made beside Node's own loop, whose timers, sockets, messages
 * and signals keep their latency; tick callbacks and promise jobs run after each turn.
 */
export class Loop implements DrivenLoop {
  readonly sys: Sys;
  readonly backend: Backend;
  readonly callbacks: Callbacks;
  readonly #timers = new Timers();
  #tasks: (() => void)[] = [];
  #nowMs: number;
  #nowIsOld = false;
  #run: Run | null = null;
  /** What makes the turns while it runs or is attached. */
  #driver: ThreadDriver | null = null;
  /** The descriptors of the backend itself. */
  readonly #ownFds: readonly number[];
  /** How many watches are the driver's. */
  #driverWatches = 0;
  #unreferenced = false;
  #turning = false;
  #stopping = false;
  #closed = false;
  #turns = 0;
  /** The number of pending operations that only Node's own loop can finish. */
  #nodeWork = 0;

  constructor(sys: Sys, backend: Backend, errors: CallbackErrors = {}) {
    this.sys = sys;
    this.backend = backend;
    this.callbacks = new Callbacks(errors, () => this.#run !== null);
    this.#nowMs = sys.monotonicMs();
    this.#ownFds = backend.fds();
    for (const fd of this.#ownFds) noteOpened(fd);
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
      this.backend.active > this.#driverWatches ||
      this.#timers.size > 0 ||
      this.#tasks.length > 0 ||
      this.#nodeWork > 0
    );
  }

  /** True once {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True while turns are made by {@link run} or {@link attach}. */
  get running(): boolean {
    return this.#run !== null || this.attached;
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
    this.begin('set a timer');
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
    this.begin('defer a task');
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
    this.begin('watch a descriptor');
    requireCallback(callback);
    checkInterest(interest);
    checkWatchable(this.sys, this.backend, fd);
    return this.backend.watch(fd, interest, { ready: this.callbacks.guarded(callback) });
  }

  /** An operation was started that Node's own loop finishes (a look-up): the loop waits for it. */
  holdNodeLoop(): void {
    this.#nodeWork += 1;
    this.#driver?.poke();
  }

  /** Such an operation has finished. */
  releaseNodeLoop(): void {
    this.#nodeWork -= 1;
    this.#driver?.poke();
  }

  /**
   * Turns until {@link stop} is called or nothing is left to wait for. What is still open stays
   * open: see {@link close}. After a `stop` that was called while nothing ran, it ends at once.
   *
   * @returns a promise for the end of the run. It rejects with what a callback threw, and with an
   *   Error on a closed, running or attached loop.
   */
  async run(): Promise<void> {
    this.#requireAlone('run');
    try {
      await new Promise<void>((resolve, reject) => {
        this.#run = { resolve, reject };
        this.#drive();
      });
    } finally {
      this.#stopping = false;
    }
  }

  /**
   * Makes the turns of the loop beside everything else that the thread does, from now on.
   *
   * @throws Error on a closed, running or attached loop.
   */
  attach(): void {
    this.#requireAlone('attach');
    this.#drive();
  }

  /** Ends {@link attach}: nothing is delivered any more. No effect without it. */
  detach(): void {
    if (this.#run === null) this.#leaveDriver();
  }

  /** True between {@link attach} and {@link detach}. */
  get attached(): boolean {
    return this.#driver !== null && this.#run === null;
  }

  /** An attached loop keeps the process alive again. */
  ref(): void {
    this.#unreferenced = false;
    this.#driver?.poke();
  }

  /** An attached loop no longer keeps the process alive. */
  unref(): void {
    this.#unreferenced = true;
  }

  #requireAlone(what: string): void {
    this.#requireOpen(what);
    if (this.#driver === null) return;
    const state = this.#run === null ? 'is attached' : 'is running';
    throw new Error(`cannot ${what}: the loop ${state}`);
  }

  #drive(): void {
    const driver = driverFor(this.sys, this.backend);
    this.#driver = driver;
    driver.add(this);
  }

  #leaveDriver(): void {
    const driver = this.#driver;
    if (driver === null) return;
    this.#driver = null;
    driver.remove(this);
    if (!this.#closed) this.backend.flush?.();
  }

  #endRun({ resolve, reject }: Run, failure?: { readonly error: unknown }): void {
    this.#run = null;
    let ended = failure;
    try {
      this.#leaveDriver();
    } catch (error) {
      // A wait that failed for good fails here again: the first error counts.
      ended ??= { error };
    }
    if (ended === undefined) resolve();
    else reject(ended.error);
  }

  /** Whether it wants turns, for its driver: to end a run, too. */
  get wantsTurns(): boolean {
    return this.#run !== null || this.alive;
  }

  get holdsProcess(): boolean {
    return this.#run !== null || (!this.#unreferenced && this.alive);
  }

  get reports(): number {
    return this.backend.stats.reports;
  }

  get pollFd(): number {
    return this.backend.pollFd;
  }

  waitMsNow(): number {
    if (!this.wantsTurns) return WAIT_MS_MAX;
    return this.backend.isQuiet ? this.#waitMs(WAIT_MS_MAX) : 0;
  }

  step(waitMsMax: number): void {
    const run = this.#run;
    if (run === null) {
      this.turn(waitMsMax);
      return;
    }
    try {
      if (!this.#stopping && this.alive) {
        this.turn(waitMsMax);
        return;
      }
      this.callbacks.throwRaised();
    } catch (error) {
      this.#endRun(run, { error });
      return;
    }
    this.#endRun(run);
  }

  watchForDriver(fd: number, ready: () => void): (() => void) | null {
    if (fd >= this.backend.fdLimit) return null;
    const watch = this.backend.watch(fd, Interest.read, { ready });
    this.#driverWatches += 1;
    return () => {
      this.#driverWatches -= 1;
      watch.unwatch();
    };
  }

  /**
   * Runs one turn, for programs that drive the loop themselves, such as a simulation.
   *
   * @param waitMsMax the longest wait in milliseconds, 0 or more.
   * @throws Error on a closed loop, and inside a callback.
   */
  turn(waitMsMax: number): void {
    this.#requireOpen('turn');
    if (this.#turning) throw new Error('a turn cannot begin inside of a callback');
    this.callbacks.throwRaised();
    this.#turning = true;
    this.#turns += 1;
    try {
      let mostMs = waitMsMax;
      if (this.#timers.size > 0) {
        this.#readTime();
        // What a timer leaves to promise jobs and ticks must not wait for the kernel.
        if (this.#timers.run(this.#nowMs, this.callbacks)) mostMs = 0;
        if (this.#closed) return;
      }
      const waitMs = this.#waitMs(mostMs);
      // During the deliveries `nowMs` is the time after the wait.
      this.#nowIsOld = true;
      this.backend.poll(waitMs);
      this.#nowIsOld = true;
      if (this.#tasks.length > 0) this.#runTasks();
      this.backend.closePhase();
      if (checking) this.#check();
    } finally {
      this.#turning = false;
      this.#nowIsOld = true;
    }
  }

  /** At the end of a turn, unless tasks that it could not run are left. */
  #check(): void {
    if (this.#closed || this.#tasks.length > 0) return;
    this.#timers.check();
    this.backend.check?.();
  }

  /**
   * Ends {@link run} after this turn, or the next `run` at once if none is in progress. No effect
   * on a closed loop.
   */
  stop(): void {
    if (this.attached) this.detach();
    else this.#stopping = true;
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
    // A run ends with its turn, or in the next one of the thread.
    if (this.#run !== null && !this.#turning) this.#endRun(this.#run);
    else if (this.#run === null) this.#leaveDriver();
    this.#destroy(false);
  }

  /** Sends what was written, because the process ends. */
  flushAtExit(): void {
    this.backend.flush?.();
  }

  /** Closes the loop because its thread ends, perhaps in the middle of a turn. */
  closeAtExit(): void {
    this.#closed = true;
    closedInThread(this);
    this.#destroy(true);
  }

  #destroy(atOnce: boolean): void {
    for (const fd of this.#ownFds) noteClosing(fd);
    this.backend.destroy(atOnce);
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

  /**
   * Something is about to start: an attached loop that had nothing to wait for takes turns again.
   *
   * @param what completes "cannot ...".
   * @throws Error on a closed loop.
   */
  begin(what: string): void {
    this.#requireOpen(what);
    this.#driver?.poke();
  }

  #requireOpen(what: string): void {
    if (this.#closed) throw new Error(`cannot ${what}: the loop is closed`);
  }

  #waitMs(waitMsMax: number): number {
    // A timer that has just run may have been the last thing to wait for.
    if (this.#tasks.length > 0 || this.#stopping || !this.alive) return 0;
    // The driver's wait ends when Node has finished it.
    const isApart = this.#nodeWork > 0 && this.#driver === null;
    const mostMs = isApart ? Math.min(NODE_WAIT_MS, waitMsMax) : waitMsMax;
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
