import type { AddressFamily, SocketAddress } from 'sockloop/sys';
import { END_REASONS, type EndCounts, endReasonOf, newEndCounts } from '../figures.ts';
import type { GuardPlan } from '../guards/plan.ts';
import type { ConnectionTotals, ServerTotals } from '../iterative-server.ts';
import { THREADS_MAX, THREADS_SPARE } from '../limits.ts';
import {
  MISBEHAVIOUR_COUNTS,
  type MisbehaviourPlan,
  type MisbehaviourTotals,
  newMisbehaviourTotals,
} from '../misbehaviour/plan.ts';
import type { EchoMode } from '../session.ts';

// Shared by the main thread of a ThreadedServer and its workers: memory, and the messages from a
// worker to the main thread. None are sent the other way: a worker blocked in the kernel receives
// no message.

/** The workerData of a thread. */
export interface ThreadPlan {
  readonly memory: SharedArrayBuffer;
  /** Counted from 1. */
  readonly thread: number;
  /** Where it counts its bytes: no two threads at a time have the same. */
  readonly place: number;
  /** The descriptor of the listener, which the main thread owns. */
  readonly listener: number;
  readonly family: AddressFamily;
  /** True to poll(2) before accept(2), because the listener is non-blocking. */
  readonly polls: boolean;
  readonly mode: EchoMode;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
  /** True to report every connection, else only those that failed. */
  readonly watched: boolean;
  readonly trace: boolean;
  readonly misbehaviour: MisbehaviourPlan | null;
  /** The guards, and the memory that they share. */
  readonly guarding: { readonly plan: GuardPlan; readonly memory: SharedArrayBuffer } | null;
}

/** An error sent to another thread, where its class would be lost. */
export interface Failure {
  readonly message: string;
  /** The name of the errno if a system call failed. */
  readonly code: string | undefined;
}

/** A message from a worker. */
export type ThreadMessage =
  /** It has started and waits for its first client. */
  | { readonly kind: 'ready' }
  /** It took a client, and few threads still wait for one. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'accepted'; readonly address: SocketAddress; readonly connection: number }
  | {
      readonly kind: 'closed';
      readonly address: SocketAddress;
      readonly totals: ConnectionTotals;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'acceptFailed' | 'refused'; readonly failure: Failure }
  /** The listener failed. */
  | { readonly kind: 'broken'; readonly failure: Failure }
  | { readonly kind: 'traced'; readonly line: string };

/** The most unhandled messages; a worker with more to send waits. */
const MESSAGES_MAX = 4096;

/** Poll interval of a worker that waits. */
const MESSAGE_WAIT_MS = 100;

// 32-bit integers: flags and counts that change with each message.
const STOP = 0;
const WAITING = 1;
const MESSAGES = 2;
const FULL = 3;
const RETIRED = 4;
// An even number of them: 64-bit integers follow.
const WORDS = 6;

// 64-bit integers: totals, which change with each connection.
const CONNECTIONS = 0;
const FAILED = 1;
const ACCEPT_FAILURES = 2;
const UNACKNOWLEDGED = 3;
/** The first of {@link END_REASONS}. */
const ENDED = 4;
/** The first of {@link MISBEHAVIOUR_COUNTS}. */
const MISBEHAVED = ENDED + END_REASONS.length;
const TOTALS = MISBEHAVED + MISBEHAVIOUR_COUNTS.length;

/** Doubles by thread, which it alone writes, with each message: bytes received and sent. */
const MOVED = 2 * THREADS_MAX;

/** The memory that all threads of a server share. */
export class SharedState {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #totals: BigInt64Array<SharedArrayBuffer>;
  readonly #moved: Float64Array<SharedArrayBuffer>;

