// What the main thread of a run and its threads see at once. Each number has one writer, but for
// the lock of a wake handle.

/** What every thread is to do. */
const STOP = 0;
const STARTED = 1;
const WORDS = 2;

/** Per thread: how far it is. */
const WAKE_LOCK = 0;
const OPEN_CONNECTIONS = 1;
const THREAD_WORDS = 2;

/** Per thread: what it came to. */
const MESSAGES = 0;
const ERRORS = 1;
const THREAD_NUMBERS = 2;

/** A wake handle may be used, is in use, or belongs to a loop that is closed. */
const FREE = 0;
const HELD = 1;
const CLOSED = 2;

/** The memory that all threads of a run share. */
export class SharedState {
  readonly memory: SharedArrayBuffer;
  /** When the warm-up begins, on the clock that all threads share; and then the counters. */
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** On the memory of another thread, or on new memory for so many threads. */
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

  /** When the warm-up begins, null as long as that is not known. */
  get startMs(): number | null {
    return Atomics.load(this.#words, STARTED) === 0 ? null : (this.#numbers[0] ?? 0);
  }

  start(startMs: number): void {
    this.#numbers[0] = startMs;
    Atomics.store(this.#words, STARTED, 1);
  }

  /** Messages that came back in the measured time, as far as the thread has told. */
  messagesOf(thread: number): number {
    return this.#numbers[1 + thread * THREAD_NUMBERS + MESSAGES] ?? 0;
  }

  errorsOf(thread: number): number {
    return this.#numbers[1 + thread * THREAD_NUMBERS + ERRORS] ?? 0;
  }

  connectionsOf(thread: number): number {
    return Atomics.load(this.#words, WORDS + thread * THREAD_WORDS + OPEN_CONNECTIONS);
  }

  /** Tells how far a thread is: its own. */
  tell(thread: number, messages: number, errors: number, connections: number): void {
    this.#numbers[1 + thread * THREAD_NUMBERS + MESSAGES] = messages;
    this.#numbers[1 + thread * THREAD_NUMBERS + ERRORS] = errors;
    Atomics.store(this.#words, WORDS + thread * THREAD_WORDS + OPEN_CONNECTIONS, connections);
  }

  /** Calls `wake` unless the loop of the thread is closed: its handle is another's number then. */
  whileOpen(thread: number, wake: () => void): void {
    const at = WORDS + thread * THREAD_WORDS + WAKE_LOCK;
    if (Atomics.compareExchange(this.#words, at, FREE, HELD) !== FREE) return;
    try {
      wake();
    } finally {
      Atomics.store(this.#words, at, FREE);
    }
  }

  /** The loop of the thread is about to be closed: nobody wakes it from here on. */
  close(thread: number): void {
    const at = WORDS + thread * THREAD_WORDS + WAKE_LOCK;
    // A wake takes one system call.
    while (Atomics.compareExchange(this.#words, at, FREE, CLOSED) === HELD);
  }
}
