import { setImmediate as turnOfNode } from 'node:timers/promises';
import { requireCallback, wrongValue } from '../base/arguments.ts';
import type { Interest, WakeHandle } from '../poller/poller.ts';
import type { Sys } from '../sys/sys.ts';
import type { Backend, Watch } from './backend.ts';
import {
  NODE_WAIT_MS,
  TASKS_PER_TURN,
  TURNS_PER_NODE_TURN,
  TURNS_PER_TIME_CHECK,
  WAIT_MS_MAX,
} from './limits.ts';
import { type Timer, Timers } from './timers.ts';
import { checkInterest, checkWatchable } from './watchable.ts';
import { closedInThread, openedInThread } from './worker-exit.ts';

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
 * A turn has five phases: the time is read; due timers run; the backend waits and delivers;
 * deferred tasks run; what was closed is closed and reported. Callbacks run in no other place
 * (law 2), and one that throws ends {@link run} with its error.
 *
 * `run` keeps the thread: it waits in the kernel, lets promise jobs run after each turn, and goes
 * round Node's own loop, where signal handlers, messages and Node's timers run, after a signal,
 * after every 256 turns, and twice a second when little happens.
 */
export class Loop {
  readonly sys: Sys;
  readonly backend: Backend;
  readonly #timers = new Timers();
  #tasks: (() => void)[] = [];
  #nowMs: number;
  #nowIsOld = false;
  #running = false;
  #turning = false;
  #stopping = false;
  #closed = false;
  #turns = 0;
  /** How many reports there were before this turn, and when Node's own loop had its last one. */
  #reportsThen = 0;
  #nodeMs: number;
  /** How many things that only Node's own loop can finish are under way. */
  #nodeWork = 0;

  constructor(sys: Sys, backend: Backend) {
    this.sys = sys;
    this.backend = backend;
    this.#nowMs = sys.monotonicMs();
    this.#nodeMs = this.#nowMs;
    openedInThread(this);
  }

