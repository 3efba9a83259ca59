import type { SimSys } from '#sim/sim-sys.js';
import type { Backend } from '#src/loop/backend.js';
import type { SharedDatagrams } from '#src/loop/datagram/shared.js';
import { DATAGRAMS_PER_CALL, RECEIVES_MAX } from '#src/loop/limits.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { BUFFER_STRIDE_BYTES } from '#src/ring/limits.js';
import { unmapUnusedRegions } from '#src/ring/region.js';

// The memory of a loop takes longer to allocate than a small world lives, so that the next one gets
// it. It is poisoned: who reads what it did not write finds the rubbish.

const POISON = 0xdb;

/** As many as a world with several loops has. */
const SPARES_MAX = 8;
const spares: Uint8Array[] = [];
/** That of datagrams, by the platform, whose layout it has. */
const spareSlots = new Map<string, Uint8Array>();

/** The memory of an earlier loop, undefined if there is none. */
export function takeSpareMemory(): Uint8Array | undefined {
  return spares.pop();
}

/**
 * Gives the memory of a loop, whose world has ended, to the next one. A receive has filled at most
 * `usedBytes` of a buffer.
 */
export function giveSpareMemory(backend: Backend, usedBytes: number): void {
  if (!(backend instanceof ReadinessBackend) || spares.length === SPARES_MAX) return;
  const memory = backend.calls.bytes;
  poison(memory, RECEIVES_MAX, usedBytes);
  spares.push(memory);
}

/** Gives a backend the memory of an earlier one, for datagrams. */
export function lendSlots(backend: Backend): void {
  const shared = sharedOf(backend);
  if (shared === null) return;
  const { platform } = shared.abi;
  shared.memory = spareSlots.get(platform) ?? null;
  spareSlots.delete(platform);
}

/** As {@link giveSpareMemory}, for datagrams. */
export function giveSlots(backend: Backend, usedBytes: number): void {
  const shared = sharedOf(backend);
  if (shared === null || shared.memory === null) return;
  const { memory } = shared;
  // The gaps between its messages, which are its beginning, are zeros.
  const buffersAt = poison(memory, DATAGRAMS_PER_CALL, usedBytes);
  memory.fill(0, 0, buffersAt);
  spareSlots.set(shared.abi.platform, memory);
}

/** Ends the process of a world, of which no ring of this thread has to know any more. */
export function endProcess(sys: SimSys): void {
  sys.end();
  unmapUnusedRegions();
}

/** Poisons the buffers at the end of `memory`. Returns where they begin. */
function poison(memory: Uint8Array, buffers: number, usedBytes: number): number {
  const buffersAt = memory.length - buffers * BUFFER_STRIDE_BYTES;
  for (let at = buffersAt; at < memory.length; at += BUFFER_STRIDE_BYTES) {
    memory.fill(POISON, at, at + usedBytes);
  }
  return buffersAt;
}

function sharedOf(backend: Backend): SharedDatagrams | null {
  const hasThem = backend instanceof ReadinessBackend || backend instanceof RingBackend;
  return hasThem ? backend.sharedDatagrams : null;
}
