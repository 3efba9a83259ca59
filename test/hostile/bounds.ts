import { MULTISHOT_TOTAL_BYTES } from '#src/ring/limits.js';
import { CHUNK_BYTES } from '#tools/echo/limits.js';
import { type Conditions, type LoopName, THREADS } from './conditions.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The terms of the formula that bounds the memory of a server under attack, in bytes:
 *
 *     at rest + growth + threads x thread + connections x (state + 2 x received + 2 x line)
 */
export const MEMORY = {
  /** V8's young generation and garbage, and the buffers of the loop: 16 MiB of a ring. */
  growth: 64 * MIB,
  /** A thread of `--loop threads`: 12 MiB, and the young generation of a V8 of its own. */
  thread: 44 * MIB,
  /** A connection that holds nothing: its objects, timers and places in tables. */
  state: 4 * KIB,
  /** What one receive brings and its peer does not take: `multishot` of a ring, else a receive. */
  received: CHUNK_BYTES,
  receivedOnRing: MULTISHOT_TOTAL_BYTES,
} as const;

/** The most memory that a server may take while it has so many connections. */
export function memoryMax(
  loop: LoopName,
  { lineBytesMax }: Conditions,
  restBytes: number,
  connections: number,
): number {
  const isRing = loop === 'io_uring' || loop === 'program';
  const received = isRing ? MEMORY.receivedOnRing : MEMORY.received;
  // A buffer of lines doubles as it grows.
  const held = 2 * received + 2 * (lineBytesMax ?? 0);
  const threads = loop === 'threads' ? THREADS * (MEMORY.thread + held) : 0;
  const others = loop === 'threads' || loop === 'blocking' ? 1 : connections;
  return restBytes + MEMORY.growth + threads + others * (MEMORY.state + held);
}
