import { Buffer } from 'node:buffer';
import threads from 'node:worker_threads';
import { ownBuffer, ownCopy } from './owned-chunks.ts';

// A received chunk is a view of the loop's receive memory, valid until its handler returns; the
// program borrows it, or gets a copy for its own. A borrowed one sent later would be other bytes,
// most likely those of another client. So every call that takes bytes refuses those in receive
// memory outside of the chunk being delivered.
//
// Each thread has its own copy of this module, and delivers one chunk at a time: law 2.

interface PartsSink<Parts> {
  received(parts: Parts): void;
}

interface ChunkSink {
  received(chunk: Uint8Array): void;
}

/** The chunk being delivered on this thread, null between deliveries. */
let borrowed: Uint8Array | null = null;

/** The copy of it that the program was given for its own, null if it was not. */
let owned: Uint8Array | null = null;

/** The receive memory of the loops of this thread, and copies that were delivered. */
const memories = new WeakSet<ArrayBufferLike>();

/**
 * The offset of receive memory in its ArrayBuffer. V8 keeps smaller arrays on its heap, and would
 * have to allocate an ArrayBuffer when one is asked for.
 */
const OFFSET = 64;

/** Fills a copy once its handler has returned. */
const POISON = 0xdb;

/** `SOCKLOOP_DEBUG=1`: every chunk is a copy, poisoned after its handler. */
const debugging = process.env['SOCKLOOP_DEBUG'] === '1';

/**
 * Node 22 and newer mark the memory of an addon; marked twice, Node 24 and 26 abort at exit. Node
 * 20 has no such name, and webpack makes an import of `* as threads` one of the names in use.
 */
function isMarked(memory: ArrayBufferLike): boolean {
  const { isMarkedAsUntransferable } = threads as {
    isMarkedAsUntransferable?: (value: object) => boolean;
  };
  return isMarkedAsUntransferable?.(memory) === true;
}

/** Allocates `length` bytes of receive memory. */
export function receiveMemory(length: number): Uint8Array {
  const memory = new ArrayBuffer(OFFSET + length);
  registerReceiveMemory(memory);
  return new Uint8Array(memory, OFFSET, length);
}

/** Registers memory that a loop receives into, except for the first 64 bytes. */
export function registerReceiveMemory(memory: ArrayBufferLike): void {
  memories.add(memory);
  // Posting a chunk to another thread must not take the loop's memory along.
  if (!isMarked(memory)) threads.markAsUntransferable(memory);
}

/** Delivers `chunk`, a view of receive memory, to `sink`. */
export function deliver(sink: ChunkSink, chunk: Uint8Array): void {
  if (debugging) {
    deliverCopy(sink, chunk);
    return;
  }
  // A handler may run a turn of another loop.
  const before = borrowed;
  borrowed = chunk;
  try {
    sink.received(chunk);
  } finally {
    borrowed = before;
    owned = null;
  }
}

/** Returns a copy of `chunk`, which is being delivered, for the program to keep. */
export function ownedCopy(chunk: Uint8Array): Uint8Array {
  owned = ownCopy(chunk);
  return owned;
}

/** As {@link ownedCopy}, for what takes a Buffer. */
export function ownedBuffer(chunk: Uint8Array): Buffer {
  const copy = ownBuffer(chunk);
  owned = copy;
  return copy;
}

/**
 * Whether `bytes` are the program's own copy of `chunk`, and still the same: then `chunk`, which
 * the program does not see, can be sent in their place.
 */
export function isUnchangedCopy(bytes: Uint8Array, chunk: Uint8Array): boolean {
  return bytes === owned && borrowed === chunk && Buffer.compare(bytes, chunk) === 0;
}

/** Copies of parts of lent memory, while they are lent: see {@link lentPart}. */
let lentCopies: Uint8Array[] = [];

/** Delivers `parts`, which lie in receive memory: `sink` borrows any of it. */
export function deliverParts<Parts>(
  sink: PartsSink<Parts>,
  parts: Parts,
  memory: Uint8Array,
): void {
  const before = borrowed;
  const copiesBefore = lentCopies;
  borrowed = memory;
  lentCopies = NO_COPIES;
  try {
    sink.received(parts);
  } finally {
    for (const copy of lentCopies) copy.fill(POISON);
    borrowed = before;
    lentCopies = copiesBefore;
    owned = null;
  }
}

const NO_COPIES: Uint8Array[] = [];

/** A part of what {@link deliverParts} delivers, as the program gets it. */
export function lentPart(part: Uint8Array): Uint8Array {
  if (!debugging) return part;
  const copy = receiveMemory(part.length);
  copy.set(part);
  lentCopies = [...lentCopies, copy];
  return copy;
}

/** Delivers a copy of `chunk` to `sink`, and poisons it afterwards to expose any later use. */
export function deliverCopy(sink: ChunkSink, chunk: Uint8Array): void {
  const copy = receiveMemory(chunk.length);
  copy.set(chunk);
  const before = borrowed;
  borrowed = copy;
  try {
    sink.received(copy);
  } finally {
    borrowed = before;
    owned = null;
    copy.fill(POISON);
  }
}

/**
 * Throws an Error if `length` bytes of `bytes` from `offset` on are a chunk whose handler has
 * returned. `what` names the call for the error.
 */
export function refuseStale(bytes: Uint8Array, offset: number, length: number, what: string): void {
  const chunk = borrowed;
  if (bytes === chunk || bytes === owned || length === 0) return;
  const start = bytes.byteOffset + offset;
  if (start + length <= OFFSET) return;
  const { buffer } = bytes;
  if (!memories.has(buffer)) return;
  if (chunk !== null && chunk.buffer === buffer) {
    const isInside = start >= chunk.byteOffset && start + length <= chunk.byteOffset + chunk.length;
    if (isInside) return;
  }
  if (lentCopies.some((copy) => copy.buffer === buffer)) return;
  throw new Error(
    `cannot ${what}: the bytes are a received chunk whose handler has returned, and may be those ` +
      'of another client by now; copy what is needed later: chunk.slice()',
  );
}
