import { NEWLINE } from '../base/bytes.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

/**
 * Splits a byte stream into lines; no I/O.
 *
 * Bytes come in by {@link append}, or by {@link reserve} and {@link commit}.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { LineBuffer } from 'sockloop';
 *
 * const lines = new LineBuffer(1024);
 * lines.append(new TextEncoder().encode('one\ntwo\nthr'));
 * const taken: string[] = [];
 * for (let line = lines.takeLine(); line !== null; line = lines.takeLine()) {
 *   taken.push(new TextDecoder().decode(line));
 * }
 * assert.deepEqual(taken, ['one\n', 'two\n']);
 * assert.equal(lines.length, 3);
 * ```
 */
export class LineBuffer extends ReceiveBuffer {
  /** The longest line that is accepted, with its newline. */
  readonly lineBytesMax: number;
  /** How many of the buffered bytes were searched and hold no newline. */
  #searched = 0;
  #overlong = false;

  /**
   * Makes an empty buffer.
   *
   * @param lineBytesMax the longest line to accept, in bytes, with its newline: 1 and up.
   * @throws RangeError for another value.
   */
  constructor(lineBytesMax: number) {
    if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
      throw new RangeError(`a line takes 1 byte and more, not ${lineBytesMax}`);
    }
    super(lineBytesMax);
    this.lineBytesMax = lineBytesMax;
  }

  /** Whether {@link takeLine} stopped at a line that is too long, complete or not. */
  get overlong(): boolean {
    return this.#overlong;
  }

  /**
   * Takes the next line out.
   *
   * @returns the line with its newline, borrowed until the next `append` or `reserve`; null if it
   *   is incomplete or {@link overlong}.
   */
  takeLine(): Uint8Array | null {
    // Each byte is searched once, however many pieces a line arrives in.
    const held = this.bytes.subarray(this.start, this.end);
    const newline = held.indexOf(NEWLINE, this.#searched);
    const length = newline < 0 ? held.length : newline + 1;
    this.#overlong = length > this.lineBytesMax;
    if (newline < 0 || this.#overlong) {
      this.#searched = newline < 0 ? length : newline;
      return null;
    }
    this.#searched = 0;
    return this.take(length);
  }

  /**
   * Takes all buffered bytes out, such as a last line without a newline.
   *
   * @returns the bytes, borrowed until the next `append` or `reserve`.
   */
  override takeRest(): Uint8Array {
    this.#overlong = false;
    this.#searched = 0;
    return super.takeRest();
  }
}
