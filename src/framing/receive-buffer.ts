import { type Bytes, bytesOf, sendableLength } from '../base/bytes.ts';

/** What a new buffer holds before it has to grow: a page of most machines. */
const INITIAL_BYTES = 4096;

/**
 * Bytes that came and were not taken yet; no I/O.
 *
 * A reader receives straight into {@link bytes} between {@link end} and the end of the array, after
 * {@link reserve} has made room, and reports what came with {@link commit}; one that is handed its
 * chunks uses {@link append}. The buffer grows by doubling, and past the longest piece plus one
 * reservation only for a reader that takes nothing.
 */
export abstract class ReceiveBuffer {
  /** The storage. A reservation may replace it, and all that is taken is lent from it. */
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  readonly #pieceBytesMax: number;
  #start = 0;
  #end = 0;

  /** What is taken has at most `pieceBytesMax` bytes. */
  constructor(pieceBytesMax: number) {
    this.#pieceBytesMax = pieceBytesMax;
  }

  /** Where the next received byte goes. */
  get end(): number {
    return this.#end;
  }

  /** How many bytes are held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Makes room for at least `bytes` more bytes behind {@link end}. Ends the loan of all taken. */
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

  /** Reports that `bytes` bytes were written behind {@link end}. */
  commit(bytes: number): void {
    if (bytes < 0 || this.#end + bytes > this.bytes.length) {
      throw new RangeError(`${bytes} bytes were not reserved`);
    }
    this.#end += bytes;
  }

  /**
   * Copies `data` (a string as UTF-8, any view as the bytes it covers) behind what is held. Ends
   * the loan of all taken. Throws a TypeError for what is neither, an Error for a received chunk
   * whose handler has returned.
   */
  append(data: Bytes): void {
    const bytes = bytesOf(data);
    const length = sendableLength(bytes, 0, bytes.length, 'append');
    this.reserve(length);
    this.bytes.set(bytes, this.#end);
    this.#end += length;
  }

  /** All that is left, lent until the next reservation. */
  takeRest(): Uint8Array {
    return this.take(this.length);
  }

  /** Where the first byte lies that was not taken. */
  protected get start(): number {
    return this.#start;
  }

  /** The next `length` bytes, which are held, lent until the next reservation. */
  protected take(length: number): Uint8Array {
    const taken = this.bytes.subarray(this.#start, this.#start + length);
    this.#start += length;
    return taken;
  }
}
