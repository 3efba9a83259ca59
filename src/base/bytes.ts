import { refuseStale } from './borrowed.ts';

/** The byte that ends a line. */
export const NEWLINE = 10;

/** Bytes to send: a string (as UTF-8), or any view of memory (the bytes that it covers). */
export type Bytes = string | ArrayBufferView;

/**
 * The bytes of `data`, copied only if it is a string.
 *
 * @throws TypeError for anything but a string or a view, including an ArrayBuffer.
 */
export function bytesOf(data: Bytes): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === 'string') return Buffer.from(data);
  return viewOf(data, 'a string or ');
}

/**
 * The bytes that `view` covers. `other` is what the caller takes besides, for the error.
 *
 * @throws TypeError for anything but a view.
 */
export function viewOf(view: ArrayBufferView, other = ''): Uint8Array {
  if (view instanceof Uint8Array) return view;
  if (ArrayBuffer.isView(view)) {
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
  const wanted = `${other}a view of memory such as a Uint8Array`;
  throw new TypeError(`bytes are ${wanted}, not ${described(view)}`);
}

/** A copy in memory of its own. Of a Buffer, `slice()` would share it. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/**
 * The length of a range of `bytes`: `length`, or all bytes from `offset` on if it is undefined.
 * `what` names the call for the error.
 *
 * @throws RangeError for a range outside of `bytes`.
 */
export function rangeLength(
  bytes: Uint8Array,
  offset: number,
  length: number | undefined,
  what: string,
): number {
  const count = length === undefined ? bytes.length - offset : length;
  const isWhole = Number.isInteger(offset) && Number.isInteger(count);
  if (isWhole && offset >= 0 && count >= 0 && offset + count <= bytes.length) return count;
  throw new RangeError(`cannot ${what} ${count} bytes at ${offset} of ${bytes.length}`);
}

/**
 * As {@link rangeLength}, for bytes to send.
 *
 * @throws Error for a received chunk whose handler has returned.
 */
export function sendableLength(
  bytes: Uint8Array,
  offset: number,
  length: number | undefined,
  what: string,
): number {
  const count = rangeLength(bytes, offset, length, what);
  refuseStale(bytes, offset, count, what);
  return count;
}

function described(value: unknown): string {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    return typeof value === 'number' || typeof value === 'bigint'
      ? `the number ${value}`
      : String(value);
  }
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
  const isMemory = name === 'ArrayBuffer' || name === 'SharedArrayBuffer';
  return isMemory ? `${name} (send new Uint8Array(buffer))` : name;
}
