import { markAsUntransferable } from 'node:worker_threads';

// A received chunk is borrowed: a view of memory that the loop receives into again, valid until the
// handler that got it returns. What a program sends of it later would be other bytes, most likely
// those of another client. So every call that takes bytes looks here whether they lie in receive
// memory, outside of the chunk that is being delivered.
//
// A thread has its own copy of this module, and delivers one chunk at a time: law 2.

interface ChunkSink {
  received(chunk: Uint8Array): void;
}

/** The chunk that is being delivered on this thread, null between deliveries. */
let borrowed: Uint8Array | null = null;

/** Memory that loops of this thread receive into, or copies of it that were borrowed. */
const memories = new WeakSet<ArrayBufferLike>();

/**
 * Receive memory begins this far into its ArrayBuffer, the most that V8 keeps on its own heap: to
 * ask a small array for its ArrayBuffer would make one.
 */
const OFFSET = 64;

/** What a copy is filled with once its handler has returned. */
const POISON = 0xdb;

/** `SOCKLOOP_DEBUG=1`: every chunk is a copy of its own, and poisoned behind its handler. */
const debugging = process.env['SOCKLOOP_DEBUG'] === '1';

/** New memory to receive into, of `length` bytes. */
export function receiveMemory(length: number): Uint8Array {
  const memory = new ArrayBuffer(OFFSET + length);
  registerReceiveMemory(memory);
  return new Uint8Array(memory, OFFSET, length);
}

/** Declares that a loop receives into `memory`, anywhere but in its first 64 bytes. */
export function registerReceiveMemory(memory: ArrayBufferLike): void {
  memories.add(memory);
  // A program that posts its chunk to another thread must not take the loop's memory with it.
  markAsUntransferable(memory);
}

/** Hands `chunk`, which lies in receive memory, to `sink` for as long as that takes. */
export function deliver(sink: ChunkSink, chunk: Uint8Array): void {
  if (debugging) {
    deliverCopy(sink, chunk);
    return;
  }
  // A handler may turn another loop.
  const before = borrowed;
  borrowed = chunk;
  try {
    sink.received(chunk);
  } finally {
    borrowed = before;
  }
}

/** Hands a copy of `chunk` to `sink`, and poisons it behind the call: any later use shows. */
export function deliverCopy(sink: ChunkSink, chunk: Uint8Array): void {
  const copy = receiveMemory(chunk.length);
  copy.set(chunk);
  const before = borrowed;
  borrowed = copy;
  try {
    sink.received(copy);
  } finally {
    borrowed = before;
    copy.fill(POISON);
  }
}

/**
 * Checks that `length` bytes of `bytes` from `offset` on are no borrowed memory whose loan is over.
 *
 * @param what the call that takes them, for the error.
 * @throws Error where they are.
 */
export function refuseStale(bytes: Uint8Array, offset: number, length: number, what: string): void {
  const chunk = borrowed;
  if (bytes === chunk || length === 0) return;
  const start = bytes.byteOffset + offset;
  if (start + length <= OFFSET) return;
  const { buffer } = bytes;
  if (!memories.has(buffer)) return;
  if (chunk !== null && chunk.buffer === buffer) {
    const isInside = start >= chunk.byteOffset && start + length <= chunk.byteOffset + chunk.length;
    if (isInside) return;
  }
  throw new Error(
    `cannot ${what}: the bytes are a received chunk whose handler has returned, and may be those ` +
      'of another client by now; copy what is needed later: chunk.slice()',
  );
}
