import { BUFFER_STRIDE_BYTES } from './limits.ts';

/** Buffers of receive memory, and the last view of each: its length is often the same again. */
export class BufferViews {
  readonly #bytes: Uint8Array;
  /** The offset of the first buffer. */
  readonly #at: number;
  readonly #chunks: (Uint8Array | undefined)[] = [];

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Returns the offset of the buffer `id` in the memory. */
  offset(id: number): number {
    return this.#at + id * BUFFER_STRIDE_BYTES;
  }

  /** Returns a view of the first `length` bytes of the buffer `id`. */
  chunk(id: number, length: number): Uint8Array {
    const last = this.#chunks[id];
    if (last !== undefined && last.length === length) return last;
    const start = this.offset(id);
    const chunk = this.#bytes.subarray(start, start + length);
    this.#chunks[id] = chunk;
    return chunk;
  }
}
