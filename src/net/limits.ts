/** The limits of connections. */

/**
 * The default of `queueBytesHigh`. The kernel's send buffer is still full when the queue runs
 * empty, so a longer queue sends nothing sooner. One receive (64 KiB) can be echoed in one piece.
 */
export const QUEUE_BYTES_HIGH = 64 * 1024;

/**
 * The default of `queueBytesMax`. A program that ignores the result of `write` gets an error before
 * one slow reader takes all memory.
 */
export const QUEUE_BYTES_MAX = 256 * 1024 * 1024;

/** The longest timeout: 2^31 - 1 ms. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The default of `everyMs` of `measureLag`: twenty callbacks a second, below 0.5 % of a core. */
export const LAG_EVERY_MS = 50;

/** RFC 8305, section 5: the recommended Connection Attempt Delay. */
export const ATTEMPT_DELAY_MS = 250;

/** The retry interval for a UNIX listener whose queue is full: no event reports room in it. */
export const UNIX_RETRY_MS = 5;

/**
 * What an asynchronous connection holds for a consumer that is slow, in bytes and in chunks: its
 * socket is paused above either, and resumed below half of both. What a turn brings beyond the
 * limit is held too.
 */
export const RECEIVED_BYTES_HIGH = 64 * 1024;
export const RECEIVED_CHUNKS_HIGH = 256;

/** Connections that wait to be taken from a listener's iterator: it is paused at so many. */
export const CONNECTIONS_WAITING_MAX = 64;

/** The default of `bytesMax` of lines. */
export const LINE_BYTES_MAX = 64 * 1024;

/** How long a connection lingers that is disposed of, or whose iteration was left early. */
export const DISPOSAL_LINGER_MS = 5000;

/** The default of `deadlineMs` of a shutdown. */
export const SHUTDOWN_DEADLINE_MS = 5000;

/** The default of the time for a header of the PROXY protocol. */
export const PROXY_TIMEOUT_MS = 10_000;

/** How often a queue is looked at in the time of a write stall. */
export const QUEUE_LOOKS = 4;

/** How often a queue is looked at to find the slowest peer, without a time for a write stall. */
export const QUEUE_LOOK_MS = 250;

/** The default of `bytesMax` of datagrams: what the length field of UDP can say. */
export const UDP_BYTES_MAX = 65535;

/** The most that `bytesMax` of datagrams can be: UNIX sockets take some 200 KiB by default. */
export const DATAGRAM_BYTES_MAX = 2 ** 20;

/** The default of `queuedBytesMax` of datagrams, and its range: one of UDP always finds room. */
export const DATAGRAM_QUEUED_BYTES_MAX = 2 ** 20;
export const DATAGRAM_QUEUED_BYTES_MIN = 65536;
export const DATAGRAM_QUEUED_BYTES_MOST = 2 ** 30;
