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

/** RFC 8305, section 5: the recommended Connection Attempt Delay. */
export const ATTEMPT_DELAY_MS = 250;

/** The retry interval for a UNIX listener whose queue is full: no event reports room in it. */
export const UNIX_RETRY_MS = 5;
