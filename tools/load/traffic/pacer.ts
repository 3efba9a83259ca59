import type { BackendName } from 'sockloop';
import type { Sys } from 'sockloop/sys';
import { SENDS_PER_TURN, SPIN_MS, WAIT_MS_MAX } from '../limits.ts';
import type { LoadPlan, OpenLoop } from '../plan.ts';
import type { Recorder } from '../record/recorder.ts';
import { Schedule } from './schedule.ts';

/** Loops whose waits are finer than a millisecond. The others wake up to one late. */
const PRECISE: ReadonlySet<BackendName> = new Set(['io_uring', 'kqueue', 'select']);

/** What the messages go to in turn. */
interface Sender {
  due(dueMs: number): void;
}

/** Sends the messages of an open loop when they are due. */
export class Pacer {
  readonly #schedule: Schedule;
  readonly #slots: readonly Sender[];
  readonly #precise: boolean;
  #startMs = 0;
  #turn = 0;

  constructor(
    plan: LoadPlan,
    model: OpenLoop,
    own: { readonly thread: number; readonly slots: readonly Sender[]; readonly loop: BackendName },
  ) {
    this.#schedule = new Schedule(plan, model, own.thread);
    this.#slots = own.slots;
    this.#precise = PRECISE.has(own.loop);
  }

  /** The warm-up begins at `startMs` of the thread's clock. */
  begin(startMs: number): void {
    this.#startMs = startMs;
  }

  /** True if nothing that was due before `endMs` is left. */
  isDone(endMs: number): boolean {
    return this.#startMs + this.#schedule.dueMs >= endMs;
  }

  /** Sends what is due at `nowMs`. Returns how long the loop may wait then. */
  send(nowMs: number, sys: Pick<Sys, 'monotonicMs'>, recorder: Recorder): number {
    const schedule = this.#schedule;
    const slots = this.#slots;
    let atMs = nowMs;
    for (let sends = 0; ; sends += 1) {
      const dueMs = this.#startMs + schedule.dueMs;
      // In a run that was ended early nothing else is due.
      if (dueMs >= recorder.endMs) return WAIT_MS_MAX;
      if (dueMs > atMs) {
        // Sends take time: the message may be due by now.
        atMs = sys.monotonicMs();
        if (dueMs > atMs) return this.#waitMs(dueMs - atMs);
      }
      if (sends === SENDS_PER_TURN) return 0;
      recorder.scheduled(dueMs);
      slots[this.#turn]?.due(dueMs);
      this.#turn = this.#turn + 1 === slots.length ? 0 : this.#turn + 1;
      schedule.next();
    }
  }

  /** Spins for the last part of a gap: timers fire late. */
  #waitMs(gapMs: number): number {
    const leftMs = gapMs - SPIN_MS;
    if (leftMs <= 0) return 0;
    return this.#precise ? leftMs : Math.floor(leftMs);
  }
}
