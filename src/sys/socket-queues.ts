import type { Sys } from './sys.ts';

// How many bytes lie in the kernel's two queues of a connected socket.

const answer = new Int32Array(1);
const answerBytes = new Uint8Array(answer.buffer);
const answerLength = new Int32Array(1);

/**
 * How many sent bytes the peer of a TCP socket has not acknowledged: `SIOCOUTQ` on Linux,
 * `FIONWRITE` on FreeBSD, `SO_NWRITE` on macOS. `finSent` is true after shutdown(2): Linux counts
 * the FIN as a byte. Null if the platform or the socket cannot tell.
 */
export function unacknowledgedBytesOf(sys: Sys, fd: number, finSent: boolean): number | null {
  const { SIOCOUTQ, FIONWRITE, SOL_SOCKET } = sys.abi.constants;
  const { SO_NWRITE } = sys.abi.options;
  answer[0] = 0;
  let result: number;
  if (SIOCOUTQ !== undefined) {
    result = sys.ioctl(fd, SIOCOUTQ, answer);
  } else if (FIONWRITE !== undefined) {
    result = sys.ioctl(fd, FIONWRITE, answer);
  } else if (SO_NWRITE !== undefined) {
    answerLength[0] = answerBytes.length;
    result = sys.getsockopt(fd, SOL_SOCKET, SO_NWRITE, answerBytes, answerLength);
  } else {
    return null;
  }
  if (result < 0) return null;
  const bytes = answer[0] ?? 0;
  return SIOCOUTQ !== undefined && finSent ? Math.max(0, bytes - 1) : bytes;
}

/** How many received bytes have not been read (`FIONREAD`); null if the socket cannot tell. */
export function unreadBytesOf(sys: Sys, fd: number): number | null {
  answer[0] = 0;
  const result = sys.ioctl(fd, sys.abi.constants.FIONREAD, answer);
  return result < 0 ? null : (answer[0] ?? 0);
}
