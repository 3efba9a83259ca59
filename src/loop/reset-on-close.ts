import type { Sys } from '../sys/sys.ts';

/**
 * Sets SO_LINGER to 0 s: close(2) then drops queued output and sends a RST. Where the option is
 * refused, as on a UNIX socket, the peer sees a plain end.
 */
export function resetOnClose(sys: Sys, fd: number): void {
  const { SOL_SOCKET, SO_LINGER } = sys.abi.constants;
  sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, LINGER_0_S, sys.abi.structs.linger.size);
}

/** `struct linger { 1, 0 }`: two ints on every platform. */
const LINGER_0_S = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
