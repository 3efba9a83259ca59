/**
 * How a server misbehaves, by a known amount. Plain data, which threads get as it is.
 *
 * A message is what the server answers: in the mode `echo` a chunk as it was received, else a line.
 */
export interface MisbehaviourPlan {
  /** Seeds every random choice, together with the number of the connection. */
  readonly seed: number;
  /** How long each answer waits, from when its message was received. */
  readonly delayMs: number;
  /** What is added to the delay: evenly distributed from 0 to this. */
  readonly jitterMs: number;
  /** The share of messages without an answer, from 0 to 1. */
  readonly dropShare: number;
  /** The share of answered bytes with one bit flipped, from 0 to 1. */
  readonly corruptShare: number;
  /** The share of connections that are closed as soon as they are accepted, from 0 to 1. */
  readonly refuseShare: number;
  /** A connection is closed behind so many messages; null for no limit. */
  readonly closeAfterMessages: number | null;
  /** A connection is closed behind so many answered bytes; null for no limit. */
  readonly closeAfterBytes: number | null;
  /** How this server closes: in order, or by a reset. */
  readonly closeHow: CloseHow;
  /** What a connection is sent at most; null for no limit. */
  readonly bandwidthBytesPerSecond: number | null;
  /** What may be sent at once after a pause: the size of the token bucket. */
  readonly burstBytes: number;
}

/** All ways of closing, in the order of the usage text. */
export const CLOSE_HOWS = ['fin', 'reset'] as const;

/** A way of closing: `fin` ends the stream in order. */
export type CloseHow = (typeof CLOSE_HOWS)[number];

/** What a server has done on purpose. Every count is an integer. */
export interface MisbehaviourTotals {
  /** Messages that were judged: those without an answer are among them. */
  messages: number;
  /** Connections closed as soon as they were accepted. */
  refused: number;
  /** Messages without an answer. */
  dropped: number;
  droppedBytes: number;
  /** Answers that were delayed, and by how much in all. */
  delayed: number;
  delayUs: number;
  /** Answers with a flipped bit, and how many bytes have one. */
  corrupted: number;
  corruptedBytes: number;
  /** Bytes that waited for bandwidth. */
  throttledBytes: number;
  /** Connections closed behind their last message or byte. */
  closed: number;
}

/** All counts of {@link MisbehaviourTotals}. */
export const MISBEHAVIOUR_COUNTS = [
  'messages',
  'refused',
  'dropped',
  'droppedBytes',
  'delayed',
  'delayUs',
  'corrupted',
  'corruptedBytes',
  'throttledBytes',
  'closed',
] as const satisfies readonly (keyof MisbehaviourTotals)[];

/** The totals of a server, or of a connection, that has done nothing yet. */
export function newMisbehaviourTotals(): MisbehaviourTotals {
  return {
    messages: 0,
    refused: 0,
    dropped: 0,
    droppedBytes: 0,
    delayed: 0,
    delayUs: 0,
    corrupted: 0,
    corruptedBytes: 0,
    throttledBytes: 0,
    closed: 0,
  };
}

/** Adds `more` to `totals`. */
export function addMisbehaviour(totals: MisbehaviourTotals, more: MisbehaviourTotals): void {
  for (const count of MISBEHAVIOUR_COUNTS) totals[count] += more[count];
}
