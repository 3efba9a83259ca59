/** The budgets of a loop: law 8. */

/** Receives larger than this switch a stream on a ring from multishot to single-shot. */
export const MULTISHOT_BYTES_MAX = 16384;

/** Connections accepted per listener and turn. */
export const ACCEPTS_PER_TURN = 32;

/** Sends per queue and turn, so that a fast reader does not occupy the loop. */
export const SENDS_PER_TURN = 16;

/** Size of a chunk of a send queue, which is sent in one call. */
export const QUEUE_CHUNK_BYTES = 65536;

/**
 * After this many EAGAIN or EINTR in a row from a socket that was reported ready, a stream rests: a
 * kernel short of socket memory would otherwise keep the loop spinning.
 */
export const EAGAINS_MAX = 8;
/** How long it rests. */
export const STALL_MS = 10;

/**
 * After this many bursts of accepts in a row without a connection a listener rests as long: those
 * that share it may be faster several times, but not for ever.
 */
export const FRUITLESS_BURSTS_MAX = 32;

/** The longest wait: a safety net, for Node's loop ends a wait when it has something to do. */
export const WAIT_MS_MAX = 500;

/** The longest wait where what goes on beside the loop cannot be known: in Bun and Deno. */
export const BLIND_WAIT_MS = 1;

/** After so many turns in a row that brought nothing, some 50 ms, the runtime keeps the thread. */
export const BLIND_TURNS_BEFORE_REST = 32;

/**
 * How long it keeps it at a time. A wake-up costs 0.2 to 0.4 ms of CPU time, and the first message
 * may be so late.
 */
export const BLIND_REST_MS = 15;

/** The longest wait of a turn that no runtime can end, while the runtime has a name to look up. */
export const NODE_WAIT_MS = 2;

/** Busy turns in Bun and Deno before their own loops have theirs. */
export const TURNS_PER_MACROTASK = 64;

/** Deferred tasks per turn; the rest runs in the next. */
export const TASKS_PER_TURN = 1024;

/** The pause before accepting again after running out of descriptors. */
export const ACCEPT_PAUSE_MS = 50;

/** Calls per turn that fetch completions held back because the queue was full. */
export const OVERFLOW_ROUNDS_MAX = 16;

/**
 * Period of the timer that ends waits of this length or longer on epoll and io_uring. A timeout per
 * wait costs 0.3 us, 4 % of a message on a single connection.
 */
export const WAKE_PERIOD_MS = WAIT_MS_MAX;

/** The longest wait for cancelled operations when a ring is destroyed; microseconds are usual. */
export const DESTROY_MS_MAX = 1000;

/** System calls that a loop over a poller gathers: when there are more, they are made early. */
export const CALLS_MAX = 256;

/** Receives and accepts that such a loop makes together, each into a buffer of its own. */
export const RECEIVES_MAX = 64;

/** The most datagrams that one call receives. */
export const DATAGRAMS_PER_CALL = 64;

/** Receives per socket of datagrams and turn: law D7. */
export const DATAGRAM_CALLS_PER_TURN = 4;

/** The room for one datagram: the longest of UDP. Pages that were never written take no memory. */
export const DATAGRAM_BYTES = 65536;

/** Memory for longer ones (UNIX sockets), of which one call receives fewer. */
export const DATAGRAM_MEMORY_BYTES = 64 * 65536;

/** Room for what `info` asks for, of both families, with the segment size and dropped datagrams. */
export const DATAGRAM_CONTROL_BYTES = 256;

/** Sends that are gathered: when there are more, they are made early. */
export const DATAGRAMS_GATHERED_MAX = 64;

/** The memory of these, and of the first that wait. */
export const DATAGRAM_QUEUE_BYTES = 262144;

/** Messages that wait to be sent on one socket: the most of one sendmmsg(2). */
export const DATAGRAM_QUEUE_MAX = 1024;

/** How long a socket rests when the kernel is short of memory (ENOBUFS). */
export const DATAGRAM_REST_MS = 5;

/** Receives or sends in a row that bring nothing, though the socket is ready, before it rests. */
export const DATAGRAM_FRUITLESS_MAX = 16;

/** Entries of the error queue that are read in a turn. */
export const ERROR_REPORTS_PER_TURN = 32;

/** UDP_MAX_SEGMENTS of Linux before 6.10, which doubled it. */
export const SEGMENTS_MAX = 64;

/** The most bytes that the kernel cuts into segments: the longest datagram of IPv4. */
export const SEGMENTED_BYTES_MAX = 65507;
