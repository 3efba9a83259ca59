/** V8 keeps the bytes of a typed array of at most this size on its own heap, and moves them. */
const ON_HEAP_BYTES_MAX = 64;

/** Whether the bytes of `buffer` stay where they are for as long as somebody refers to them. */
export function isStable(buffer: Uint8Array): boolean {
  return buffer.buffer.byteLength > ON_HEAP_BYTES_MAX;
}

/**
 * Where the bytes of one buffer lie, for calls that get the same buffer over and over.
 *
 * The FFI takes a number a good deal faster than a typed array (2 to 3 % of all the CPU of an echo
 * server). Only an address that cannot change is remembered: that of bytes outside of V8's heap.
 * They stay where they are for as long as the array is referred to, as it is from here; a buffer
 * that was transferred away has the length 0, which is for the caller to look at first.
 */
export class StableAddress {
  readonly #addressOf: (buffer: Uint8Array) => bigint;
  #buffer: Uint8Array | null = null;
  #address = 0;
  /** The buffer of the last call: one that comes twice in a row is worth asking about. */
  #candidate: Uint8Array | null = null;
  /** The last buffer that was too small: asking again would cost more than passing it. */
  #refused: Uint8Array | null = null;

  constructor(addressOf: (buffer: Uint8Array) => bigint) {
    this.#addressOf = addressOf;
  }

  /** The address of the first byte, or 0 where `buffer` has to be passed itself. */
  of(buffer: Uint8Array): number {
    return buffer === this.#buffer ? this.#address : this.#learn(buffer);
  }

  #learn(buffer: Uint8Array): number {
    if (buffer === this.#refused) return 0;
    if (buffer !== this.#candidate) {
      this.#candidate = buffer;
      return 0;
    }
    if (!isStable(buffer)) {
      this.#refused = buffer;
      return 0;
    }
    this.#buffer = buffer;
    this.#address = Number(this.#addressOf(buffer));
    return this.#address;
  }
}
