import type { EventLoop, Listener, LoopStats } from 'sockloop';

/** Why connections end, as far as the server knows. */
export const END_REASONS = ['done', 'reset', 'timeout', 'refused', 'error'] as const;

/**
 * `done`: both sides have ended, or the server stops. `reset`: the client broke it. `timeout`: it
 * was idle, or did not take its answer. `refused`: it broke a rule of the server, as with a line
 * that is too long. `error`: anything else, by its code.
 */
export type EndReason = (typeof END_REASONS)[number];

/** How many connections have ended for each reason. */
export type EndCounts = Record<EndReason, number>;

/** Counts that are all 0. */
export function newEndCounts(): EndCounts {
  return { done: 0, reset: 0, timeout: 0, refused: 0, error: 0 };
}

/** Why a connection has ended that failed so; null if it did not fail. */
export function endReasonOf(failure: Error | null): EndReason {
  if (failure === null) return 'done';
  // Errors of the server's own have no code, also those from another thread.
  const code = 'code' in failure && typeof failure.code === 'string' ? failure.code : null;
  if (code === null) return 'refused';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'reset';
  return code === 'ETIMEDOUT' ? 'timeout' : 'error';
}

/** The failure of a client that was idle, on a loop of blocking calls. */
export function idleFailure(idleTimeoutMs: number): Error {
  const failure = new RangeError(`the client was idle for ${idleTimeoutMs} ms`);
  return Object.assign(failure, { code: 'ETIMEDOUT' });
}

/** What an event server has done and holds: plain data, one for each of its threads. */
export interface ServerFigures {
  /** Null for threads of blocking calls, which have no loop. */
  readonly loop: LoopStats | null;
  readonly open: number;
  readonly accepted: number;
  /** Turned away for lack of descriptors, and how many times these ran out. */
  readonly shed: number;
  readonly exhausted: number;
  readonly ended: Readonly<EndCounts>;
  /** Bytes of all connections, open or not. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** The figures of a server on `loop`: a walk over its connections. */
export function figuresOf<Data>(
  loop: EventLoop,
  listener: Listener<Data>,
  ended: Readonly<EndCounts>,
): ServerFigures {
  const { accepted, shed, exhausted, bytesReceived, bytesSent } = listener.stats;
  let [receivedBytes, sentBytes] = [bytesReceived, bytesSent];
  for (const connection of listener) {
    receivedBytes += connection.bytesReceived;
    sentBytes += connection.bytesSent;
  }
  const counts = { accepted, shed, exhausted, receivedBytes, sentBytes };
  return { loop: loop.stats(), open: listener.connections, ended, ...counts };
}
