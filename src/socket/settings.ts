import type { Sys } from '../sys/sys.ts';

/** How to make a socket. */
export interface SocketOptions {
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
  /** A descriptor to take over instead of opening one; the socket then owns it. */
  readonly fd?: number;
}

/** The longest timeout in milliseconds: 24.8 days, as for Node's timers. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
