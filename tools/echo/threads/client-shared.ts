import type { SocketAddress } from 'sockloop/sys';
import { PRINT_WAIT_MS, WAIT_MS } from '../limits.ts';
import type { EchoMode } from '../session.ts';
import type { Failure } from './server-shared.ts';

// Shared by the main thread of a ThreadedClient and its workers: memory, and the few messages from
// a worker to the main thread.

/** The work of every thread of a client: plain data, copied to each. */
export interface ClientPlan {
  /** Tried in this order, for each connection. */
  readonly addresses: readonly SocketAddress[];
  readonly threads: number;
  /** The number of times each thread sends all messages. */
  readonly count: number;
  readonly messages: MessageBytes;
  /** The mode of the server, which determines the end of a reply. */
  readonly mode: EchoMode;
  /** True to open a connection for each message, also if the mode does not require it. */
  readonly reconnects: boolean;
  /** The longest wait of each blocking call. */
  readonly timeoutMs: number;
  /** True to print replies. */
  readonly prints: boolean;
  readonly trace: boolean;
}

/** Concatenated messages in shared memory. */
export interface MessageBytes {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The end of each message. */
  readonly ends: Uint32Array<SharedArrayBuffer>;
}

/** The workerData of a thread. */
export interface ClientThreadPlan extends ClientPlan {
  readonly memory: SharedArrayBuffer;
  /** Counted from 1. */
  readonly thread: number;
}

/** How a thread of a client ended. */
export type ThreadOutcome = 'done' | 'failed' | 'stopped';

/** A message from a worker. */
export type ClientThreadMessage =
  /** It has started and waits for the others. */
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'ended';
      readonly outcome: ThreadOutcome;
      readonly failure: Failure | null;
      /** The peer of its last connection; null without one. */
      readonly server: SocketAddress | null;
    }
  /** Its output failed: the reader has gone, or the disk is full. */
  | { readonly kind: 'outputFailed'; readonly failure: Failure };

/** Counts of a thread so far. */
export interface ThreadCounts {
  connections: number;
  /** Messages whose sending began. */
  messages: number;
  /** Complete replies. */
  replies: number;
  /** Replies that differ from their message. */
  mismatches: number;
  /** Bytes of all replies, complete or not. */
  receivedBytes: number;
  /** Round trips of complete replies; null without any. */
  roundTripMs: RoundTrips | null;
}

export interface RoundTrips {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

// 32-bit integers: the phase, the number of the thread that prints, and the socket of each thread.
const PHASE = 0;
const PRINTS = 1;
const SOCKETS = 2;

const STARTING = 0;
const RUNNING = 1;
const STOPPING = 2;

/** The counters of a thread, written by that thread only, and their indexes. */
const COUNTERS = {
  connections: 0,
  messages: 1,
  replies: 2,
  mismatches: 3,
  receivedBytes: 4,
  minMs: 5,
  sumMs: 6,
  maxMs: 7,
} as const;
const COUNTERS_LENGTH = Object.keys(COUNTERS).length;
type Counter = keyof typeof COUNTERS;

/** The memory that all threads of a client share. */
export class ClientState {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #counters: Float64Array<SharedArrayBuffer>;

  /** The state of that many threads, on given memory or on new memory. */
  constructor(threads: number, memory?: SharedArrayBuffer) {
    const words = SOCKETS + threads;
    // A Float64Array begins at a multiple of 8 bytes.
    const wordBytes = Math.ceil(words / 2) * Float64Array.BYTES_PER_ELEMENT;
    const counters = threads * COUNTERS_LENGTH;
    this.memory =
      memory ?? new SharedArrayBuffer(wordBytes + counters * Float64Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory, 0, words);
    this.#counters = new Float64Array(this.memory, wordBytes, counters);
    if (memory === undefined) this.#words.fill(-1, SOCKETS);
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, PHASE) === STOPPING;
  }

  /** Lets all threads begin at once. */
  begin(): void {
    Atomics.compareExchange(this.#words, PHASE, STARTING, RUNNING);
    Atomics.notify(this.#words, PHASE);
  }

  /** Tells every thread to stop. */
  stop(): void {
    Atomics.store(this.#words, PHASE, STOPPING);
    Atomics.notify(this.#words, PHASE);
  }

  /** Waits until all threads have started. Returns true to begin, false to stop. */
  awaitBeginning(): boolean {
    while (Atomics.load(this.#words, PHASE) === STARTING) {
      Atomics.wait(this.#words, PHASE, STARTING, WAIT_MS);
    }
    return !this.stopping;
  }

  /**
   * Waits until `thread` may print: one at a time, as with flockfile(3). Returns false if the
   * threads stop while the one that prints is stuck.
   */
  beginPrinting(thread: number): boolean {
    for (;;) {
      const other = Atomics.compareExchange(this.#words, PRINTS, 0, thread);
      if (other === 0) return true;
      const waited = Atomics.wait(this.#words, PRINTS, other, PRINT_WAIT_MS);
      if (waited === 'timed-out' && this.stopping) return false;
    }
  }

  /** Releases the lock of {@link beginPrinting} if `thread` holds it. */
  endPrinting(thread: number): void {
    if (Atomics.compareExchange(this.#words, PRINTS, thread, 0) !== thread) return;
    Atomics.notify(this.#words, PRINTS, 1);
  }

  /** The descriptor of the socket of `thread`; -1 without one. */
  socketOf(thread: number): number {
    return Atomics.load(this.#words, SOCKETS + thread - 1);
  }

  setSocket(thread: number, fd: number): void {
    Atomics.store(this.#words, SOCKETS + thread - 1, fd);
  }

  /** Adds to a counter of `thread`. Called by that thread only. */
  add(thread: number, counter: Counter, amount: number): void {
    const at = this.#at(thread, counter);
    this.#counters[at] = (this.#counters[at] ?? 0) + amount;
  }

  /** Counts a complete reply of `thread`. Called by that thread only. */
  addReply(thread: number, roundTripMs: number, matches: boolean): void {
    const minAt = this.#at(thread, 'minMs');
    const maxAt = this.#at(thread, 'maxMs');
    const isFirst = this.#counters[this.#at(thread, 'replies')] === 0;
    this.#counters[minAt] = Math.min(
      roundTripMs,
      isFirst ? roundTripMs : (this.#counters[minAt] ?? 0),
    );
    this.#counters[maxAt] = Math.max(roundTripMs, this.#counters[maxAt] ?? 0);
    this.add(thread, 'sumMs', roundTripMs);
    this.add(thread, 'replies', 1);
    if (!matches) this.add(thread, 'mismatches', 1);
  }

  /** The counts of `thread`; exact once it has ended. */
  countsOf(thread: number): ThreadCounts {
    const read = (counter: Counter): number => this.#counters[this.#at(thread, counter)] ?? 0;
    const replies = read('replies');
    return {
      connections: read('connections'),
      messages: read('messages'),
      replies,
      mismatches: read('mismatches'),
      receivedBytes: read('receivedBytes'),
      roundTripMs:
        replies === 0
          ? null
          : { min: read('minMs'), mean: read('sumMs') / replies, max: read('maxMs') },
    };
  }

  #at(thread: number, counter: Counter): number {
    return (thread - 1) * COUNTERS_LENGTH + COUNTERS[counter];
  }
}