  /** The state on given memory, or on new memory. */
  constructor(memory?: SharedArrayBuffer) {
    const wordBytes = WORDS * Int32Array.BYTES_PER_ELEMENT;
    const totalBytes = TOTALS * BigInt64Array.BYTES_PER_ELEMENT;
    const movedAt = wordBytes + totalBytes;
    this.memory = memory ?? new SharedArrayBuffer(movedAt + MOVED * Float64Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory, 0, WORDS);
    this.#totals = new BigInt64Array(this.memory, wordBytes, TOTALS);
    this.#moved = new Float64Array(this.memory, movedAt, MOVED);
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /** Whether another process accepts: threads serve their clients to the end, and end. */
  get retired(): boolean {
    return Atomics.load(this.#words, RETIRED) !== 0;
  }

  retire(): void {
    Atomics.store(this.#words, RETIRED, 1);
  }

  /** Tells every thread to stop, and ends every {@link pause}. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STOP);
    Atomics.notify(this.#words, MESSAGES);
  }

  /** Waits for `pauseMs`, or until the server stops. Never in the main thread. */
  pause(pauseMs: number): void {
    Atomics.wait(this.#words, STOP, 0, pauseMs);
  }

  /** The number of threads that wait for a client. */
  get waiting(): number {
    return Atomics.load(this.#words, WAITING);
  }

  /** This thread waits for a client from now on. */
  beginWaiting(): void {
    Atomics.add(this.#words, WAITING, 1);
  }

  /** Stops waiting. Returns true if the pool should and may grow. */
  endWaiting(): boolean {
    const left = Atomics.sub(this.#words, WAITING, 1) - 1;
    return left < THREADS_SPARE && Atomics.load(this.#words, FULL) === 0;
  }

  /** True if the pool has its most threads. */
  set full(full: boolean) {
    Atomics.store(this.#words, FULL, full ? 1 : 0);
  }

  /** Waits for room for one more message. */
  beginMessage(): void {
    for (;;) {
      const pending = Atomics.load(this.#words, MESSAGES);
      // A server that stops does not wait for the reader of its output.
      if (pending < MESSAGES_MAX || this.stopping) break;
      Atomics.wait(this.#words, MESSAGES, pending, MESSAGE_WAIT_MS);
    }
    Atomics.add(this.#words, MESSAGES, 1);
  }

  /** The main thread has handled a message. */
  endMessage(): void {
    const pending = Atomics.sub(this.#words, MESSAGES, 1);
    if (pending >= MESSAGES_MAX) Atomics.notify(this.#words, MESSAGES);
  }

  /** Counts a connection and returns its number, from 1 on. */
  countConnection(): number {
    return Number(Atomics.add(this.#totals, CONNECTIONS, 1n)) + 1;
  }

  /** Adds the totals of a connection, but for its bytes. */
  countClosed({ unacknowledgedBytes }: ConnectionTotals, failure: Error | null): void {
    Atomics.add(this.#totals, UNACKNOWLEDGED, BigInt(unacknowledgedBytes));
    if (failure !== null) Atomics.add(this.#totals, FAILED, 1n);
    Atomics.add(this.#totals, ENDED + END_REASONS.indexOf(endReasonOf(failure)), 1n);
  }

  /** The bytes that the thread at a place has moved, of all its connections. */
  moved(place: number): [receivedBytes: number, sentBytes: number] {
    return [this.#moved[2 * place] ?? 0, this.#moved[2 * place + 1] ?? 0];
  }

  setMoved(place: number, receivedBytes: number, sentBytes: number): void {
    this.#moved[2 * place] = receivedBytes;
    this.#moved[2 * place + 1] = sentBytes;
  }

  /** How many connections have ended, by why. */
  get ended(): EndCounts {
    const counts = newEndCounts();
    for (const [index, reason] of END_REASONS.entries())
      counts[reason] = this.#total(ENDED + index);
    return counts;
  }

  /** Adds what a connection suffered on purpose. */
  countMisbehaved(totals: MisbehaviourTotals): void {
    for (const [index, count] of MISBEHAVIOUR_COUNTS.entries()) {
      Atomics.add(this.#totals, MISBEHAVED + index, BigInt(totals[count]));
    }
  }

  /** What all connections that have ended suffered on purpose. */
  get misbehaved(): MisbehaviourTotals {
    const totals = newMisbehaviourTotals();
    for (const [index, count] of MISBEHAVIOUR_COUNTS.entries()) {
      totals[count] = this.#total(MISBEHAVED + index);
    }
    return totals;
  }

  countAcceptFailure(): void {
    Atomics.add(this.#totals, ACCEPT_FAILURES, 1n);
  }

  /** The number of failed calls of accept(2). */
  get acceptFailures(): number {
    return this.#total(ACCEPT_FAILURES);
  }

  get totals(): ServerTotals {
    return {
      connections: this.#total(CONNECTIONS),
      failed: this.#total(FAILED),
      turnedAway: 0,
      receivedBytes: this.#sumOfMoved(0),
      sentBytes: this.#sumOfMoved(1),
      unacknowledgedBytes: this.#total(UNACKNOWLEDGED),
    };
  }

  #sumOfMoved(first: 0 | 1): number {
    let sum = 0;
    for (let at = first; at < MOVED; at += 2) sum += this.#moved[at] ?? 0;
    return sum;
  }

  #total(index: number): number {
    return Number(Atomics.load(this.#totals, index));
  }
}

/** An error as a message. */
export function failureOf(error: Error): Failure {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { message: error.message, code };
}

/** A message as an error. */
export function errorOf({ message, code }: Failure): Error {
  return code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
}
