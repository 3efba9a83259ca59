import type { SysError } from 'sockloop/sys';
import { acceptErrorKind } from '#src/sys/error-kinds.js';

/**
 * After a failed `Socket.accept`: true if the listener can accept the next connection at once,
 * false if it may after a pause. Throws `error` if the listener failed for good.
 */
export function isPassing(error: SysError): boolean {
  // Another call failed on the new socket, which is closed.
  if (error.syscall !== 'accept') return true;
  const kind = acceptErrorKind(error.code);
  if (kind === 'final') throw error;
  return kind === 'passing';
}
