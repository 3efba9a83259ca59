import type { Buffers } from '../../ring/buffers.ts';
import { BUFFERS_MAX, STAGED_BYTES_MAX, STAGING_BYTES } from '../../ring/limits.ts';
import { REGION } from '../../ring/region.ts';

/**
 * The sends of one turn, which go in one call, and the memory that they are sent from: the receive
 * buffer for an echo, else a copy.
 *
 * They are done when the call returns, except short writes, which post a completion. So a batch is
 * confirmed as a whole, and its memory returned.
 */
export class RingSends {
  /** The number of the batch being gathered. Sends of earlier batches are done. */
  batch = 0;
  readonly #buffers: Buffers;
  readonly #memory: ArrayBufferLike;
  /** The receive buffers that this batch sends from. */
  readonly #sentFrom = new Int32Array(BUFFERS_MAX);
  #sentFromCount = 0;
  #staged = 0;
  /** The buffer that a sink borrows now, -1 for none, and the last batch that sends from it. */
  #borrowed = -1;
  #borrowedChunk: Uint8Array | null = null;
  #borrowedBatch = -1;

  constructor(buffers: Buffers) {
    this.#buffers = buffers;
    this.#memory = buffers.bytes.buffer;
  }

  /** A sink borrows the chunk in the buffer `id` until {@link giveBack}. */
  borrow(id: number, chunk: Uint8Array): void {
    this.#borrowed = id;
    this.#borrowedChunk = chunk;
  }

  /** Returns the borrowed buffer to the kernel, at once or with the batch. */
  giveBack(): void {
    if (this.#borrowed < 0) return;
    if (this.#borrowedBatch === this.batch) this.#sentFrom[this.#sentFromCount++] = this.#borrowed;
    else this.#buffers.give(this.#borrowed);
    this.#borrowed = -1;
    this.#borrowedChunk = null;
    this.#borrowedBatch = -1;
  }

  /**
   * Returns the offset in the region that the bytes can be sent from: in place if they are part of
   * the borrowed chunk, else that of a copy. -1 if they are too many to be copied.
   */
  place(bytes: Uint8Array, offset: number, length: number): number {
    const chunk = this.#borrowedChunk;
    if (bytes === chunk) {
      this.#borrowedBatch = this.batch;
      return this.#buffers.offset(this.#borrowed) + offset;
    }
    if (chunk !== null && bytes.buffer === this.#memory) {
      const start = bytes.byteOffset + offset;
      const first = this.#buffers.offset(this.#borrowed);
      if (start >= first && start + length <= first + chunk.length) {
        this.#borrowedBatch = this.batch;
        return start;
      }
    }
    return this.#stage(bytes, offset, length);
  }

  #stage(bytes: Uint8Array, offset: number, length: number): number {
    if (length > STAGED_BYTES_MAX || this.#staged + length > STAGING_BYTES) return -1;
    const at = REGION.staging + this.#staged;
    const whole = offset === 0 && length === bytes.length;
    this.#buffers.bytes.set(whole ? bytes : bytes.subarray(offset, offset + length), at);
    this.#staged += length;
    return at;
  }

  /** All sends of the batch are done, and short writes have copied the rest. */
  confirm(): void {
    for (let i = 0; i < this.#sentFromCount; i++) this.#buffers.give(this.#sentFrom[i] ?? 0);
    this.#sentFromCount = 0;
    this.#staged = 0;
    this.batch = (this.batch + 1) & BATCH_MASK;
  }
}

/** Keeps the number of a batch a small integer. No send waits for so many batches. */
const BATCH_MASK = 2 ** 30 - 1;
