import { wrongValue } from '../base/arguments.ts';
import { Interest } from '../poller/poller.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import type { Backend } from './backend.ts';

/**
 * Checks that `fd` can be watched, with the same result on every backend: epoll(7) refuses a plain
 * file, where poll(2), select(2) and io_uring report it ready for ever.
 *
 * @throws SysError `EBADF` if `fd` is not open, `EPERM` if it cannot be waited for.
 * @throws TypeError or RangeError if `fd` is no whole number.
 * @throws RangeError if it is too high for the backend.
 */
export function checkWatchable(sys: Sys, backend: Backend, fd: number): void {
  if (!Number.isInteger(fd)) throw wrongValue(fd, 'a descriptor is a whole number');
  const { F_GETFD, EPOLL_CLOEXEC, EPOLL_CTL_ADD } = sys.abi.constants;
  const open = sys.fcntl(fd, F_GETFD, 0);
  if (open < 0) throw cannotWatch(sys, fd, open, 'fcntl');
  if (fd >= backend.fdLimit) throw tooHigh(fd, backend);
  const layout = sys.abi.structs.epoll_event;
  if (EPOLL_CLOEXEC === undefined || EPOLL_CTL_ADD === undefined || layout === undefined) return;
  const epfd = sys.epoll_create1(EPOLL_CLOEXEC);
  // Without a descriptor for the check, the backend has to find out itself.
  if (epfd < 0) return;
  const result = sys.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, new Uint8Array(layout.size));
  sys.close(epfd);
  if (result === -(sys.abi.errno.EPERM ?? 1)) throw cannotWatch(sys, fd, result, 'epoll_ctl');
}

/** Throws a TypeError or RangeError if `interest` is no {@link Interest}. */
export function checkInterest(interest: Interest): void {
  if (Number.isInteger(interest) && interest >= 0 && interest <= Interest.both) return;
  throw wrongValue(interest, `an interest is a number from 0 to ${Interest.both}`);
}

/** Returns the error for a descriptor that is too high for the loop. */
export function tooHigh(fd: number, { name, fdLimit }: Backend): RangeError {
  return new RangeError(
    `the loop ${name} holds descriptors below ${fdLimit} and cannot hold ${fd}; use another loop`,
  );
}

function cannotWatch(sys: Sys, fd: number, result: number, syscall: string): SysError {
  const isFile = result === -(sys.abi.errno.EPERM ?? 1);
  const reason = isFile ? 'it is always ready, as a plain file is: read it' : undefined;
  return sysError(sys, result, syscall, `watch descriptor ${fd}`, undefined, reason);
}
