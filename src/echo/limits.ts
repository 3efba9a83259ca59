/** Every bound of the blocking server and client, by name. */

/** One receive: what a default socket buffer holds on Linux. */
export const CHUNK_BYTES = 65536;

/** The longest line that is taken, where nothing else is asked for. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** A wait is taken up again this often, so that a signal that came just before it is not lost. */
export const WAIT_MS = 1000;

/** Node's loop turns after this many calls for one busy client, so that signals get through. */
export const STEPS_PER_TURN = 64;

/** When the server stops, a client that reads gets its last bytes within this time. */
export const DRAIN_MS = 5000;

/** Out of descriptors or memory: the pause before the next accept(2). */
export const ACCEPT_PAUSE_MS = 100;

/** How many threads a pool has when it starts. */
export const THREADS_START = 2;

/** How many threads a pool grows to, where nothing else is asked for. Each takes some 9 MiB. */
export const THREADS_DEFAULT = 64;

/** The largest pool. */
export const THREADS_MAX = 1024;

/** A thread could not be started: the pause before the next attempt. */
export const GROWTH_PAUSE_MS = 1000;

/** All threads of a pool together report a failed accept(2) this often at the most. */
export const ACCEPT_REPORT_MS = 1000;
