/** Every limit of this layer, by name. */

export const THREADS_MAX = 256;

/** Connections of a run, idle ones included: what descriptors and ports allow is mostly less. */
export const CONNECTIONS_MAX = 1_000_000;

export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Messages in flight on one connection of a closed loop. */
export const PIPELINE_MAX = 4096;

/** Messages in flight on one connection of an open loop; what is due then waits for a reply. */
export const OPEN_PIPELINE_MAX = 1024;

/** And at most so many bytes of them, but always one message. */
export const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

/** Messages that wait on one connection because it has none or is full: more count as timeouts. */
export const WAITING_MAX = 2 ** 20;

/** The highest rate of an open loop, in messages per second. */
export const RATE_MAX = 10_000_000;

/** The highest seed: 32 bits. */
export const SEED_MAX = 2 ** 32 - 1;

/** Times are recorded up to an hour; a longer one counts as that. */
export const TIME_MS_MAX = 3_600_000;

/** The longest stage, warm-up or run: 30 days. */
export const DURATION_MS_MAX = 30 * 24 * 3_600_000;

/** Connects of one thread that are under way at a time: the backlog of a server may be 128. */
export const CONNECTS_AT_ONCE = 64;

/** After a failure: the pause before the connection is replaced, doubled with every further one. */
export const PAUSE_MS = 20;
export const PAUSE_MS_MAX = 1000;

/** How often a thread looks for messages without a reply: a timeout is late by that at most. */
export const SWEEP_MS_MIN = 5;
export const SWEEP_MS_MAX = 250;

/** After `stop`: how long replies that are under way are waited for. */
export const STOP_DRAIN_MS = 100;

/** The longest wait of a thread: it looks at what the main thread wants at least so often. */
export const WAIT_MS_MAX = 250;

/**
 * While messages flow a thread waits no longer than this at a time, whatever it waits for: a wait
 * that lasts much longer tells that the thread was stopped, also where messages came meanwhile.
 */
export const WATCHED_WAIT_MS = 20;

/** An open loop spins for the last part of a wait, for a timer wakes up late by about so much. */
export const SPIN_MS = 0.1;

/** The main thread tells of the progress so often. */
export const PROGRESS_MS = 500;

/** From the decision to begin to the beginning: by then every thread has heard of it. */
export const START_DELAY_MS = 10;

/** A thread that has not ended so long after it should have is given up. */
export const END_GRACE_MS = 5000;

export const INTERVAL_MS = 1000;

/** Replies that come so long after the end at most belong to the last interval. */
export const LATE_MS_MAX = 100;

/** Columns of the heat map: longer runs get wider ones. */
export const HEAT_COLUMNS_MAX = 600;

/** Edges of the heat map in a factor of ten. */
export const HEAT_EDGES_PER_DECADE = 10;

/** Messages of an open loop that a thread sends before it looks for replies again. */
export const SENDS_PER_TURN = 256;
