// Memory shared by the main thread of a run and its threads. Each number has one writer, except the
// lock of a wake handle.

/** Words that command every thread. */
const STOP = 0;
const STARTED = 1;
const WORDS = 2;

/** Words per thread. */
const WAKE_LOCK = 0;
const OPEN_CONNECTIONS = 1;
const THREAD_WORDS = 2;

/** Counters per thread. */
const MESSAGES = 0;
const ERRORS = 1;
const THREAD_NUMBERS = 2;

/** States of a wake handle: free, in use, or of a closed loop. */
const FREE = 0;
const HELD = 1;
const CLOSED = 2;

/** The memory that all threads of a run share. */
export class SharedState {
  readonly memory: SharedArrayBuffer;
  /** Beginning of the warm-up on the shared clock, then the counters. */
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** Maps `memory` of another thread, or allocates memory for `threads`. */
  constructor(threads: number, memory?: SharedArrayBuffer) {
    const numbers = 1 + threads * THREAD_NUMBERS;
    const words = WORDS + threads * THREAD_WORDS;
    this.memory = memory ?? new SharedArrayBuffer(numbers * 8 + words * 4);
    this.#numbers = new Float64Array(this.memory, 0, numbers);
    this.#words = new Int32Array(this.memory, numbers * 8, words);
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  /** Beginning of the warm-up; null until it is known. */
  get startMs(): number | null {
    return Atomics.load(this.#words, STARTED) === 0 ? null : (this.#numbers[0] ?? 0);
  }

  start(startMs: number): void {
    this.#numbers[0] = startMs;
    Atomics.store(this.#words, STARTED, 1);
  }

  /** Messages answered in the measured time, as last published by the thread. */
  messagesOf(thread: number): number {
    return this.#numbers[1 + thread * THREAD_NUMBERS + MESSAGES] ?? 0;
  }

  errorsOf(thread: number): number {
    return this.#numbers[1 + thread * THREAD_NUMBERS + ERRORS] ?? 0;
  }

  connectionsOf(thread: number): number {
    return Atomics.load(this.#words, WORDS + thread * THREAD_WORDS + OPEN_CONNECTIONS);
  }

  /** Publishes the counters of a thread; called by that thread. */
  tell(thread: number, messages: number, errors: number, connections: number): void {
    this.#numbers[1 + thread * THREAD_NUMBERS + MESSAGES] = messages;
    this.#numbers[1 + thread * THREAD_NUMBERS + ERRORS] = errors;
    Atomics.store(this.#words, WORDS + thread * THREAD_WORDS + OPEN_CONNECTIONS, connections);
  }

  /** Calls `wake` unless the thread's loop is closed: its descriptor may have been reused. */
  whileOpen(thread: number, wake: () => void): void {
    const at = WORDS + thread * THREAD_WORDS + WAKE_LOCK;
    if (Atomics.compareExchange(this.#words, at, FREE, HELD) !== FREE) return;
    try {
      wake();
    } finally {
      Atomics.store(this.#words, at, FREE);
    }
  }

  /** Marks the loop of the thread as closed: it is not woken any more. */
  close(thread: number): void {
    const at = WORDS + thread * THREAD_WORDS + WAKE_LOCK;
    // A wake takes one system call.
    while (Atomics.compareExchange(this.#words, at, FREE, CLOSED) === HELD);
  }
}
