import { setNonblocking } from '../sys/descriptors.ts';
import type { Sys } from '../sys/sys.ts';
import { waitFor } from './wait.ts';

const error = new Uint8Array(4);
const errorLength = new Int32Array(1);

/**
 * connect(2), bounded by `timeoutMs` where that is not null. Returns 0, or `-errno` with
 * `-ETIMEDOUT` when the time is up. `-EINPROGRESS` comes from a socket that does not block.
 */
export function connectWithin(
  sys: Sys,
  fd: number,
  address: Uint8Array,
  length: number,
  timeoutMs: number | null,
): number {
  if (timeoutMs !== null && !sys.abi.behaviours.timeoutsBoundAcceptAndConnect) {
    return connectByPolling(sys, fd, address, length, timeoutMs);
  }
  const { EINTR, EINPROGRESS, ETIMEDOUT } = sys.abi.errno;
  const result = sys.connect(fd, address, length);
  // An interrupted connect goes on by itself and must not be called again: POSIX, connect().
  if (result === -EINTR) return connected(sys, fd, timeoutMs);
  // Linux ends a connect whose SO_SNDTIMEO is over with EINPROGRESS: socket(7).
  return result === -EINPROGRESS && timeoutMs !== null ? -ETIMEDOUT : result;
}

/** Where SO_SNDTIMEO does not bound connect(2): the same in three calls. */
function connectByPolling(
  sys: Sys,
  fd: number,
  address: Uint8Array,
  length: number,
  timeoutMs: number,
): number {
  const mode = setNonblocking(sys, fd, true);
  if (mode < 0) return mode;
  const { EINTR, EINPROGRESS } = sys.abi.errno;
  let result = sys.connect(fd, address, length);
  if (result === -EINPROGRESS || result === -EINTR) result = connected(sys, fd, timeoutMs);
  const restored = setNonblocking(sys, fd, false);
  return result < 0 ? result : restored;
}

/** Waits until a connect that is under way has ended. Returns 0 or `-errno`. */
function connected(sys: Sys, fd: number, timeoutMs: number | null): number {
  const { EINTR, ETIMEDOUT } = sys.abi.errno;
  const deadlineMs = timeoutMs === null ? null : sys.monotonicMs() + timeoutMs;
  for (;;) {
    const leftMs = deadlineMs === null ? null : Math.max(0, deadlineMs - sys.monotonicMs());
    const events = waitFor(sys, fd, sys.abi.constants.POLLOUT, leftMs);
    if (events === -EINTR) continue;
    if (events === 0) return -ETIMEDOUT;
    return events < 0 ? events : pendingError(sys, fd);
  }
}

/** SO_ERROR as a result: 0 or `-errno`. Reading it clears it. */
function pendingError(sys: Sys, fd: number): number {
  const { SOL_SOCKET, SO_ERROR } = sys.abi.constants;
  errorLength[0] = error.length;
  const result = sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, error, errorLength);
  return result < 0 ? result : -new DataView(error.buffer).getInt32(0, true);
}
