import type { MessageVector } from './message-vector.ts';
import type { MessageHeader } from './sys.ts';

// What is checked before a call: the kernel and the C library would not.

/** The kernel would write past the end of a buffer that is too small. */
export function requireRoom(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new RangeError(`${length} bytes at ${offset} do not fit into a buffer of ${size}`);
}

/** As {@link requireRoom}, for the parts of a message. */
export function requireRoomOf({
  name,
  nameLength,
  control,
  controlLength,
  ...bytes
}: MessageHeader): void {
  requireRoom(bytes.buffer.length, bytes.offset, bytes.length);
  if (name !== null) requireRoom(name.length, 0, nameLength);
  if (control !== null) requireRoom(control.length, 0, controlLength);
}

/** The length that goes in, from an array that also takes the length that comes out. */
export function lengthIn(length: Int32Array): number {
  requireRoom(length.length, 0, 1);
  return length[0] ?? 0;
}

/** C would read `text` up to its first NUL byte: another path, another host. */
export function requireWhole(text: string): void {
  if (text.includes('\0')) throw new RangeError('a C string cannot hold a NUL byte');
}

/** As {@link requireRoom}, for slots of a vector. */
export function requireSlots(messages: MessageVector, first: number, count: number): void {
  if (first >= 0 && count >= 0 && first + count <= messages.count) return;
  throw new RangeError(`a vector of ${messages.count} has no ${count} messages from ${first} on`);
}
