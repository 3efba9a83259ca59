import { invariant } from '../base/invariants.ts';
import { type HeapEntry, TimerHeap } from '../base/timer-heap.ts';
import type { Callbacks } from './callbacks.ts';

/**
 * A timer set by `setTimer`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const order: string[] = [];
 * loop.setTimer(2, () => order.push('second'));
 * loop.setTimer(1, () => order.push('first'));
 * const never = loop.setTimer(60_000, () => order.push('never'));
 * never.cancel();
 * await loop.run();
 * assert.deepEqual(order, ['first', 'second']);
 * ```
 */
export interface Timer {
  /** Whether it was cancelled or has run. */
  readonly over: boolean;
  /** Keeps the callback from running. No effect once it has run or was cancelled. */
  cancel(): void;
}

/** A {@link Timer} in the heap of its loop. */
class HeapTimer implements Timer, HeapEntry {
  deadlineMs: number;
  sequence: number;
  heapIndex = -1;
  readonly #timers: Timers;
  /** Called when the timer is due. */
  readonly callback: () => void;
  /** True once it was cancelled or has run. */
  over = false;

  constructor(timers: Timers, deadlineMs: number, sequence: number, callback: () => void) {
    this.#timers = timers;
    this.deadlineMs = deadlineMs;
    this.sequence = sequence;
    this.callback = callback;
  }

  /** Cancels the timer. No effect if it has run or was cancelled before. */
  cancel(): void {
    this.over = true;
    this.#timers.remove(this);
  }
}

/** The timers of one loop: law 10. */
export class Timers {
  readonly #heap = new TimerHeap<HeapTimer>();
  readonly #due: HeapTimer[] = [];
  #sequence = 0;
  /** The time up to which all have run. */
  #ranMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#heap.size;
  }

  /** Sets a timer for `deadlineMs` on the clock of the loop. */
  set(deadlineMs: number, callback: () => void): Timer {
    const timer = new HeapTimer(this, deadlineMs, this.#sequence++, callback);
    this.#heap.push(timer);
    return timer;
  }

  remove(timer: HeapTimer): void {
    this.#heap.remove(timer);
  }

  /** Returns the time from `nowMs` to the next deadline: 0 if it is due, null without timers. */
  timeoutMs(nowMs: number): number | null {
    const next = this.#heap.peek();
    return next === undefined ? null : Math.max(0, next.deadlineMs - nowMs);
  }

  /**
   * Runs the timers due at `nowMs`. They are collected first, so that a timer of 0 ms that sets
   * itself again waits for the next turn. Returns whether any was due.
   */
  run(nowMs: number, callbacks: Callbacks): boolean {
    this.#ranMs = nowMs;
    for (
      let next = this.#heap.peek();
      next !== undefined && next.deadlineMs <= nowMs;
      next = this.#heap.peek()
    ) {
      this.#heap.remove(next);
      this.#due.push(next);
    }
    if (this.#due.length === 0) return false;
    let ran = 0;
    try {
      for (const timer of this.#due) {
        ran += 1;
        if (timer.over) continue; // Cancelled by a timer that ran before it.
        timer.over = true;
        callbacks.call(timer.callback);
      }
    } finally {
      // A callback that throws ends the turn; the rest runs in the next one.
      for (; ran < this.#due.length; ran++) {
        const left = this.#due[ran];
        if (left !== undefined && !left.over) this.#heap.push(left);
      }
      this.#due.length = 0;
    }
    return true;
  }

  /** At the end of a turn: none is left that was due at its beginning. */
  check(): void {
    const next = this.#heap.peek();
    if (next === undefined) return;
    invariant(next.deadlineMs >= this.#ranMs, 'a timer is late by more than a turn');
    invariant(!next.over, 'a timer that is over is set');
  }

  /** Cancels all timers, including those that are due and have not run. */
  clear(): void {
    for (const timer of this.#due) timer.over = true;
    for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) next.cancel();
  }
}
