import { Arena } from '../sys/arena.ts';
import type { Sys } from '../sys/sys.ts';
import { ADDRESSES_MAX, BUFFER_STRIDE_BYTES, BUFFERS_MAX, STAGING_BYTES } from './limits.ts';

/** An io_uring_buf, the entry of a ring of buffers. */
export const BUFFER_ENTRY_BYTES = 16;

/** Room for one socket address: a sockaddr_storage. */
export const ADDRESS_BYTES = 128;

/** Where the parts of a region begin. The kernel wants the ring of buffers on a page of its own. */
export const REGION = {
  bufferRing: 0,
  /** The argument of a wait, and behind it its timeout. */
  wait: BUFFERS_MAX * BUFFER_ENTRY_BYTES,
  /** A timespec: the period of what comes again and again. */
  period: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 1024,
  addresses: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096,
  staging: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096 + ADDRESSES_MAX * ADDRESS_BYTES,
  buffers: BUFFERS_MAX * BUFFER_ENTRY_BYTES + 4096 + ADDRESSES_MAX * ADDRESS_BYTES + STAGING_BYTES,
} as const;

const REGION_BYTES = REGION.buffers + BUFFERS_MAX * BUFFER_STRIDE_BYTES;

/** Regions of rings that are closed, for the next ones of this thread. */
const unused: Arena[] = [];

/**
 * Mapped memory for all that a ring and its kernel hand each other beside the queues. Only the
 * pages that are touched are there.
 */
export function takeRegion(sys: Sys): Arena {
  return unused.pop() ?? new Arena(sys, REGION_BYTES);
}

/**
 * Takes a region back, once the kernel has let go of it. It is kept and never unmapped: a chunk
 * that a program has kept although it was only lent may be wrong, but must not end the process.
 */
export function giveRegionBack(region: Arena): void {
  unused.push(region);
}
