/** The orders of the kernel's environment to its other thread, one at a time. */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { WakeHandle } from '#src/poller/poller.js';

/** The indices of the words in shared memory. */
export const Word = {
  turn: 0,
  finished: 1,
  deed: 2,
  fd: 3,
  wakerKind: 4,
  count: 5,
  delayMs: 6,
  done: 7,
  acknowledged: 8,
  never: 9,
} as const;

export const Deed = { wake: 0, wakeInLockstep: 1, write: 2, interrupt: 3, end: 4 } as const;

export const WAKER_KINDS: readonly WakeHandle['kind'][] = ['eventfd', 'pipe', 'user'];

/** The data of the thread at its start. */
export interface Elsewhere {
  readonly words: Int32Array;
}

/** The most time of the last deed. */
const FINISH_MS = 5000;

/** A thread that acts while this one waits. */
export class OtherThread {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * Object.keys(Word).length));
  readonly #worker: Worker;

  constructor() {
    const workerData: Elsewhere = { words: this.#words };
    this.#worker = new Worker(new URL('./elsewhere-thread.js', import.meta.url), { workerData });
  }

  /** Waits until the thread has loaded its files. */
  async ready(): Promise<void> {
    await once(this.#worker, 'message');
  }

  /** Begins a deed as soon as the one before it is finished. */
  begin(deed: number, delayMs: number, fd: number, handle: WakeHandle | null, count: number): void {
    this.finish();
    const words = this.#words;
    words[Word.deed] = deed;
    words[Word.delayMs] = delayMs;
    words[Word.fd] = fd;
    words[Word.wakerKind] = handle === null ? 0 : WAKER_KINDS.indexOf(handle.kind);
    words[Word.count] = count;
    words[Word.done] = 0;
    words[Word.acknowledged] = 0;
    Atomics.add(words, Word.turn, 1);
    Atomics.notify(words, Word.turn);
  }

  /** Waits until the thread has finished its deed. */
  finish(): void {
    const turn = Atomics.load(this.#words, Word.turn);
    for (;;) {
      const finished = Atomics.load(this.#words, Word.finished);
      if (finished === turn) return;
      const result = Atomics.wait(this.#words, Word.finished, finished, FINISH_MS);
      if (result === 'timed-out') throw new Error('the other thread is stuck');
    }
  }

  /** The number of wakes of a lockstep so far. */
  get done(): number {
    return Atomics.load(this.#words, Word.done);
  }

  acknowledge(): void {
    Atomics.add(this.#words, Word.acknowledged, 1);
    Atomics.notify(this.#words, Word.acknowledged);
  }

  /** Ends the thread. */
  async end(): Promise<void> {
    this.begin(Deed.end, 0, -1, null, 0);
    await new Promise((resolve) => this.#worker.once('exit', resolve));
  }
}
