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
