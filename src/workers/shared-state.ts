// Numbers that a thread publishes for its owner. Each has one writer, the thread.

/** Words per thread. */
const BEATS = 0;
/** Handed connections that it has taken: what comes behind them is still its owner's. */
const TAKEN = 1;
/** Whether it takes no connections at present. */
const FULL = 2;
const WORDS = 3;

/** Numbers per thread, before the counters of the program. */
const ACCEPTED = 0;
const OPEN = 1;
const NUMBERS = 2;

/** What a thread and its owner share. */
export class ThreadState {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** Maps `memory` of another thread, or allocates memory for so many `counters`. */
  constructor(counters: number, memory?: SharedArrayBuffer) {
    const numbers = NUMBERS + counters;
    this.memory = memory ?? new SharedArrayBuffer(numbers * 8 + WORDS * 4);
    this.#numbers = new Float64Array(this.memory, 0, numbers);
    this.#words = new Int32Array(this.memory, numbers * 8, WORDS);
  }

  /** Changes at least every BEAT_MS while the thread turns. */
  get beats(): number {
    return Atomics.load(this.#words, BEATS);
  }

  beat(): void {
    Atomics.add(this.#words, BEATS, 1);
  }

  get taken(): number {
    return Atomics.load(this.#words, TAKEN);
  }

  take(): void {
    Atomics.add(this.#words, TAKEN, 1);
  }

  get full(): boolean {
    return Atomics.load(this.#words, FULL) !== 0;
  }

  set full(full: boolean) {
    Atomics.store(this.#words, FULL, full ? 1 : 0);
  }

  get accepted(): number {
    return this.#numbers[ACCEPTED] ?? 0;
  }

  get open(): number {
    return this.#numbers[OPEN] ?? 0;
  }

  publish(accepted: number, open: number): void {
    this.#numbers[ACCEPTED] = accepted;
    this.#numbers[OPEN] = open;
  }

  counter(index: number): number {
    return this.#numbers[NUMBERS + index] ?? 0;
  }

  add(index: number, count: number): void {
    this.#numbers[NUMBERS + index] = (this.#numbers[NUMBERS + index] ?? 0) + count;
  }

  /** The thread has ended: another begins with nothing open. Its counters go on. */
  reset(): void {
    this.publish(0, 0);
    Atomics.store(this.#words, TAKEN, 0);
    Atomics.store(this.#words, FULL, 0);
  }
}
