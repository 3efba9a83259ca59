/** The bounds of the echo servers and clients. */

/** One receive: the default size of a socket buffer on Linux. */
export const CHUNK_BYTES = 65536;

/** The default of --max-line. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** The longest wait in one call: a signal that came just before it is handled after that. */
export const WAIT_MS = 1000;

/** Node's loop turns after this many calls for one busy client, to run signal handlers. */
export const STEPS_PER_TURN = 64;

/** A server that stops gives each client this long to take its last answer. */
export const DRAIN_MS = 5000;

/**
 * Lingering close: a client that the server hangs up on (a line too long, its only line answered)
 * has this long to take its answer and to end its side. Its input is discarded. A client that never
 * ends its side holds its connection this long on an event loop; the blocking servers close it
 * after WAIT_MS of silence once it has acknowledged everything.
 */
export const LINGER_MS = 5000;

/** The longest delay of an acknowledgement (delayed ACK: 40 to 200 ms). */
export const ACK_MS = 200;

/** Out of descriptors or memory: the pause before the next accept(2). */
export const ACCEPT_PAUSE_MS = 100;

/** The threads of a pool at its start. */
export const THREADS_START = 2;

/**
 * A pool grows when fewer threads than this wait for a client: a thread takes 50 ms of CPU time to
 * start, which the next client then need not wait for.
 */
export const THREADS_SPARE = 2;

/**
 * So many threads start at a time: more share the cores, and their clients wait until the last of
 * them is ready.
 */
export const THREADS_STARTING_MAX = 4;

/** The default of --threads. Each thread takes some 11 MiB. */
export const THREADS_DEFAULT = 64;

/** The largest pool. */
export const THREADS_MAX = 1024;

/** A thread could not be started: the pause before the next attempt. */
export const GROWTH_PAUSE_MS = 1000;

/** The least time between two reports of a failed accept(2) by one server. */
export const ACCEPT_REPORT_MS = 1000;

/** The most threads of a client. Each takes some 11 MiB. */
export const CLIENT_THREADS_MAX = 1000;

/** The most rounds of a thread of a client. */
export const CLIENT_COUNT_MAX = 1_000_000;

/** The most messages of a threaded client, and their bytes in all. */
export const CLIENT_MESSAGES_MAX = 1_000_000;
export const CLIENT_MESSAGE_BYTES_MAX = LINE_BYTES_MAX;

/** Client threads that start at the same time. */
export const CLIENT_STARTING_MAX = 8;

/** Descriptors of a process before its threads, of a thread, and of one that starts, with room. */
export const PROCESS_FILES = 64;
export const THREAD_FILES = 6;
export const STARTING_FILES = 32;

/** A reply is buffered to be printed in one piece; it may exceed its message by this. */
export const REPLY_EXCESS_BYTES_MAX = 1024 * 1024;

/** Poll interval of a thread that waits for its turn to print. */
export const PRINT_WAIT_MS = 100;

/** Interval of wake-ups of the threads of a client that stops: one may just have connected. */
export const CLIENT_WAKE_MS = 50;

/** A client that stops gives up threads that have not ended after this time. */
export const CLIENT_STOP_MS = 700;

/**
 * A server that misbehaves: answers of a connection that wait for their time or for bandwidth take
 * at most this and what was received at once. The client is not read from beyond it.
 */
export const WAITING_BYTES_MAX = 1024 * 1024;

/** The longest sleep of a blocking server: a signal waits for its end. */
export const PAUSE_MS_MAX = 100;
