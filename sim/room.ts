/** Throws where the caller's memory is too short: a bug of the caller. */
export function requireRoom(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new RangeError(`${length} bytes at ${offset} do not fit into a buffer of ${size}`);
}
