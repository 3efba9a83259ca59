import type { Sys } from '../sys/sys.ts';

/**
 * Linger for no time: the close(2) that follows drops what is queued and sends a RST. Where the
 * option is refused, as on a UNIX socket, the peer sees a plain end.
 */
export function lingerForNoTime(sys: Sys, fd: number): void {
  const { SOL_SOCKET, SO_LINGER } = sys.abi.constants;
  sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerOff, sys.abi.structs.linger.size);
}

/** `struct linger { 1, 0 }`: two ints on every platform. */
const lingerOff = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
