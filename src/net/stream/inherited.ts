import type { Loop } from '../../loop/loop.ts';
import { tooHigh } from '../../loop/watchable.ts';
import { inheritedAddress } from '../../socket/inherited.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { sysError } from '../../sys/sys-error.ts';

/**
 * As {@link inheritedAddress}, and checks that `loop` can hold the descriptor and does not have it
 * yet: two owners would close it twice, the second time as another's.
 */
export function inheritedBy(loop: Loop, fd: number, purpose: 'adopt' | 'listen on'): SocketAddress {
  const { sys, backend } = loop;
  const address = inheritedAddress(sys, fd, purpose);
  if (fd >= backend.fdLimit) throw tooHigh(fd, backend);
  if (!loop.fds().includes(fd)) return address;
  const reason = 'the loop has it already';
  const attempt = `${purpose} descriptor ${fd}`;
  throw sysError(sys, -sys.abi.errno.EEXIST, 'fcntl', attempt, undefined, reason);
}
