import type { Sys } from '../sys/sys.ts';

/** The type of a socket: a stream, records of a connection, or datagrams. */
export type SocketType = 'SOCK_STREAM' | 'SOCK_SEQPACKET' | 'SOCK_DGRAM';

/** How to make a socket. */
export interface SocketOptions {
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
  /** A descriptor to take over instead of opening one; the socket then owns it. */
  readonly fd?: number;
  /**
   * `SOCK_DGRAM` for datagrams; `SOCK_SEQPACKET` for a connection that keeps what each send sends
   * apart, of UNIX sockets, on Linux and FreeBSD. `SOCK_STREAM`, the default, for a stream.
   */
  readonly type?: SocketType;
  /**
   * Multipath TCP (RFC 8684), which falls back to TCP with a peer that does not have it; on Linux.
   * By default the protocol of the family.
   */
  readonly protocol?: 'IPPROTO_MPTCP';
}

/** The longest timeout in milliseconds: 24.8 days, as for Node's timers. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
