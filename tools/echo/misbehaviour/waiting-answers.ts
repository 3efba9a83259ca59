import type { Connection } from 'sockloop';
import { Deque } from '#src/base/deque.js';

/** The memory of the length and the time of an answer. */
const ENTRY_BYTES = 16;

/** The answers to what was received at once. Those that are due at one time are one entry. */
export class AnswerBatch {
  readonly bytes: Uint8Array;
  /** Where each entry ends, and when it is due. */
  readonly ends: number[] = [];
  readonly duesMs: number[] = [];
  length = 0;
  /** The next entry, and the next byte. */
  next = 0;
  at = 0;

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
  }

  /** Appends an answer. Due times do not fall. */
  append(answer: Uint8Array, dueMs: number): void {
    this.bytes.set(answer, this.length);
    this.length += answer.length;
    const last = this.ends.length - 1;
    if (last >= 0 && this.duesMs[last] === dueMs) {
      this.ends[last] = this.length;
    } else {
      this.ends.push(this.length);
      this.duesMs.push(dueMs);
    }
  }
}

/** The answers of one connection that wait until they are due, in their order. */
export class WaitingAnswers {
  readonly #batches = new Deque<AnswerBatch>();
  #entries = 0;
  /** Bytes that wait. */
  bytes = 0;

  /** The memory that they take: many short answers take more than their bytes. */
  get memoryBytes(): number {
    return this.bytes + ENTRY_BYTES * this.#entries;
  }

  /** When the first one is due; 0 if none waits. */
  get dueMs(): number {
    const batch = this.#batches.peek();
    return batch?.duesMs[batch.next] ?? 0;
  }

  push(batch: AnswerBatch): void {
    if (batch.length === 0) return;
    this.#batches.push(batch);
    this.#entries += batch.ends.length;
    this.bytes += batch.length;
  }

  /** Bytes of the first batch that are due at `nowMs`. */
  dueBytes(nowMs: number): number {
    const batch = this.#batches.peek();
    if (batch === undefined) return 0;
    let end = batch.at;
    for (let entry = batch.next; (batch.duesMs[entry] ?? nowMs + 1) <= nowMs; entry += 1) {
      end = batch.ends[entry] ?? end;
    }
    return end - batch.at;
  }

  /** Writes `length` bytes of the first batch, which has them. Returns what `write` returned. */
  writeTo<Data>(connection: Connection<Data>, length: number): boolean {
    const batch = this.#batches.peek();
    if (batch === undefined) return true;
    const { at, bytes, ends } = batch;
    batch.at += length;
    while ((ends[batch.next] ?? Number.POSITIVE_INFINITY) <= batch.at) {
      batch.next += 1;
      this.#entries -= 1;
    }
    this.bytes -= length;
    if (batch.at === batch.length) this.#batches.shift();
    return connection.write(bytes, at, length);
  }

  /** Drops all. */
  clear(): void {
    for (let batch = this.#batches.shift(); batch !== undefined; ) batch = this.#batches.shift();
    this.#entries = 0;
    this.bytes = 0;
  }
}
