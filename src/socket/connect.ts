import { setNonblocking } from '../sys/descriptors.ts';
import { SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { deadline, leftMs, restIfHurried, waitWithin } from './wait.ts';

/** Linux counts the timeouts of sockets in ticks of up to 10 ms, the current one as a whole. */
const TICK_MS = 20;

const error = new Uint8Array(4);
const errorLength = new Int32Array(1);
const peer = new Uint8Array(SOCKADDR_BYTES_MAX);
const peerLength = new Int32Array(1);

/**
 * connect(2), bounded by `timeoutMs` unless that is null. Returns 0 or `-errno`: `-ETIMEDOUT` after
 * the timeout, `-EINPROGRESS` from a non-blocking socket, `-EINTR` from an `interruptible` one.
 */
export function connectWithin(
  sys: Sys,
  fd: number,
  address: Uint8Array,
  length: number,
  timeoutMs: number | null,
  interruptible: boolean,
): number {
  if (timeoutMs !== null && !sys.abi.behaviours.timeoutsBoundAcceptAndConnect) {
    return connectByPolling(sys, fd, address, length, timeoutMs, interruptible);
  }
  const { EAGAIN, EINPROGRESS, EINTR, ETIMEDOUT } = sys.abi.errno;
  const deadlineMs = deadline(sys, timeoutMs);
  for (;;) {
    const result = sys.connect(fd, address, length);
    if (result !== -EINTR || interruptible) {
      // After SO_SNDTIMEO, Linux ends a connect with EINPROGRESS (socket(7)), or with EAGAIN if the
      // queue of a UNIX listener was full. At once, EAGAIN has other reasons: connect(2).
      const isOver = (leftMs(sys, deadlineMs) ?? Number.POSITIVE_INFINITY) <= TICK_MS;
      const late =
        timeoutMs !== null && (result === -EINPROGRESS || (result === -EAGAIN && isOver));
      return late ? -ETIMEDOUT : result;
    }
    // An interrupted connect continues in the kernel and must not be repeated: POSIX, connect().
    const waited = connected(sys, fd, leftMs(sys, deadlineMs), interruptible);
    if (waited < 0 || hasPeer(sys, fd)) return waited;
    // Except for one that waited for room in the queue of a UNIX listener: it has not begun.
    if (leftMs(sys, deadlineMs) === 0) return -ETIMEDOUT;
    restIfHurried(sys);
  }
}

/**
 * The error of a connect(2) to `on` that returned `result`, with a timeout of `timeoutMs` from
 * `startMs` on. The kernel gives up with ETIMEDOUT as well, and then it was no timeout of ours.
 */
export function connectError(
  sys: Sys,
  result: number,
  { timeoutMs, startMs }: { readonly timeoutMs: number | null; readonly startMs: number },
  on: SocketAddress,
): SysError {
  const isLate =
    result === -sys.abi.errno.ETIMEDOUT &&
    timeoutMs !== null &&
    sys.monotonicMs() - startMs + TICK_MS >= timeoutMs;
  const reason = isLate ? `no answer within ${timeoutMs} ms` : undefined;
  return sysError(sys, result, 'connect', 'connect to', on, reason);
}

/** The same by three calls, where SO_SNDTIMEO does not bound connect(2). */
function connectByPolling(
  sys: Sys,
  fd: number,
  address: Uint8Array,
  length: number,
  timeoutMs: number,
  interruptible: boolean,
): number {
  const mode = setNonblocking(sys, fd, true);
  if (mode < 0) return mode;
  const { EINTR, EINPROGRESS } = sys.abi.errno;
  let result = sys.connect(fd, address, length);
  if (result === -EINPROGRESS || (result === -EINTR && !interruptible)) {
    result = connected(sys, fd, timeoutMs, interruptible);
  }
  const restored = setNonblocking(sys, fd, false);
  return result < 0 ? result : restored;
}

/** Waits for the end of a pending connect. Returns 0 or `-errno`. */
function connected(sys: Sys, fd: number, timeoutMs: number | null, interruptible: boolean): number {
  const events = waitWithin(sys, fd, sys.abi.constants.POLLOUT, timeoutMs, interruptible);
  if (events === 0) return -sys.abi.errno.ETIMEDOUT;
  return events < 0 ? events : pendingError(sys, fd);
}

/** SO_ERROR as a result: 0 or `-errno`. Reading it clears it. */
export function pendingError(sys: Sys, fd: number): number {
  const { SOL_SOCKET, SO_ERROR } = sys.abi.constants;
  errorLength[0] = error.length;
  const result = sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, error, errorLength);
  return result < 0 ? result : -new DataView(error.buffer).getInt32(0, true);
}

function hasPeer(sys: Sys, fd: number): boolean {
  peerLength[0] = peer.length;
  return sys.getpeername(fd, peer, peerLength) >= 0;
}
