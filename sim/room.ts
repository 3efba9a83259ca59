/** As the real one: what does not fit into the caller's memory is a bug of the caller. */
export function requireRoom(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new RangeError(`${length} bytes at ${offset} do not fit into a buffer of ${size}`);
}
