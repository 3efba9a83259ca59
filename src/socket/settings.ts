import type { Sys } from '../sys/sys.ts';

/** How to make a socket of any kind. */
export interface BaseSocketOptions {
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
  /** A descriptor to take over instead of opening one; the socket then owns it. */
  readonly fd?: number;
}

/** The type of a connection: bytes, or records that are kept apart. */
export type ConnectionType = 'SOCK_STREAM' | 'SOCK_SEQPACKET';

/** How to make a socket for connections. */
export interface SocketOptions extends BaseSocketOptions {
  /**
   * `SOCK_SEQPACKET` keeps what each send sends apart; of UNIX sockets, on Linux and FreeBSD. By
   * default `SOCK_STREAM`.
   */
  readonly type?: ConnectionType;
  /**
   * Multipath TCP (RFC 8684), which falls back to TCP with a peer that does not have it; on Linux.
   * By default the protocol of the family.
   */
  readonly protocol?: 'IPPROTO_MPTCP';
}

/** The longest timeout in milliseconds: 24.8 days, as for Node's timers. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
