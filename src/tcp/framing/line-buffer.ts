const NEWLINE = 10;

/** What a new buffer holds before it has to grow: a page of most machines. */
const INITIAL_BYTES = 4096;

/**
 * Bytes in, lines out; no I/O.
 *
 * The reader receives straight into {@link bytes} between {@link end} and the end of the array,
 * after {@link reserve} has made room, and reports what came with {@link commit}. The buffer grows
 * with the lines, and past `lineBytesMax` plus one reservation only for a reader that takes no
 * lines.
 */
export class LineBuffer {
  /** The longest line that is taken, its newline included. */
  readonly lineBytesMax: number;
  /** The storage. A reservation may replace it, and every line is lent from it. */
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  #start = 0;
  #searched = 0;
  #end = 0;
  #overlong = false;

  constructor(lineBytesMax: number) {
    if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
      throw new RangeError(`a line takes 1 byte and more, not ${lineBytesMax}`);
    }
    this.lineBytesMax = lineBytesMax;
  }

  /** Where the next received byte goes. */
  get end(): number {
    return this.#end;
  }

  /** How many bytes are held: lines not taken yet, and the beginning of the next one. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Whether {@link takeLine} stopped at a line that is too long, whole or not. */
  get overlong(): boolean {
    return this.#overlong;
  }

  /** Makes room for at least `bytes` more bytes behind {@link end}. Ends the loan of all lines. */
  reserve(bytes: number): void {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#searched = 0;
      this.#end = 0;
    }
    if (this.bytes.length - this.#end >= bytes) return;
    const needed = this.length + bytes;
    const limit = this.lineBytesMax + bytes;
    const doubled = Math.max(needed, 2 * this.bytes.length);
    const size = needed > limit ? doubled : Math.min(doubled, limit);
    const roomy = needed <= this.bytes.length / 2 || size <= this.bytes.length;
    const target = roomy ? this.bytes : new Uint8Array(size);
    target.set(this.bytes.subarray(this.#start, this.#end));
    this.bytes = target;
    this.#searched -= this.#start;
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
   * The next line with its newline, lent until the next reservation; null if it is not whole, or
   * {@link overlong}.
   */
  takeLine(): Uint8Array | null {
    // indexOf looks at each byte once, however many pieces a line comes in.
    const newline = this.bytes.subarray(0, this.#end).indexOf(NEWLINE, this.#searched);
    const end = newline < 0 ? this.#end : newline + 1;
    this.#overlong = end - this.#start > this.lineBytesMax;
    if (newline < 0 || this.#overlong) {
      this.#searched = newline < 0 ? end : newline;
      return null;
    }
    const line = this.bytes.subarray(this.#start, end);
    this.#start = end;
    this.#searched = end;
    return line;
  }

  /** All that is left, lent until the next reservation: a last line without a newline. */
  takeRest(): Uint8Array {
    const rest = this.bytes.subarray(this.#start, this.#end);
    this.#overlong = false;
    this.#start = this.#end;
    this.#searched = this.#end;
    return rest;
  }
}
