/** The sizes of a ring. */

/**
 * Entries of the submission queue. When it is full, one more call submits it early; 256 entries are
 * 16 KiB, which stay in the cache.
 */
export const SUBMISSIONS = 256;

/** Entries of the completion queue. The kernel holds back what does not fit. */
export const COMPLETIONS = 2048;

/** Entries of the ring of buffers, and so the most buffers: a power of two. */
export const BUFFERS_MAX = 256;

/** Buffers at first: a turn takes some 20, which are back in the next. */
export const BUFFERS_AT_FIRST = 64;

/** Size of a buffer, which holds one receive. Pages that were never written take no memory. */
export const BUFFER_BYTES = 65536;

/**
 * Distance between buffers: a cache line more than their size, because addresses 64 KiB apart share
 * the same few sets of a cache.
 */
export const BUFFER_STRIDE_BYTES = BUFFER_BYTES + 64;

/** The sizes of a ring's queues. */
export interface RingSize {
  readonly submissions: number;
  readonly completions: number;
}

/**
 * The sizes to try in turn on ENOMEM: they take 56 KiB of lockable memory with the buffers, and
 * 16 KiB, with which more calls are made.
 */
export const RING_SIZES: readonly [RingSize, ...RingSize[]] = [
  { submissions: SUBMISSIONS, completions: COMPLETIONS },
  { submissions: 64, completions: 256 },
];

/**
 * A multishot receive ends after this many bytes and is submitted again: what a connection can
 * bring in one turn, of which all is held if its handler pauses it at the first chunk.
 */
export const MULTISHOT_TOTAL_BYTES = 262144;

/** Memory that small sends are copied to until the kernel has taken them. */
export const STAGING_BYTES = 262144;

/** The longest send that is copied; a longer one uses send(2), without a copy. */
export const STAGED_BYTES_MAX = 16384;

/** Addresses of connects that are not submitted yet. */
export const ADDRESSES_MAX = 64;

/** Attempts to submit what the kernel refuses for now (EAGAIN, EBUSY). */
export const SUBMIT_ATTEMPTS_MAX = 8;
