import { checking, invariant } from '../base/invariants.ts';
import { QUEUE_CHUNK_BYTES } from './limits.ts';

/**
 * A send queue: chunks of {@link QUEUE_CHUNK_BYTES}, so that a long queue is not copied to grow,
 * and its memory is freed as it is sent.
 */
export class Outbox {
  readonly #chunks: Uint8Array[] = [];
  /** How much of the first chunk was sent. */
  #start = 0;
  /** How much of the last chunk is filled. */
  #end = 0;
  #length = 0;

  /** The number of queued bytes. */
  get length(): number {
    return this.#length;
  }

  /** Appends a copy of `length` bytes of `bytes` from `offset` on. */
  append(bytes: Uint8Array, offset: number, length: number): void {
    let from = offset;
    for (let left = length; left > 0; ) {
      let last = this.#chunks.at(-1);
      if (last === undefined || this.#end === last.length) {
        last = new Uint8Array(QUEUE_CHUNK_BYTES);
        this.#chunks.push(last);
        this.#end = 0;
      }
      const size = Math.min(left, last.length - this.#end);
      last.set(bytes.subarray(from, from + size), this.#end);
      this.#end += size;
      from += size;
      left -= size;
    }
    this.#length += length;
    if (checking) this.#check();
  }

  /** Prepends a copy of `bytes`. None of the queue may have been sent. */
  prepend(bytes: Uint8Array): void {
    if (checking) invariant(this.#start === 0, 'bytes go ahead of a queue that was sent in part');
    // More than 64 bytes in any case: V8 moves smaller arrays, and a send may be in flight.
    const memory = new ArrayBuffer(Math.max(bytes.length, STABLE_BYTES_MIN));
    const chunk = new Uint8Array(memory, 0, bytes.length);
    chunk.set(bytes);
    this.#chunks.unshift(chunk);
    if (this.#chunks.length === 1) this.#end = chunk.length;
    this.#length += chunk.length;
    if (checking) this.#check();
  }

  /** Returns the first contiguous bytes; none if the queue is empty. */
  peek(): Uint8Array {
    const first = this.#chunks[0];
    if (first === undefined) return NOTHING;
    return first.subarray(this.#start, this.#chunks.length === 1 ? this.#end : first.length);
  }

  /** Removes `length` bytes from the front, at most what {@link peek} returned. */
  consume(length: number): void {
    if (checking) invariant(length <= this.peek().length, 'more was sent than is there');
    this.#start += length;
    this.#length -= length;
    const first = this.#chunks[0];
    const end = this.#chunks.length === 1 ? this.#end : (first?.length ?? 0);
    if (this.#start >= end) {
      this.#chunks.shift();
      this.#start = 0;
      if (this.#chunks.length === 0) this.#end = 0;
    }
    if (checking) this.#check();
  }

  /** The queue is as long as its parts together. */
  #check(): void {
    const last = this.#chunks.at(-1);
    const room = last === undefined ? 0 : last.length - this.#end;
    const total = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    invariant(this.#length === total - this.#start - room, 'a send queue lost count of its bytes');
  }
}

const STABLE_BYTES_MIN = 128;

const NOTHING = new Uint8Array(0);
