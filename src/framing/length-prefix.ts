import { type Bytes, bytesOf, sendableLength } from '../base/bytes.ts';
import { FRAME_BYTES_MAX } from './limits.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

/** How many bytes the length of a frame takes: big-endian, and not counting itself. */
export type PrefixBytes = 1 | 2 | 4;

/**
 * Bytes in, frames out, each with its length before it; no I/O.
 *
 * Bytes come in as {@link append} or as {@link reserve} and {@link commit} bring them. A length
 * that is announced takes no memory before its bytes are there.
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
  readonly prefixBytes: PrefixBytes;
  /** The longest frame that is taken, its prefix not included. */
  readonly frameBytesMax: number;

  /** Throws a RangeError where `frameBytesMax` is no number of bytes; 16 MiB if left out. */
  constructor(prefixBytes: PrefixBytes, frameBytesMax: number = FRAME_BYTES_MAX) {
    longestFrame(prefixBytes);
    if (!Number.isSafeInteger(frameBytesMax) || frameBytesMax < 0) {
      throw new RangeError(`a frame takes 0 bytes and more, not ${frameBytesMax}`);
    }
    super(prefixBytes + frameBytesMax);
    this.prefixBytes = prefixBytes;
    this.frameBytesMax = frameBytesMax;
  }

  /** Whether the next frame is too long: {@link takeFrame} gives nothing any more. */
  get overlong(): boolean {
    return this.#announced() > this.frameBytesMax;
  }

  /**
   * The next frame without its prefix (it may be empty), lent until the next reservation; null if
   * it is not whole, or too long.
   */
  takeFrame(): Uint8Array | null {
    const length = this.#announced();
    if (length < 0 || length > this.frameBytesMax) return null;
    if (this.length < this.prefixBytes + length) return null;
    this.take(this.prefixBytes);
    return this.take(length);
  }

  /** The length of the next frame, -1 while its prefix is not whole. */
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
 * `payload` (a string as UTF-8, any view as the bytes it covers) as a frame: a copy behind its
 * length. Throws a RangeError for one that is too long, a TypeError for what is neither, an Error
 * for a received chunk whose handler has returned.
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
 * Writes the prefix of a frame of `length` bytes into `into` at `offset` and returns how many bytes
 * it took, for who has the payload elsewhere. Throws a RangeError where the length does not fit.
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
