/**
 * What went wrong with a socket or a listener. Its message begins with `SocketError: `.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { connect, SocketError } from 'sockloop/web';
 *
 * const socket = connect('127.0.0.1:1');
 * const error = await socket.opened.catch((reason: unknown) => reason);
 * assert(error instanceof SocketError && error instanceof TypeError);
 * assert.equal(error.code, 'ECONNREFUSED');
 * assert.equal(
 *   error.message,
 *   'SocketError: cannot connect to 127.0.0.1:1: ECONNREFUSED (connection refused)',
 * );
 * ```
 */
export class SocketError extends TypeError {
  /** The code of the error behind it: `ECONNREFUSED`, `ENOTFOUND`; undefined if there is none. */
  readonly code: string | undefined;

  /**
   * An error of a socket.
   *
   * @param reason what went wrong.
   * @param cause the error behind it, whose code it gets.
   */
  constructor(reason: string, cause?: unknown) {
    super(`SocketError: ${reason}`, cause === undefined ? {} : { cause });
    const { code } = (cause ?? {}) as { code?: unknown };
    this.code = typeof code === 'string' ? code : undefined;
  }
}

/** `error` as a SocketError. */
export function socketError(error: unknown): SocketError {
  if (error instanceof SocketError) return error;
  return new SocketError(error instanceof Error ? error.message : String(error), error);
}

/** Calls `act`, whose Errors are thrown as SocketErrors. */
export function orSocketError<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw error instanceof TypeError || error instanceof RangeError ? error : socketError(error);
  }
}
