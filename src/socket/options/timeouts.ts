import type { Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys-error.ts';
import { writeNamed } from './calls.ts';

/**
 * Sets both timeouts of a socket; null for none. A socket that `mayBeReset` by its peer does not
 * wait any more, and macOS refuses the options.
 */
export function writeTimeouts(
  sys: Sys,
  fd: number,
  timeoutMs: number | null,
  mayBeReset: boolean,
): void {
  try {
    writeNamed(sys, fd, 'SO_RCVTIMEO', timeoutMs ?? 0);
    writeNamed(sys, fd, 'SO_SNDTIMEO', timeoutMs ?? 0);
  } catch (error) {
    if (!mayBeReset || !(error instanceof SysError) || error.code !== 'EINVAL') throw error;
  }
}
