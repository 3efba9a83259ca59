import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { readNamed } from './options/calls.ts';
import type { Credentials } from './options/spec.ts';

/** What Linux says of a peer that it has not noted. */
const NOBODY = 2 ** 32 - 1;

/** Who is at the other end of a UNIX socket, as the platform tells it. Throws a SysError. */
export function peerCredentials(sys: Sys, fd: number): Credentials {
  const { options } = sys.abi;
  const isLinux = options['SO_PEERCRED'] !== undefined;
  const credentials = readNamed(sys, fd, isLinux ? 'SO_PEERCRED' : 'LOCAL_PEERCRED');
  if (credentials.uid === NOBODY) {
    const { ENOTCONN } = sys.abi.errno;
    const reason = 'it has no peer, or none that was there when it was connected';
    const attempt = 'read the credentials of a peer';
    throw sysError(sys, -ENOTCONN, 'getsockopt', attempt, undefined, reason);
  }
  if (credentials.pid !== null || options['LOCAL_PEERPID'] === undefined) return credentials;
  return { ...credentials, pid: readNamed(sys, fd, 'LOCAL_PEERPID') };
}
