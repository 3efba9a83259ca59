import { decodeControl } from '../../sys/control-messages.ts';
import type { Sys } from '../../sys/sys.ts';

/**
 * Closes the descriptors among the first `length` bytes of the control messages at `at`: the kernel
 * installs what a peer passes for everyone who has room for control messages, whether they ask for
 * it or not. Returns how many there were.
 */
export function closePassed(sys: Sys, memory: Uint8Array, at: number, length: number): number {
  let closed = 0;
  for (const one of decodeControl(sys.abi, memory.subarray(at, at + length), length)) {
    if (one.kind !== 'SCM_RIGHTS') continue;
    for (const fd of one.fds) sys.close(fd);
    closed += one.fds.length;
  }
  return closed;
}
