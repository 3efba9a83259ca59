import { type ResourceLimits, SHARE_ENV, Worker } from 'node:worker_threads';
import type { ShutdownCounts } from '../net/async/shutdown.ts';
import type { Sys } from '../sys/sys.ts';
import { HandedOut } from './handed-out.ts';
import { END_GRACE_MS, LEDGER_FDS_MAX } from './limits.ts';
import type { OwnerMessage, ThreadMessage, ThreadTask } from './messages.ts';
import { SharedLedger } from './shared-ledger.ts';
import { ThreadState } from './shared-state.ts';

/** What a thread of a service is doing. */
export type ThreadPhase = 'starting' | 'serving' | 'ending' | 'ended';

/** Why a thread has ended. */
export type ThreadEndReason =
  /** It threw, or a promise was rejected: `error` says what. */
  | 'error'
  /** It called process.exit(), or left nothing to wait for. */
  | 'exit'
  /** It did not turn for `stallMs`, and was terminated. */
  | 'stalled'
  /** It was not ready within `startTimeoutMs`, and was terminated. */
  | 'start'
  /** It was told to. */
  | 'shutdown';

/** What the owner of a slot hears. */
export interface SlotOwner {
  ready(slot: ThreadSlot): void;
  hungry(slot: ThreadSlot): void;
  posted(from: number, message: unknown, to: number | 'owner' | 'others'): void;
  /** `untaken` are connections that were handed to it and that it has not taken. */
  ended(slot: ThreadSlot, end: SlotEnd, untaken: readonly number[]): void;
}

/** How a thread has ended. */
export interface SlotEnd {
  readonly reason: ThreadEndReason;
  readonly error: unknown;
  readonly counts: ShutdownCounts;
}

/** How a worker is started. */
export interface WorkerSettings {
  readonly resourceLimits?: ResourceLimits | undefined;
  readonly startTimeoutMs: number;
  readonly stallMs: number | null;
}

/** A thread of a service, and those that replace it. */
export class ThreadSlot {
  readonly index: number;
  readonly state: ThreadState;
  readonly #ledger: SharedLedger;
  readonly #sys: Sys;
  readonly #task: ThreadTask;
  readonly #settings: WorkerSettings;
  readonly #owner: SlotOwner;
  #worker: Worker | null = null;
  #phase: ThreadPhase = 'ended';
  #backend = '';
  #reason: ThreadEndReason | null = null;
  #error: unknown = null;
  #counts: ShutdownCounts = { ended: 0, reset: 0 };
  #startedMs = 0;
  /** The beats that were last seen, and when they changed. */
  #beats = 0;
  #beatMs = 0;
  #deadlineMs = Number.POSITIVE_INFINITY;
  readonly #handed: HandedOut;
  /** Accepted by threads of this slot that have ended. */
  #acceptedBefore = 0;
  #starts = 0;

  constructor(
    task: Omit<ThreadTask, 'state' | 'ledger'>,
    settings: WorkerSettings,
    fdLimit: number,
    sys: Sys,
    owner: SlotOwner,
  ) {
    this.index = task.index;
    this.state = new ThreadState(task.counters.length);
    this.#handed = new HandedOut(this.state);
    this.#ledger = new SharedLedger(Math.min(fdLimit, LEDGER_FDS_MAX));
    this.#task = { ...task, state: this.state.memory, ledger: this.#ledger.memory };
    this.#settings = settings;
    this.#sys = sys;
    this.#owner = owner;
  }

  get phase(): ThreadPhase {
    return this.#phase;
  }

  get backend(): string {
    return this.#backend;
  }

  get accepted(): number {
    return this.#acceptedBefore + this.state.accepted;
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  get isHungry(): boolean {
    return this.#phase === 'serving' && !this.state.full;
  }

  get load(): number {
    return this.#handed.load;
  }

  /** Starts a thread. Throws what `new Worker` does. */
  start(nowMs: number): void {
    this.state.reset();
    this.#ledger.clear();
    this.#reason = null;
    this.#error = null;
    const { resourceLimits } = this.#settings;
    const worker = new Worker(new URL('./thread-worker.js', import.meta.url), {
      workerData: this.#task,
      env: SHARE_ENV,
      // That of `node --input-type=module --eval` is refused for a file.
      execArgv: process.execArgv.filter((option) => !option.startsWith('--input-type')),
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
    this.#worker = worker;
    this.#starts += 1;
    this.#phase = 'starting';
    this.#startedMs = nowMs;
    worker.on('message', (message: ThreadMessage) => this.#received(message));
    worker.on('messageerror', (error) => this.#failed(error));
    worker.on('error', (error) => this.#failed(error));
    worker.on('exit', () => this.#exited());
  }

  #received(message: ThreadMessage): void {
    switch (message.kind) {
      case 'ready':
        this.#backend = message.backend;
        if (this.#phase === 'starting') this.#phase = 'serving';
        this.#beatMs = Number.NaN;
        this.#owner.ready(this);
        break;
      case 'hungry':
        this.#owner.hungry(this);
        break;
      case 'posted':
        this.#owner.posted(this.index, message.message, message.to);
        break;
      case 'ended':
        this.#counts = message.counts;
        this.#reason ??= 'shutdown';
        break;
    }
  }

  #failed(error: unknown): void {
    this.#error ??= error;
    this.#reason ??= 'error';
  }

  tell(message: OwnerMessage): void {
    this.#worker?.postMessage(message);
  }

  /** Hands a connection over. */
  hand(fd: number): void {
    this.#handed.hand(fd);
    this.tell({ kind: 'connections', fds: [fd] });
  }

  /** Tells it to end its connections by then, and to end. */
  shutdown(nowMs: number, deadlineMs: number): void {
    this.#deadlineMs = Math.min(this.#deadlineMs, nowMs + deadlineMs + END_GRACE_MS);
    if (this.#phase === 'ended') return;
    this.#phase = 'ending';
    this.tell({ kind: 'shutdown', deadlineMs });
  }

  /** Looks whether it still does what it has to, about every LOOK_MS. */
  look(nowMs: number, sinceMs: number): void {
    const { startTimeoutMs, stallMs } = this.#settings;
    if (this.#phase === 'ended') return;
    if (this.#phase === 'starting') {
      if (nowMs - this.#startedMs > startTimeoutMs) this.terminate('start');
      return;
    }
    if (nowMs > this.#deadlineMs) this.terminate('shutdown');
    const { beats } = this.state;
    if (beats !== this.#beats || Number.isNaN(this.#beatMs)) {
      this.#beats = beats;
      this.#beatMs = 0;
      return;
    }
    this.#beatMs += sinceMs;
    if (stallMs !== null && this.#beatMs >= stallMs) this.terminate('stalled');
  }

  terminate(reason: ThreadEndReason): void {
    this.#reason ??= reason;
    void this.#worker?.terminate();
  }

  #exited(): void {
    this.#worker = null;
    this.#phase = 'ended';
    const untaken = this.#handed.end();
    this.#ledger.closeAll(this.#sys);
    this.#acceptedBefore += this.state.accepted;
    this.state.reset();
    const end = { reason: this.#reason ?? 'exit', error: this.#error, counts: this.#counts };
    this.#owner.ended(this, end, untaken);
  }
}
