// The global of that name is a getter, too slow for every message.
import { Buffer } from 'node:buffer';
import { markAsUntransferable } from 'node:worker_threads';

// A chunk that is its program's own is a copy, a slice of a slab: an ArrayBuffer of its own costs
// V8 2 us for 200 bytes, a slice 0.1 us. A slice that is kept holds its slab, so that small chunks
// come from small slabs: a kept chunk holds at most 16 KiB, or 64 times its own length. A longer
// one, which is rare, has exactly its memory.
//
// Each thread has its own copy of this module.

/** Slices of at most so many bytes, of slabs of one size. */
interface Slabs {
  readonly sliceBytesMax: number;
  readonly slabBytes: number;
  /** The slab that slices are taken from, and how much of it is taken. */
  slab: Uint8Array;
  /** That of the slab: to ask a view for it is a call into V8. */
  memory: ArrayBufferLike;
  taken: number;
}

function slabs(sliceBytesMax: number, slabBytes: number): Slabs {
  // The first slice finds it full.
  const slab = new Uint8Array(0);
  return { sliceBytesMax, slabBytes, slab, memory: slab.buffer, taken: 0 };
}

const SMALL = slabs(1024, 16 * 1024);
const MIDDLE = slabs(4096, 64 * 1024);
const LARGE = slabs(16 * 1024, 256 * 1024);

/** Returns a copy of `chunk` that nothing else will ever write to. */
export function ownCopy(chunk: Uint8Array): Uint8Array {
  const { length } = chunk;
  const from = slabsFor(length);
  if (from === null) return new Uint8Array(copyApart(chunk).buffer);
  // First: it may begin another slab.
  const at = put(from, chunk);
  return new Uint8Array(from.memory, at, length);
}

/** As {@link ownCopy}, for what takes a Buffer. */
export function ownBuffer(chunk: Uint8Array): Buffer {
  const { length } = chunk;
  const from = slabsFor(length);
  if (from === null) return copyApart(chunk);
  const at = put(from, chunk);
  return Buffer.from(from.memory, at, length);
}

function slabsFor(length: number): Slabs | null {
  if (length <= SMALL.sliceBytesMax) return SMALL;
  if (length <= MIDDLE.sliceBytesMax) return MIDDLE;
  return length <= LARGE.sliceBytesMax ? LARGE : null;
}

/** Copies `chunk` to a slab. Returns the offset in its memory. */
function put(from: Slabs, chunk: Uint8Array): number {
  const { length } = chunk;
  let at = from.taken;
  if (at + length > from.slab.length) {
    from.slab = uninitialized(from.slabBytes);
    from.memory = from.slab.buffer;
    // To post one chunk away must not take the others along.
    markAsUntransferable(from.memory);
    at = 0;
  }
  from.slab.set(chunk, at);
  // Numbers of any size can be read in place.
  from.taken = (at + length + 7) & ~7;
  return at;
}

function copyApart(chunk: Uint8Array): Buffer<ArrayBuffer> {
  const copy = uninitialized(chunk.length);
  copy.set(chunk);
  return copy;
}

/** Memory that is about to be written: to clear it first would cost as much again. */
function uninitialized(length: number): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(length);
}
