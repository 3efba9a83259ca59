/** Every size of a ring, by name. */

/**
 * Entries of the submission queue. What does not fit goes to the kernel early, with a call more;
 * 256 of them are 16 KiB, which stay in the cache.
 */
export const SUBMISSIONS = 256;

/** Entries of the completion queue. The kernel keeps what does not fit until there is room. */
export const COMPLETIONS = 2048;

/** Places of the ring of buffers, and so the most buffers that there can be: a power of two. */
export const BUFFERS_MAX = 256;

/** Buffers that are there from the beginning: a turn takes some 20, which are back in the next. */
export const BUFFERS_AT_FIRST = 64;

/** One buffer holds one receive. Pages of it that no receive has reached are not there. */
export const BUFFER_BYTES = 65536;

/**
 * From one buffer to the next: a cache line more than its size, for what lies exactly 64 KiB apart
 * falls into the same few sets of every cache.
 */
export const BUFFER_STRIDE_BYTES = BUFFER_BYTES + 64;

/** The sizes of a ring's queues. */
export interface RingSize {
  readonly submissions: number;
  readonly completions: number;
}

/**
 * What a ring is asked for, in this order, where the kernel says ENOMEM: 56 KiB of lockable memory
 * with the buffers, and 16 KiB, with which more calls are made.
 */
export const RING_SIZES: readonly [RingSize, ...RingSize[]] = [
  { submissions: SUBMISSIONS, completions: COMPLETIONS },
  { submissions: 64, completions: 256 },
];

/** What small sends are copied to until the kernel has taken them. */
export const STAGING_BYTES = 262144;

/** The longest send that is copied; a longer one goes by send(2), without a copy. */
export const STAGED_BYTES_MAX = 16384;

/** Room for the addresses of connects that were not submitted yet. */
export const ADDRESSES_MAX = 64;

/** A submission that the kernel refuses for now (EAGAIN, EBUSY) is offered again so often. */
export const SUBMIT_ATTEMPTS_MAX = 8;
