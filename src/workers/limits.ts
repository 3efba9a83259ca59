/** The limits of threads that serve. */

/** The most threads of a service. */
export const THREADS_MAX = 1024;

/** How long a thread may take until it is ready; on a starved machine a thread takes seconds. */
export const START_TIMEOUT_MS = 30_000;

/** How often a thread publishes its counters and shows that it still turns. */
export const BEAT_MS = 100;

/** How often the owner looks at that. */
export const LOOK_MS = 500;

/** The default of `stallMs`: a thread that has not turned for so long is terminated. */
export const STALL_MS = 10_000;

/** The default of `restarts`: a service whose threads end more often ends as well. */
export const RESTARTS_MAX = 5;
export const RESTARTS_WITHIN_MS = 60_000;

/** The pause before a thread is started again after its second end in a row, doubled each time. */
export const RESTART_PAUSE_MS = 100;
export const RESTART_PAUSE_MS_MAX = 5000;

/** How long a thread that is done may take to end by itself. */
export const END_GRACE_MS = 1000;

/**
 * Descriptors that can be closed for a thread that was terminated: numbers below this one. A bit
 * each: 128 KiB a thread.
 */
export const LEDGER_FDS_MAX = 2 ** 20;

/** Mappings that can be unmapped for such a thread: three a ring, and a page of machine code. */
export const LEDGER_MAPPINGS_MAX = 64;

/** The most counters of a service. */
export const COUNTERS_MAX = 256;
