/** Every budget of a loop, by name: law 8. */

/** One receive. Level triggering brings what is left in the next turn. */
export const RECEIVE_BYTES = 65536;

/** Behind a receive of more than this, a stream on a ring asks for the next ones one by one. */
export const MULTISHOT_BYTES_MAX = 16384;

/** Connections taken from one listener in one turn. */
export const ACCEPTS_PER_TURN = 32;

/** Sends of one queue in one turn: a fast reader does not keep the loop to itself. */
export const SENDS_PER_TURN = 16;

/** A chunk of a queue: what is small enough to fill, and large enough to be sent in one call. */
export const QUEUE_CHUNK_BYTES = 65536;

/** Calls that a signal interrupts are made again this often before they count as not ready. */
export const RETRIES_MAX = 8;

/**
 * So many EAGAIN in a row from calls that the kernel said would not block, and a stream rests for
 * so long: a kernel that keeps saying so (out of memory for sockets) costs no core.
 */
export const EAGAINS_MAX = 8;
export const STALL_MS = 10;

/** Node's own loop gets its turn after so many of ours: signals, messages, its timers. */
export const TURNS_PER_NODE_TURN = 256;

/** How often a busy loop asks whether that has become too long: the clock costs 80 ns a look. */
export const TURNS_PER_TIME_CHECK = 8;

/** And at least this often when nothing happens: a signal just before a wait is not lost. */
export const WAIT_MS_MAX = 500;

/** The wait while Node's own loop has work of ours to finish, such as a look-up of a name. */
export const NODE_WAIT_MS = 2;

/** Deferred tasks run in one turn; the rest waits for the next. */
export const TASKS_PER_TURN = 1024;

/** Out of descriptors: the pause before accepting goes on. */
export const ACCEPT_PAUSE_MS = 50;

/** How often a turn fetches what a ring's kernel kept back because its queue was full. */
export const OVERFLOW_ROUNDS_MAX = 16;

/**
 * A wait of so long or longer is ended by a timer that goes on by itself, on epoll and io_uring: a
 * timeout of its own for each wait costs 0.3 us, 4 % of a message on a single connection.
 */
export const WAKE_PERIOD_MS = WAIT_MS_MAX;

/** The kernel lets go of a ring's operations within microseconds; nobody waits longer than this. */
export const DESTROY_MS_MAX = 1000;

/** How many lengths of chunks have their view kept: a power of two. */
export const VIEWS_KEPT = 64;
