/** Every limit of this layer, by name. */

export const THREADS_MAX = 256;

/**
 * Connections of a run, idle ones included. Usually bounded first by descriptors or local ports.
 */
export const CONNECTIONS_MAX = 1_000_000;

export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Messages in flight on one connection of a closed loop. */
export const PIPELINE_MAX = 4096;

/** Messages in flight on one connection of an open loop; further ones queue. */
export const OPEN_PIPELINE_MAX = 1024;

/** Bytes in flight on one connection; one message is always allowed. */
export const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

/** Messages queued on one connection slot; the oldest beyond this count as timeouts. */
export const WAITING_MAX = 2 ** 20;

/** The highest rate of an open loop, in messages per second. */
export const RATE_MAX = 10_000_000;

/** The highest seed: 32 bits. */
export const SEED_MAX = 2 ** 32 - 1;

/** Longest recorded time: an hour. Longer times are recorded as this. */
export const TIME_MS_MAX = 3_600_000;

/** The longest stage, warm-up or run: 30 days. */
export const DURATION_MS_MAX = 30 * 24 * 3_600_000;

/** Concurrent connects of one thread: the backlog of a server may be 128. */
export const CONNECTS_AT_ONCE = 64;

/** Pause before a failed connection is replaced; doubles with each further failure. */
export const PAUSE_MS = 20;
export const PAUSE_MS_MAX = 1000;

/** Interval between checks for timed-out messages, which bounds how late a timeout is noticed. */
export const SWEEP_MS_MIN = 5;
export const SWEEP_MS_MAX = 250;

/** After `stop`: how long to wait for outstanding replies. */
export const STOP_DRAIN_MS = 100;

/** Longest wait of a thread: bounds how late it sees a request of the main thread. */
export const WAIT_MS_MAX = 250;

/**
 * Longest single wait while messages flow. A wait that overruns it by much shows that the thread
 * was stopped, even if messages arrived meanwhile.
 */
export const WATCHED_WAIT_MS = 20;

/** An open loop spins for the last part of a wait: timers fire late by about this much. */
export const SPIN_MS = 0.1;

/** Interval of progress reports. */
export const PROGRESS_MS = 500;

/**
 * Delay between the decision to begin and the beginning, so that every thread hears of it in time.
 */
export const START_DELAY_MS = 10;

/** Grace period after which a thread that should have ended is terminated. */
export const END_GRACE_MS = 5000;

export const INTERVAL_MS = 1000;

/** Replies up to this long after the end belong to the last interval. */
export const LATE_MS_MAX = 100;

/** Most columns of the heat map: longer runs get wider columns. */
export const HEAT_COLUMNS_MAX = 600;

/** Edges of the heat map per factor of ten. */
export const HEAT_EDGES_PER_DECADE = 10;

/** Messages that a thread of an open loop sends before it polls for replies again. */
export const SENDS_PER_TURN = 256;
