import type { Sys } from './sys.ts';

// How a descriptor is opened so that it behaves the same on every platform: closed on exec, and
// a send to a peer that has gone is EPIPE, never a SIGPIPE.

/** A stream socket, closed on exec. Returns the descriptor or `-errno`. */
export function openStream(sys: Sys, domain: number): number {
  const { SOCK_STREAM, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const fd = sys.socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fd < 0 ? fd : prepared(sys, fd, SOCK_CLOEXEC !== 0);
}

/** Two connected UNIX stream sockets, closed on exec, into `pair`. Returns 0 or `-errno`. */
export function openStreamPair(sys: Sys, pair: Int32Array): number {
  const { AF_UNIX, SOCK_STREAM, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const result = sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
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
): number {
  const { SOCK_CLOEXEC } = sys.abi.constants;
  const atomic = sys.abi.behaviours.accept4 && SOCK_CLOEXEC !== undefined;
  const fd = atomic
    ? sys.accept4(listener, address, length, SOCK_CLOEXEC)
    : sys.accept(listener, address, length);
  if (fd < 0 || atomic) return fd < 0 ? fd : prepared(sys, fd, true);
  // Plain accept(2) on a BSD hands the listener's O_NONBLOCK down.
  const mode = setNonblocking(sys, fd, false);
  if (mode >= 0) return prepared(sys, fd, false);
  sys.close(fd);
  return mode;
}

/** Sets or clears O_NONBLOCK. Returns a number `>= 0` or `-errno`. */
export function setNonblocking(sys: Sys, fd: number, nonblocking: boolean): number {
  const { F_GETFL, F_SETFL, O_NONBLOCK } = sys.abi.constants;
  const flags = sys.fcntl(fd, F_GETFL, 0);
  if (flags < 0) return flags;
  const wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted === flags ? 0 : sys.fcntl(fd, F_SETFL, wanted);
}

/** The flags of every send: without a signal where the flag exists, else see SO_NOSIGPIPE. */
export function sendFlags(sys: Sys): number {
  return sys.abi.constants.MSG_NOSIGNAL ?? 0;
}

/** Closes `fd` where it cannot be made safe. Returns it or `-errno`. */
function prepared(sys: Sys, fd: number, closedOnExec: boolean): number {
  const { F_SETFD, FD_CLOEXEC, SOL_SOCKET, SO_NOSIGPIPE, MSG_NOSIGNAL } = sys.abi.constants;
  let result = closedOnExec ? 0 : sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (result >= 0 && MSG_NOSIGNAL === undefined && SO_NOSIGPIPE !== undefined) {
    // macOS refuses the option on a socket whose peer has already reset it: EINVAL. Such a socket
    // can send nothing any more, so it is safe without.
    result = sys.setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, new Uint8Array([1, 0, 0, 0]), 4);
    if (result === -sys.abi.errno.EINVAL) result = 0;
  }
  if (result >= 0) return fd;
  sys.close(fd);
  return result;
}
