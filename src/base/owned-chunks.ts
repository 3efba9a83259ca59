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
  if (length <= SMALL.sliceBytesMax) return slice(SMALL, chunk);
  if (length <= MIDDLE.sliceBytesMax) return slice(MIDDLE, chunk);
  if (length <= LARGE.sliceBytesMax) return slice(LARGE, chunk);
  const copy = uninitialized(length);
  copy.set(chunk);
  return copy;
}

function slice(from: Slabs, chunk: Uint8Array): Uint8Array {
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
  return new Uint8Array(from.memory, at, length);
}

/** Memory that is about to be written: to clear it first would cost as much again. */
function uninitialized(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
