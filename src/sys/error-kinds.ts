import type { Abi } from './abi/abi.ts';
import { errnoName } from './errno.ts';

// What a failed call means for a server, in one place: one client, one moment, or the end.

/**
 * - passing: one connection is gone or refused; the next call may succeed, at once.
 * - shortage: the system has too little of something for now; the call is made again after a pause.
 * - final: the descriptor is not what it should be, and no call on it will ever succeed.
 */
type ErrorKind = 'passing' | 'shortage' | 'final';

type Kinds = Readonly<Record<string, ErrorKind>>;

/** accept(2), and what is done to the new socket: accept(2), "Error handling". */
const ACCEPT: Kinds = {
  EINTR: 'passing',
  // Nobody is there after all: another thread was faster, or the client has left.
  EAGAIN: 'passing',
  ETIMEDOUT: 'passing',
  // The connection broke in the queue: Linux hands over the error of its network.
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
  // epoll_ctl(2): watches of the user.
  ENOSPC: 'shortage',
};

/** select(2), poll(2), epoll_wait(2), kevent(2), io_uring_enter(2). */
const WAIT: Kinds = {
  EINTR: 'passing',
  // io_uring: the time is over.
  ETIME: 'passing',
  // poll(2): "allocate internal data structures"; a portable program asks again.
  EAGAIN: 'shortage',
  ENOMEM: 'shortage',
  ENOBUFS: 'shortage',
  // io_uring: the queue of completions has to be read first.
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
