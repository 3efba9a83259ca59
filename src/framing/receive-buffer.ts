import { type Bytes, bytesOf, sendableLength } from '../base/bytes.ts';

/** The first allocation: a page on most machines. */
const INITIAL_BYTES = 4096;

/**
 * Received bytes that were not taken yet; no I/O.
 *
 * A reader that receives by itself makes room with {@link reserve}, receives into {@link bytes}
 * from {@link end} on, and reports the count with {@link commit}. A reader that gets chunks uses
 * {@link append}. The buffer doubles as it grows; beyond the longest piece plus one reservation it
 * grows only if nothing is taken.
 */
export abstract class ReceiveBuffer {
  /** The storage. `reserve` and `append` may replace it; all that is taken is a view of it. */
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  readonly #pieceBytesMax: number;
  #start = 0;
  #end = 0;

  /**
   * Makes an empty buffer.
   *
   * @param pieceBytesMax the longest piece that is taken, in bytes.
   */
  constructor(pieceBytesMax: number) {
    this.#pieceBytesMax = pieceBytesMax;
  }

  /** The index in {@link bytes} of the next byte to receive. */
  get end(): number {
    return this.#end;
  }

  /** How many bytes are buffered. */
  get length(): number {
    return this.#end - this.#start;
  }

  /**
   * Makes room behind {@link end}. Invalidates all that was taken.
   *
   * @param bytes the least number of bytes to make room for.
   */
  reserve(bytes: number): void {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    }
    if (this.bytes.length - this.#end >= bytes) return;
    const needed = this.length + bytes;
    const limit = this.#pieceBytesMax + bytes;
    const doubled = Math.max(needed, 2 * this.bytes.length);
    const size = needed > limit ? doubled : Math.min(doubled, limit);
    const roomy = needed <= this.bytes.length / 2 || size <= this.bytes.length;
    const target = roomy ? this.bytes : new Uint8Array(size);
    target.set(this.bytes.subarray(this.#start, this.#end));
    this.bytes = target;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /**
   * Adds bytes that were received behind {@link end}.
   *
   * @param bytes how many: at most what was reserved.
   * @throws RangeError for more.
   */
  commit(bytes: number): void {
    if (bytes < 0 || this.#end + bytes > this.bytes.length) {
      throw new RangeError(`${bytes} bytes were not reserved`);
    }
    this.#end += bytes;
  }

  /**
   * Copies `data` behind the buffered bytes. Invalidates all that was taken.
   *
   * @param data a string, taken as UTF-8, or any view, taken as the bytes it covers.
   * @throws TypeError where it is neither.
   * @throws Error for a received chunk whose handler has returned.
   */
  append(data: Bytes): void {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, 0, bytes.length, 'append');
    this.reserve(length);
    this.bytes.set(bytes, this.#end);
    this.#end += length;
  }

  /**
   * Takes all buffered bytes out.
   *
   * @returns the bytes, borrowed until the next `append` or `reserve`.
   */
  takeRest(): Uint8Array {
    return this.take(this.length);
  }

  /** The index of the first byte that was not taken. */
  protected get start(): number {
    return this.#start;
  }

  /** Takes `length` bytes out, which must be buffered. */
  protected take(length: number): Uint8Array {
    const taken = this.bytes.subarray(this.#start, this.#start + length);
    this.#start += length;
    return taken;
  }
}
