import { isUnchangedCopy } from '../base/borrowed.ts';
import { checking, invariant } from '../base/invariants.ts';
import { STAGED_BYTES_MAX, STAGING_BYTES } from '../ring/limits.ts';

/** The receive memory of a loop, in which each chunk has a buffer. */
export interface ReceiveBuffers {
  readonly bytes: Uint8Array;
  /** The most buffers. */
  readonly countMax: number;
  /** Returns the offset of the buffer `id` in {@link bytes}. */
  offset(id: number): number;
  /** Takes a buffer back whose bytes are not needed any more. */
  give(id: number): void;
}

/**
 * The sends of one turn, which go in one call, and the memory that they are sent from: the receive
 * buffer for an echo, else a copy.
 *
 * They are done when the call returns, except short writes. So a batch is confirmed as a whole, and
 * its memory returned.
 */
export class GatheredSends {
  /** The number of the batch being gathered. Sends of earlier batches are done. */
  batch = 0;
  readonly #buffers: ReceiveBuffers;
  readonly #memory: ArrayBufferLike;
  /** Offset of the memory that sends are copied to. */
  readonly #stagingAt: number;
  /** The receive buffers that this batch sends from. */
  readonly #sentFrom: Int32Array;
  #sentFromCount = 0;
  #staged = 0;
  /** The buffer that a sink borrows now, -1 for none, and the last batch that sends from it. */
  #borrowed = -1;
  #borrowedChunk: Uint8Array | null = null;
  #borrowedBatch = -1;

  /** Copies go to `stagingAt` of the receive memory, which has STAGING_BYTES there. */
  constructor(buffers: ReceiveBuffers, stagingAt: number) {
    this.#buffers = buffers;
    this.#memory = buffers.bytes.buffer;
    this.#stagingAt = stagingAt;
    this.#sentFrom = new Int32Array(buffers.countMax);
  }

  /** A sink borrows the chunk in the buffer `id` until {@link giveBack}. */
  borrow(id: number, chunk: Uint8Array): void {
    if (checking) invariant(this.#borrowed < 0, 'a chunk is delivered inside of another one');
    this.#borrowed = id;
    this.#borrowedChunk = chunk;
  }

  /** Returns the borrowed buffer to the kernel, at once or with the batch. */
  giveBack(): void {
    if (this.#borrowed < 0) return;
    const inBatch = this.#borrowedBatch === this.batch;
    if (inBatch) this.#sentFrom[this.#sentFromCount++] = this.#borrowed;
    else this.#buffers.give(this.#borrowed);
    this.#borrowed = -1;
    this.#borrowedChunk = null;
    this.#borrowedBatch = -1;
  }

  /**
   * Returns the offset in the receive memory that the bytes can be sent from: in place if they are
   * part of the borrowed chunk, or all of the program's own copy of it, else that of a copy. -1 if
   * they are too many to be copied.
   */
  place(bytes: Uint8Array, offset: number, length: number): number {
    const chunk = this.#borrowedChunk;
    if (bytes === chunk) {
      this.#borrowedBatch = this.batch;
      return this.#buffers.offset(this.#borrowed) + offset;
    }
    if (chunk !== null) {
      const start = bytes.byteOffset - this.#buffers.bytes.byteOffset + offset;
      const first = this.#buffers.offset(this.#borrowed);
      const isInside = start >= first && start + length <= first + chunk.length;
      // Last: V8 allocates an ArrayBuffer for a small array that has none yet.
      if (isInside && bytes.buffer === this.#memory) {
        this.#borrowedBatch = this.batch;
        return start;
      }
      // To compare costs less than to copy, except for a few bytes.
      if (length > COPIED_BYTES && length === chunk.length && isUnchangedCopy(bytes, chunk)) {
        this.#borrowedBatch = this.batch;
        return first;
      }
    }
    return this.#stage(bytes, offset, length);
  }

  /** Whether a copy of `length` bytes finds room, unless that is too long in any case. */
  hasRoom(length: number): boolean {
    return this.#staged + length <= STAGING_BYTES || length > STAGED_BYTES_MAX;
  }

  #stage(bytes: Uint8Array, offset: number, length: number): number {
    if (length > STAGED_BYTES_MAX || this.#staged + length > STAGING_BYTES) return -1;
    const at = this.#stagingAt + this.#staged;
    const whole = offset === 0 && length === bytes.length;
    this.#buffers.bytes.set(whole ? bytes : bytes.subarray(offset, offset + length), at);
    this.#staged += length;
    return at;
  }

  /** Returns a view of `length` bytes at an offset that {@link place} returned. */
  bytes(place: number, length: number): Uint8Array {
    return this.#buffers.bytes.subarray(place, place + length);
  }

  /** All sends of the batch are done, and short writes have copied the rest. */
  confirm(): void {
    for (let i = 0; i < this.#sentFromCount; i++) this.#buffers.give(this.#sentFrom[i] ?? 0);
    this.#sentFromCount = 0;
    this.#staged = 0;
    this.batch = (this.batch + 1) & BATCH_MASK;
  }
}

/** So many bytes are copied sooner than compared. */
const COPIED_BYTES = 512;

/** Keeps the number of a batch a small integer. No send waits for so many batches. */
const BATCH_MASK = 2 ** 30 - 1;
