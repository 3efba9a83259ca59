import type { Sys } from './sys.ts';

// Opens descriptors that behave the same on every platform: closed on exec, and a send to a closed
// peer is EPIPE, never SIGPIPE.

/** A stream socket, closed on exec. Returns the descriptor or `-errno`. */
export function openStream(sys: Sys, domain: number, nonblocking = false): number {
  return openSocket(sys, domain, sys.abi.constants.SOCK_STREAM, 0, nonblocking);
}

/** A socket of any type and protocol, closed on exec. Returns the descriptor or `-errno`. */
export function openSocket(
  sys: Sys,
  domain: number,
  type: number,
  protocol: number,
  nonblocking: boolean,
): number {
  const { SOCK_CLOEXEC = 0, SOCK_NONBLOCK = 0 } = sys.abi.constants;
  const mode = nonblocking ? SOCK_NONBLOCK : 0;
  const fd = sys.socket(domain, type | SOCK_CLOEXEC | mode, protocol);
  if (fd < 0) return fd;
  const safe = prepared(sys, fd, SOCK_CLOEXEC !== 0);
  return safe < 0 || !nonblocking || mode !== 0 ? safe : madeNonblocking(sys, fd);
}

/** Two connected UNIX sockets of a type, closed on exec, into `pair`. Returns 0 or `-errno`. */
export function openSocketPair(sys: Sys, type: number, pair: Int32Array): number {
  const { AF_UNIX, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const result = sys.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
  if (result < 0) return result;
  const [left = -1, right = -1] = pair;
  const first = prepared(sys, left, SOCK_CLOEXEC !== 0);
  const second = prepared(sys, right, SOCK_CLOEXEC !== 0);
  if (first >= 0 && second >= 0) return 0;
  if (first >= 0) sys.close(left);
  if (second >= 0) sys.close(right);
  return Math.min(first, second);
}

/**
 * The next connection of a listener, closed on exec. `length[0]` is the room in `address` on the
 * way in and the length of the peer's address on the way out. Returns the descriptor or `-errno`.
 */
export function acceptStream(
  sys: Sys,
  listener: number,
  address: Uint8Array,
  length: Int32Array,
  nonblocking = false,
): number {
  const { SOCK_CLOEXEC, SOCK_NONBLOCK = 0 } = sys.abi.constants;
  if (sys.abi.behaviours.accept4 && SOCK_CLOEXEC !== undefined) {
    const flags = nonblocking ? SOCK_CLOEXEC | SOCK_NONBLOCK : SOCK_CLOEXEC;
    const fd = sys.accept4(listener, address, length, flags);
    return fd < 0 ? fd : acceptedOrLost(sys, prepared(sys, fd, true));
  }
  const fd = sys.accept(listener, address, length);
  if (fd < 0) return fd;
  // On the BSDs accept(2) passes on the listener's O_NONBLOCK.
  const mode = setNonblocking(sys, fd, nonblocking);
  if (mode >= 0) return acceptedOrLost(sys, prepared(sys, fd, false));
  sys.close(fd);
  return acceptedOrLost(sys, mode);
}

/**
 * The result of an accept. A connection that could not be set up is closed and reported as one that
 * broke in the queue: the listener is not affected.
 */
function acceptedOrLost(sys: Sys, result: number): number {
  return result < 0 ? -sys.abi.errno.ECONNABORTED : result;
}

/**
 * A pipe, closed on exec: the end for reading and the end for writing into `pair`. Returns 0 or
 * `-errno`.
 */
export function openPipe(sys: Sys, pair: Int32Array, nonblocking: boolean): number {
  const { O_CLOEXEC, O_NONBLOCK } = sys.abi.constants;
  const atOnce = sys.pipe2(pair, nonblocking ? O_CLOEXEC | O_NONBLOCK : O_CLOEXEC);
  if (atOnce !== -sys.abi.errno.ENOSYS) return atOnce;
  const result = sys.pipe(pair);
  if (result < 0) return result;
  const [reader = -1, writer = -1] = pair;
  const failure = Math.min(
    preparedEnd(sys, reader, nonblocking),
    preparedEnd(sys, writer, nonblocking),
  );
  if (failure >= 0) return 0;
  sys.close(reader);
  sys.close(writer);
  return failure;
}

/** Sets or clears O_NONBLOCK. Returns a number `>= 0` or `-errno`. */
export function setNonblocking(sys: Sys, fd: number, nonblocking: boolean): number {
  const { F_GETFL, F_SETFL, O_NONBLOCK } = sys.abi.constants;
  const flags = sys.fcntl(fd, F_GETFL, 0);
  if (flags < 0) return flags;
  const wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted === flags ? 0 : sys.fcntl(fd, F_SETFL, wanted);
}

/** The flags of every send: MSG_NOSIGNAL, or none on a platform with SO_NOSIGPIPE. */
export function sendFlags(sys: Sys): number {
  return sys.abi.constants.MSG_NOSIGNAL ?? 0;
}

/**
 * Makes a socket that came from elsewhere what a loop can hold: closed on exec, non-blocking, never
 * a SIGPIPE. Returns a number `>= 0` or `-errno`; the descriptor stays open.
 */
export function prepareSocket(sys: Sys, fd: number): number {
  const safe = makeSafe(sys, fd, false);
  return safe < 0 ? safe : setNonblocking(sys, fd, true);
}

/** Sets close-on-exec and SO_NOSIGPIPE as needed. Returns a number `>= 0` or `-errno`. */
function makeSafe(sys: Sys, fd: number, closedOnExec: boolean): number {
  const { F_SETFD, FD_CLOEXEC, SOL_SOCKET, SO_NOSIGPIPE, MSG_NOSIGNAL } = sys.abi.constants;
  const result = closedOnExec ? 0 : sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (result < 0 || MSG_NOSIGNAL !== undefined || SO_NOSIGPIPE === undefined) return result;
  const set = sys.setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, new Uint8Array([1, 0, 0, 0]), 4);
  // macOS refuses the option (EINVAL) once the peer has reset the connection: no send can follow.
  return set === -sys.abi.errno.EINVAL ? 0 : set;
}

/** As {@link makeSafe}, for a new socket. Returns `fd`, or `-errno` and closes it. */
function prepared(sys: Sys, fd: number, closedOnExec: boolean): number {
  const result = makeSafe(sys, fd, closedOnExec);
  if (result >= 0) return fd;
  sys.close(fd);
  return result;
}

/** Sets O_NONBLOCK. Returns `fd`, or `-errno` and closes it. */
function madeNonblocking(sys: Sys, fd: number): number {
  const result = setNonblocking(sys, fd, true);
  if (result >= 0) return fd;
  sys.close(fd);
  return result;
}

function preparedEnd(sys: Sys, fd: number, nonblocking: boolean): number {
  const { F_SETFD, FD_CLOEXEC } = sys.abi.constants;
  const result = sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  return result < 0 || !nonblocking ? result : setNonblocking(sys, fd, true);
}
