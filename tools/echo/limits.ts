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

/**
 * A client that the server hangs up on (a line too long, its only line answered) has so long to
 * take its answer and to end its side. What it sends in the meantime is discarded.
 */
export const LINGER_MS = 5000;

/** A peer may be so late with its acknowledgement (delayed ACK: 40 ms, 200 ms at the most). */
export const ACK_MS = 200;

/** Out of descriptors or memory: the pause before the next accept(2). */
export const ACCEPT_PAUSE_MS = 100;

/** How many threads a pool has when it starts. */
export const THREADS_START = 2;

/**
 * A pool grows when fewer threads than this wait for a client: a thread takes some 50 ms of CPU time
 * to start, and the next client need not wait for it.
 */
export const THREADS_SPARE = 2;

/** How many threads a pool grows to, where nothing else is asked for. Each takes some 11 MiB. */
export const THREADS_DEFAULT = 64;

/** The largest pool. */
export const THREADS_MAX = 1024;

/** A thread could not be started: the pause before the next attempt. */
export const GROWTH_PAUSE_MS = 1000;

/** All threads of a pool together report a failed accept(2) this often at the most. */
export const ACCEPT_REPORT_MS = 1000;

/** The most threads of a client. Each takes some 11 MiB. */
export const CLIENT_THREADS_MAX = 1000;

/** How often each thread of a client may send what it is given. */
export const CLIENT_COUNT_MAX = 1_000_000;

/** What the threads of a client are given: so many messages, and so many bytes in all of them. */
export const CLIENT_MESSAGES_MAX = 1_000_000;
export const CLIENT_MESSAGE_BYTES_MAX = LINE_BYTES_MAX;

/** Threads of a client that start at the same time: each opens some 20 files for a moment. */
export const CLIENT_STARTING_MAX = 8;

/** A reply is held until it can be printed in one piece, so it may exceed its message by this. */
export const REPLY_EXCESS_BYTES_MAX = 1024 * 1024;

/** A thread that waits for its turn to print looks this often whether it still has to. */
export const PRINT_WAIT_MS = 100;

/** The threads of a client that stops are woken this often, for one may just have connected. */
export const CLIENT_WAKE_MS = 50;

/** A thread of a client that stops and has not ended within this time is given up. */
export const CLIENT_STOP_MS = 700;
