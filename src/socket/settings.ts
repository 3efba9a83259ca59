import type { Sys } from '../sys/sys.ts';

/** How a socket is made. */
export interface SocketOptions {
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
  /** A descriptor to take over instead of opening one. The socket owns it from then on. */
  readonly fd?: number;
}

/** The longest timeout that `setTimeout` takes: 24 days, what a timer of Node takes as well. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
