import type { Abi, Field } from './abi/abi.ts';

// How the memory of a MessageVector is laid out.

/** struct mmsghdr, which macOS lacks: there it is laid out likewise. */
interface MessageLayout {
  readonly recordBytes: number;
  /** The offset of `msg_len` in it. */
  readonly lengthAt: number;
}

const PAGE_BYTES = 4096;
const CACHE_LINE_BYTES = 64;

export function layoutOf(abi: Abi): MessageLayout {
  const { mmsghdr, msghdr } = abi.structs;
  if (mmsghdr === undefined) return { recordBytes: msghdr.size + 8, lengthAt: msghdr.size };
  return { recordBytes: mmsghdr.size, lengthAt: mmsghdr.fields.msg_len.offset };
}

/** Addresses a page apart share the same few sets of a cache. */
export function strideOf(bufferBytes: number): number {
  const bytes = Math.ceil(bufferBytes / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
  return bytes % PAGE_BYTES === 0 ? bytes + CACHE_LINE_BYTES : bytes;
}

export function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

export function wordOf({ offset }: Field): number {
  return offset >> 2;
}

export function requireMemory(memory: Uint8Array, bytes: number): void {
  if (memory.length >= bytes && memory.byteOffset % 8 === 0) return;
  const { length, byteOffset } = memory;
  throw new RangeError(`a vector takes ${bytes} aligned bytes, not ${length} at ${byteOffset}`);
}

export function requireSize(
  name: string,
  value: number,
  min: number,
  max: number,
  unit: number,
): void {
  if (Number.isInteger(value) && value >= min && value <= max && value % unit === 0) return;
  const multiple = unit === 1 ? 'an integer' : `a multiple of ${unit}`;
  throw new RangeError(`${name} is ${multiple} from ${min} to ${max}, not ${value}`);
}
