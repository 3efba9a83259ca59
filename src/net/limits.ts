/** Every limit of this layer, by name. */

/**
 * Above so much output that waits, `write` says stop. What the kernel has not taken waits behind
 * the kernel's own send buffer, which is still full when the queue runs empty, so a longer queue
 * sends nothing sooner. One receive of the loop (64 KiB) can be echoed in one piece.
 */
export const QUEUE_BYTES_HIGH = 64 * 1024;

/**
 * A write that would make the queue longer is refused. It is there for the program that does not
 * listen when `write` says stop: an error, before one slow reader has taken all of the memory.
 */
export const QUEUE_BYTES_MAX = 256 * 1024 * 1024;

/** The longest idle timeout and the longest wait for a connect: what a 32-bit number holds. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** RFC 8305, section 5: the recommended delay before the next address is tried beside. */
export const ATTEMPT_DELAY_MS = 250;

/** A UNIX listener whose queue is full gives no sign when it has room again: ask so often. */
export const UNIX_RETRY_MS = 5;
