import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { restIfHurried, waitWithin } from './wait.ts';

// How a call that blocks ends other than by success: signals, timeouts, errors.

/** A call, and the words for it in an error: "cannot send to ...". */
export interface Call {
  readonly syscall: string;
  readonly attempt: string;
}

/** A socket in the middle of a call. */
export interface BlockingSocket {
  readonly sys: Sys;
  readonly fd: number;
  /** The bound of each wait; null for none. */
  readonly timeoutMs: number | null;
  /** Whether a signal ends a wait. */
  readonly interruptible: boolean;
  /** The address that an error names. */
  readonly on: SocketAddress | undefined;
}

/** Waits for `events` within the socket's timeout. Returns those that came, never 0. */
export function waitUntil(socket: BlockingSocket, events: number, call: Call): number {
  const { sys, fd, timeoutMs, interruptible } = socket;
  const result = waitWithin(sys, fd, events, timeoutMs, interruptible);
  if (result > 0) return result;
  throw endedError(socket, result === 0 ? -sys.abi.errno.EAGAIN : result, call);
}

/** Whether to make a call that returned `result` again, once `events` came. */
export function isResumed(
  socket: BlockingSocket,
  result: number,
  events: number,
  call: Call,
): boolean {
  if (result !== -socket.sys.abi.errno.EINTR || socket.interruptible) return false;
  restIfHurried(socket.sys);
  // The call would begin its timeout anew with each signal, and a profiler sends one every ms.
  if (socket.timeoutMs !== null) waitUntil(socket, events, call);
  return true;
}

/** Errors of calls that have run out of time: the network may say ETIMEDOUT as well. */
const lateEnds = new WeakSet<SysError>();

/** Whether `error` says that a socket's timeout has passed, and not that the connection broke. */
export function isLateEnd(error: SysError): boolean {
  return lateEnds.has(error);
}

/** The error of a call that may have run out of time, for which the kernel says EAGAIN. */
export function endedError(socket: BlockingSocket, result: number, call: Call): SysError {
  const { sys, timeoutMs, on } = socket;
  const { EAGAIN, ETIMEDOUT } = sys.abi.errno;
  if (result !== -EAGAIN || timeoutMs === null) {
    return sysError(sys, result, call.syscall, call.attempt, on);
  }
  const reason = `nothing happened within ${timeoutMs} ms`;
  const error = sysError(sys, -ETIMEDOUT, call.syscall, call.attempt, on, reason);
  lateEnds.add(error);
  return error;
}

/** The error of send(2) or recv(2): with MSG_DONTWAIT in `flags` it did not run out of time. */
export function transferError(
  socket: BlockingSocket,
  result: number,
  flags: number,
  call: Call,
): SysError {
  const waits = (flags & socket.sys.abi.constants.MSG_DONTWAIT) === 0;
  if (waits) return endedError(socket, result, call);
  return sysError(socket.sys, result, call.syscall, call.attempt, socket.on);
}
