import type { Abi } from './abi/abi.ts';
import { errnoName } from './errno.ts';

// What a failed call means for a server: one client is lost, resources are short, or it is the end.

/**
 * - passing: one connection is lost or refused; the next call may succeed at once.
 * - shortage: the system is short of a resource; try again after a pause.
 * - final: no call on this descriptor will ever succeed.
 */
type ErrorKind = 'passing' | 'shortage' | 'final';

type Kinds = Readonly<Record<string, ErrorKind>>;

/** accept(2), section "Error handling", and the set-up of the new socket. */
const ACCEPT: Kinds = {
  EINTR: 'passing',
  // Another thread was faster, or the client has left.
  EAGAIN: 'passing',
  ETIMEDOUT: 'passing',
  // The connection broke in the queue: Linux passes on its network error.
  ECONNABORTED: 'passing',
  ECONNRESET: 'passing',
  EPROTO: 'passing',
  ENETDOWN: 'passing',
  ENOPROTOOPT: 'passing',
  EHOSTDOWN: 'passing',
  ENONET: 'passing',
  EHOSTUNREACH: 'passing',
  EOPNOTSUPP: 'passing',
  ENETUNREACH: 'passing',
  // A firewall or a security module refuses this client.
  EPERM: 'passing',
  EACCES: 'passing',
  // Descriptors of the process and of the system, memory, STREAMS buffers.
  EMFILE: 'shortage',
  ENFILE: 'shortage',
  ENOBUFS: 'shortage',
  ENOMEM: 'shortage',
  ENOSR: 'shortage',
  // epoll_ctl(2): the limit on watches of the user.
  ENOSPC: 'shortage',
};

/** select(2), poll(2), epoll_wait(2), kevent(2), io_uring_enter(2). */
const WAIT: Kinds = {
  EINTR: 'passing',
  // io_uring: the timeout expired.
  ETIME: 'passing',
  // poll(2): the kernel could not allocate memory; a portable program tries again.
  EAGAIN: 'shortage',
  ENOMEM: 'shortage',
  ENOBUFS: 'shortage',
  // io_uring: the completion queue must be drained first.
  EBUSY: 'shortage',
};

/** What a failed accept(2) means, by the code of its error (`EMFILE`). */
export function acceptErrorKind(code: string): ErrorKind {
  return ACCEPT[code] ?? 'final';
}

/** What a failed accept(2) means, by its errno (positive). */
export function acceptErrnoKind(abi: Abi, errno: number): ErrorKind {
  return acceptErrorKind(errnoName(abi, errno));
}

/** What a failed wait means, by its errno (positive). */
export function waitErrnoKind(abi: Abi, errno: number): ErrorKind {
  return WAIT[errnoName(abi, errno)] ?? 'final';
}
