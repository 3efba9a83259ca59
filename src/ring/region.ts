import { Arena } from '../sys/arena.ts';
import type { Sys } from '../sys/sys.ts';
import { noteMapped, noteUnmapping } from '../sys/thread-resources.ts';
import { ADDRESSES_MAX, BUFFER_STRIDE_BYTES, BUFFERS_MAX, STAGING_BYTES } from './limits.ts';

/** An io_uring_buf, the entry of a ring of buffers. */
export const BUFFER_ENTRY_BYTES = 16;

/** Room for one socket address: a sockaddr_storage. */
export const ADDRESS_BYTES = 128;

/** Offsets of the parts of a region. The ring of buffers must start on a page. */
export const REGION = {
  bufferRing: 0,
  /** The argument of a wait, followed by its timeout. */
  wait: BUFFERS_MAX * BUFFER_ENTRY_BYTES,
  /** A timespec: the period of a periodic timeout. */
  period: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 1024,
  addresses: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096,
  staging: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096 + ADDRESSES_MAX * ADDRESS_BYTES,
  buffers: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096 + ADDRESSES_MAX * ADDRESS_BYTES + STAGING_BYTES,
} as const;

const REGION_BYTES = REGION.buffers + BUFFERS_MAX * BUFFER_STRIDE_BYTES;

/** Regions of closed rings, for the next rings of this thread, by who mapped them. */
const unused = new WeakMap<Sys, Arena[]>();

/** Who has mapped regions: the simulated ones come and go. */
const owners: WeakRef<Sys>[] = [];

/** From so many on those that are gone are forgotten. */
const OWNERS_MAX = 8;

/**
 * Returns mapped memory for everything that a ring shares with the kernel besides the queues. Pages
 * that were never written take no memory.
 */
export function takeRegion(sys: Sys): Arena {
  const kept = unused.get(sys)?.pop();
  if (kept !== undefined) return kept;
  const region = new Arena(sys, REGION_BYTES);
  noteMapped(region.address, region.length);
  return region;
}

/**
 * Takes a region back once the kernel has let go of it. It stays mapped for as long as its thread
 * runs: a program that keeps a borrowed chunk too long may read wrong bytes, but must not crash.
 */
export function giveRegionBack(sys: Sys, region: Arena): void {
  const regions = unused.get(sys);
  if (regions !== undefined) {
    regions.push(region);
    return;
  }
  unused.set(sys, [region]);
  if (owners.length >= OWNERS_MAX) {
    const alive = owners.filter((owner) => owner.deref() !== undefined);
    owners.splice(0, owners.length, ...alive);
  }
  owners.push(new WeakRef(sys));
}

/** Unmaps the regions of closed rings, because nothing of this thread runs any more. */
export function unmapUnusedRegions(): void {
  for (const owner of owners.splice(0)) {
    const sys = owner.deref();
    const regions = sys === undefined ? undefined : unused.get(sys);
    for (const region of regions?.splice(0) ?? []) {
      noteUnmapping(region.address);
      region.close();
    }
  }
}
