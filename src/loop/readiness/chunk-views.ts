import { VIEWS_KEPT } from '../limits.ts';

/**
 * Views of the beginnings of receive buffers, kept by their length.
 *
 * A loop receives into the same buffer again and again, mostly the same length: a fresh subarray
 * per message would be all that a server allocates for it, and the FFI takes a known one faster.
 */
export class ChunkViews {
  readonly #views: Uint8Array[] = new Array(VIEWS_KEPT).fill(NOTHING);
  readonly #sources: Uint8Array[] = new Array(VIEWS_KEPT).fill(NOTHING);

  /** The first `length` bytes of `bytes`. */
  of(bytes: Uint8Array, length: number): Uint8Array {
    if (length === bytes.length) return bytes;
    // Lengths are often multiples of one length, and that one of a power of two.
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
