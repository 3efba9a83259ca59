import { VIEWS_KEPT } from '../limits.ts';

/**
 * A cache of views of the start of a receive buffer, by their length.
 *
 * A loop receives into the same buffer, mostly the same lengths. A new subarray would be the only
 * allocation per message, and the FFI passes a known view faster.
 */
export class ChunkViews {
  readonly #views: Uint8Array[] = new Array(VIEWS_KEPT).fill(NOTHING);
  readonly #sources: Uint8Array[] = new Array(VIEWS_KEPT).fill(NOTHING);

  /** The first `length` bytes of `bytes`. */
  of(bytes: Uint8Array, length: number): Uint8Array {
    if (length === bytes.length) return bytes;
    // Lengths are often multiples of a power of two.
    const slot = (length ^ (length >> 6)) & (VIEWS_KEPT - 1);
    const kept = this.#views[slot];
    if (kept !== undefined && kept.length === length && this.#sources[slot] === bytes) return kept;
    const view = bytes.subarray(0, length);
    this.#views[slot] = view;
    this.#sources[slot] = bytes;
    return view;
  }
}

const NOTHING = new Uint8Array(0);