  /** The time in milliseconds on a clock that only goes forward, read about once a phase. */
  get nowMs(): number {
    if (this.#nowIsOld) this.#readTime();
    return this.#nowMs;
  }

  /** For waking the loop from another thread, with the function `wake`. */
  get wakeHandle(): WakeHandle {
    return this.backend.wakeHandle;
  }

  /** Whether there is anything left that could make a callback run. */
  get alive(): boolean {
    return (
      this.backend.active > 0 ||
      this.#timers.size > 0 ||
      this.#tasks.length > 0 ||
      this.#nodeWork > 0
    );
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many turns there were. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Runs `callback` in `delayMs` (0 and up), never earlier. Throws a RangeError for a delay that is
   * no finite number, an Error on a closed loop.
   */
  setTimer(delayMs: number, callback: () => void): Timer {
    this.requireOpen('set a timer');
    requireCallback(callback);
    if (!(Number.isFinite(delayMs) && delayMs >= 0)) {
      throw wrongValue(delayMs, 'a delay is 0 ms or more');
    }
    // Counted from now and not from the beginning of the turn, else it could run early: law 10.
    this.#readTime();
    return this.#timers.set(this.#nowMs + delayMs, callback);
  }

  /** Runs `callback` later in this turn, or in the next one. Throws an Error on a closed loop. */
  defer(callback: () => void): void {
    this.requireOpen('defer a task');
    requireCallback(callback);
    this.#tasks.push(callback);
  }

  /**
   * Calls `callback` whenever `fd` is ready for `interest`. The descriptor stays the caller's, who
   * ends the watch before closing it.
   *
   * Several watches of one descriptor all hear of it, each of what it asked for, and so does the
   * connection that it belongs to: the watches of `connection.fd` end with that connection.
   *
   * @throws SysError `EBADF` where `fd` is not open, `EPERM` where it cannot be waited for (a plain
   *   file, on Linux): the same on every loop.
   * @throws RangeError for a descriptor that this loop cannot hold, or an interest that is none.
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
    return this.backend.watch(fd, interest, { ready: callback });
  }

  /** Something has been started that Node's own loop finishes (a look-up): it gets its turns. */
  holdNodeLoop(): void {
    this.#nodeWork += 1;
  }

  /** It has finished. */
  releaseNodeLoop(): void {
    this.#nodeWork -= 1;
  }

  /**
   * Turns until {@link stop} is called or nothing is left to wait for. Throws what a callback
   * threw, and an Error on a closed loop. What is still open then stays open: see {@link close}.
   * A `stop` that was called while nothing ran counts: this run ends at once.
   *
   * Promise jobs run after every turn; with `promises: false`, for a program whose callbacks use
   * none, only where Node's own loop turns, which saves 1 to 3 % of the CPU of an echo server.
   */
  async run({ promises = true }: RunOptions = {}): Promise<void> {
    this.requireOpen('run');
    if (this.#running) throw new Error('the loop is running');
    this.#running = true;
    try {
      // Whoever calls may stand in the middle of a turn of Node's loop, and what is left of that
      // looks at no signals: the first one would wait for as long as the second wait takes.
      await turnOfNode();
      while (!this.#stopping && this.alive) {
        this.turn(WAIT_MS_MAX);
        if (this.#wantsNodeTurn()) {
          // Who knows how long that takes.
          this.backend.flush?.();
          await turnOfNode();
          this.#nodeMs = this.nowMs;
        } else if (promises) {
          await null;
        }
      }
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
    // A turn may have waited long for its one message: the count alone would let Node's loop wait.
    return this.#turns % TURNS_PER_TIME_CHECK === 0 && this.nowMs - this.#nodeMs >= WAIT_MS_MAX;
  }

  /**
   * One turn, which waits at most `waitMsMax`. For a driver of its own, such as a simulation;
   * others call {@link run}.
   */
  turn(waitMsMax: number): void {
    this.requireOpen('turn');
    if (this.#turning) throw new Error('a turn cannot begin inside of a callback');
    this.#turning = true;
    this.#turns += 1;
    try {
      if (this.#timers.size > 0) {
        this.#readTime();
        this.#timers.run(this.#nowMs);
        if (this.#closed) return;
      }
      const waitMs = this.#waitMs(waitMsMax);
      // The wait takes its time: who asks during the deliveries gets that of after the wait.
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
   * Ends {@link run} after this turn, or the next `run` at its beginning where none is under way.
   * Without effect on a closed loop.
   */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Closes everything that is open, without reports, and ends {@link run}. The loop cannot be used
   * any more: whatever would start something on it throws. A second call does nothing.
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

  /** The thread ends, perhaps in the middle of a turn: nothing of it may be left. */
  closeAtExit(): void {
    this.#closed = true;
    closedInThread(this);
    this.backend.destroy(true);
  }

  /**
   * All descriptors that the loop has open now: listeners, connections, and its own.
   *
   * A loop of a worker closes them when the thread ends, by an error and by `process.exit()` too.
   * `worker.terminate()` leaves no time for that: the owner of the thread closes them then, with
   * `closeDescriptors`.
   */
  fds(): number[] {
    return this.#closed ? [] : this.backend.fds();
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws an Error where the loop is closed. `what` is what was tried. */
  protected requireOpen(what: string): void {
    if (this.#closed) throw new Error(`cannot ${what}: the loop is closed`);
  }

  #waitMs(waitMsMax: number): number {
    // A timer may have been the last thing to wait for.
    if (this.#tasks.length > 0 || this.#stopping || !this.alive) return 0;
    // Asked for here, behind the timers: one of them may have started it.
    const mostMs = this.#nodeWork > 0 ? Math.min(NODE_WAIT_MS, waitMsMax) : waitMsMax;
    const timerMs = this.#timers.size === 0 ? null : this.#timers.timeoutMs(this.nowMs);
    return timerMs === null ? mostMs : Math.min(timerMs, mostMs);
  }

  #runTasks(): void {
    const tasks = this.#tasks;
    this.#tasks = tasks.length > TASKS_PER_TURN ? tasks.splice(TASKS_PER_TURN) : [];
    let ran = 0;
    try {
      while (ran < tasks.length && !this.#closed) tasks[ran++]?.();
    } finally {
      // One that throws ends the turn; what is left runs in the next one.
      if (ran < tasks.length && !this.#closed) this.#tasks.unshift(...tasks.slice(ran));
    }
  }

  #readTime(): void {
    this.#nowMs = this.sys.monotonicMs();
    this.#nowIsOld = false;
  }
}
