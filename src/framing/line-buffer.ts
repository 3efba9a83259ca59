import { NEWLINE } from '../base/bytes.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

/**
 * Bytes in, lines out; no I/O.
 *
 * Bytes come in as {@link append} or as {@link reserve} and {@link commit} bring them.
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
  /** The longest line that is taken, its newline included. */
  readonly lineBytesMax: number;
  /** How many of the bytes that are held are known to be no newline. */
  #searched = 0;
  #overlong = false;

  /** Throws a RangeError unless `lineBytesMax` is 1 or more. */
  constructor(lineBytesMax: number) {
    if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
      throw new RangeError(`a line takes 1 byte and more, not ${lineBytesMax}`);
    }
    super(lineBytesMax);
    this.lineBytesMax = lineBytesMax;
  }

  /** Whether {@link takeLine} stopped at a line that is too long, whole or not. */
  get overlong(): boolean {
    return this.#overlong;
  }

  /**
   * The next line with its newline, lent until the next reservation; null if it is not whole, or
   * {@link overlong}.
   */
  takeLine(): Uint8Array | null {
    // indexOf looks at each byte once, however many pieces a line comes in.
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

  /** All that is left, lent until the next reservation: a last line without a newline. */
  override takeRest(): Uint8Array {
    this.#overlong = false;
    this.#searched = 0;
    return super.takeRest();
  }
}
