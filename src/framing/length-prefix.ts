import { type Bytes, bytesOf, sendableLength } from '../base/bytes.ts';
import { FRAME_BYTES_MAX } from './limits.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

/** The bytes of the length of a frame: big-endian, not counting itself. */
export type PrefixBytes = 1 | 2 | 4;

/**
 * Splits a byte stream into frames, each behind its length; no I/O.
 *
 * Bytes come in by {@link append}, or by {@link reserve} and {@link commit}. A length that is
 * announced takes no memory before its bytes arrive.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { encodeFrame, FrameBuffer } from 'sockloop';
 *
 * const frames = new FrameBuffer(2);
 * frames.append(encodeFrame(new Uint8Array([1, 2, 3]), 2));
 * frames.append(new Uint8Array([0, 2, 4]));
 * assert.deepEqual(frames.takeFrame(), new Uint8Array([1, 2, 3]));
 * assert.equal(frames.takeFrame(), null, 'one byte of the second is missing');
 * frames.append(new Uint8Array([5]));
 * assert.deepEqual(frames.takeFrame(), new Uint8Array([4, 5]));
 * ```
 */
export class FrameBuffer extends ReceiveBuffer {
  /** The bytes of each prefix. */
  readonly prefixBytes: PrefixBytes;
  /** The longest frame that is accepted, without its prefix. */
  readonly frameBytesMax: number;

  /**
   * Makes an empty buffer.
   *
   * @param prefixBytes the bytes of each prefix: 1, 2 or 4.
   * @param frameBytesMax the longest frame to accept, in bytes, 0 and up. Default: 16 MiB.
   * @throws RangeError for another value of either.
   */
  constructor(prefixBytes: PrefixBytes, frameBytesMax: number = FRAME_BYTES_MAX) {
    longestFrame(prefixBytes);
    if (!Number.isSafeInteger(frameBytesMax) || frameBytesMax < 0) {
      throw new RangeError(`a frame takes 0 bytes and more, not ${frameBytesMax}`);
    }
    super(prefixBytes + frameBytesMax);
    this.prefixBytes = prefixBytes;
    this.frameBytesMax = frameBytesMax;
  }

  /** Whether the next frame is too long: {@link takeFrame} returns null from then on. */
  get overlong(): boolean {
    return this.#announced() > this.frameBytesMax;
  }

  /**
   * Takes the next frame out.
   *
   * @returns the frame without its prefix, which may be empty, borrowed until the next `append` or
   *   `reserve`; null if it is incomplete or {@link overlong}.
   */
  takeFrame(): Uint8Array | null {
    const length = this.#announced();
    if (length < 0 || length > this.frameBytesMax) return null;
    if (this.length < this.prefixBytes + length) return null;
    this.take(this.prefixBytes);
    return this.take(length);
  }

  /** The length of the next frame, -1 while its prefix is incomplete. */
  #announced(): number {
    if (this.length < this.prefixBytes) return -1;
    let length = 0;
    for (let index = 0; index < this.prefixBytes; index++) {
      length = length * 256 + (this.bytes[this.start + index] ?? 0);
    }
    return length;
  }
}

/**
 * Makes a frame: the length of `payload`, and a copy of it.
 *
 * @param payload a string, sent as UTF-8, or any view, sent as the bytes it covers.
 * @param prefixBytes the bytes of the length: 1, 2 or 4.
 * @returns the frame, in memory of its own.
 * @throws RangeError for a payload that is too long for its prefix.
 * @throws TypeError where `payload` is neither.
 * @throws Error for a received chunk whose handler has returned.
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { encodeFrame } from 'sockloop';
 *
 * assert.deepEqual(encodeFrame('hi', 4), new Uint8Array([0, 0, 0, 2, 0x68, 0x69]));
 * ```
 */
export function encodeFrame(payload: Bytes, prefixBytes: PrefixBytes): Uint8Array {
  const bytes = bytesOf(payload);
  const length = sendableLength(bytes, 0, bytes.length, 'encode');
  const frame = new Uint8Array(prefixBytes + length);
  encodeLength(length, prefixBytes, frame);
  frame.set(bytes, prefixBytes);
  return frame;
}

/**
 * Writes the prefix of a frame, where the payload is sent separately.
 *
 * @param length the bytes of the payload.
 * @param prefixBytes the bytes of the prefix: 1, 2 or 4.
 * @param into where to write it.
 * @param offset the index in `into` of its first byte. Default: 0.
 * @returns `prefixBytes`.
 * @throws RangeError where the length does not fit the prefix, or the prefix does not fit `into`.
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { encodeLength } from 'sockloop';
 *
 * const prefix = new Uint8Array(2);
 * encodeLength(258, 2, prefix);
 * assert.deepEqual(prefix, new Uint8Array([1, 2]));
 * ```
 */
export function encodeLength(
  length: number,
  prefixBytes: PrefixBytes,
  into: Uint8Array,
  offset = 0,
): number {
  const lengthMax = longestFrame(prefixBytes);
  if (!Number.isInteger(length) || length < 0 || length > lengthMax) {
    throw new RangeError(
      `${prefixBytes} bytes announce at most ${lengthMax} bytes of frame, not ${length}`,
    );
  }
  if (!(offset >= 0 && offset + prefixBytes <= into.length)) {
    throw new RangeError(`${prefixBytes} bytes at ${offset} do not fit into ${into.length}`);
  }
  for (let index = 0; index < prefixBytes; index++) {
    into[offset + index] = Math.floor(length / 256 ** (prefixBytes - 1 - index)) % 256;
  }
  return prefixBytes;
}

function longestFrame(prefixBytes: number): number {
  if (prefixBytes !== 1 && prefixBytes !== 2 && prefixBytes !== 4) {
    throw new RangeError(`the length of a frame takes 1, 2 or 4 bytes, not ${prefixBytes}`);
  }
  return 256 ** prefixBytes - 1;
}
