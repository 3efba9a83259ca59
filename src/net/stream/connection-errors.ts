import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { type SysError, sysError } from '../../sys/sys-error.ts';

/** The error of a connection that `errno` has broken. */
export function brokenBy(
  sys: Sys,
  errno: number,
  remote: SocketAddress | null,
  reason?: string,
): SysError {
  // A UNIX client is unnamed.
  const on =
    remote === null || (remote.family === 'UNIX' && remote.path === '') ? undefined : remote;
  const attempt = on === undefined ? 'keep a connection' : 'keep the connection with';
  const syscall = errno === sys.abi.errno.EPIPE ? 'send' : 'recv';
  return sysError(sys, -errno, syscall, attempt, on, reason);
}

/** The error of a write behind the end, with the code of Node's own streams for that mistake. */
export function writeAfterEnd(): Error {
  const message = 'cannot write: end() has ended this side of the connection';
  return Object.assign(new Error(message), { code: 'ERR_STREAM_WRITE_AFTER_END' });
}

/** Throws if `queueBytesMax` does not allow a write with which so many bytes are queued. */
export function requireRoom(neededBytes: number, queueBytesMax: number): void {
  if (neededBytes <= queueBytesMax) return;
  throw new RangeError(
    `cannot write: ${neededBytes} bytes would be queued, above queueBytesMax (${queueBytesMax})`,
  );
}
