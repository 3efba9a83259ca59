import type { BlockList } from 'node:net';

/** The family of a socket: IPv4 or IPv6. */
export type SocketType = 'udp4' | 'udp6';

/** Who has sent a message, and how long that is. */
export interface RemoteInfo {
  /** A numeric address; that of a link has the index of its interface: `fe80::1%2`. */
  address: string;
  family: 'IPv4' | 'IPv6';
  port: number;
  /** The length of the message in bytes. */
  size: number;
}

/** Gets the address of a name: `dns.lookup`, with the family as its second argument. */
export type Lookup = (
  name: string,
  family: number,
  callback: (error: Error | null, address: string) => void,
) => void;

/** Options of a new {@link Socket}: those of node:dgram. */
export interface SocketOptions {
  /** The family. */
  readonly type: SocketType;
  /** SO_REUSEADDR (SO_REUSEPORT on the BSDs): several sockets of one port. Default: false. */
  readonly reuseAddr?: boolean;
  /** SO_REUSEPORT: the kernel spreads peers over the sockets of one port. Default: false. */
  readonly reusePort?: boolean;
  /** Whether `::` is IPv6 alone, without IPv4. Default: false. */
  readonly ipv6Only?: boolean;
  /** SO_RCVBUF in bytes. Default: the system's. */
  readonly recvBufferSize?: number;
  /** SO_SNDBUF in bytes. Default: the system's. */
  readonly sendBufferSize?: number;
  /**
   * Gets the address of a name, for each bind, connect and send. Default: `dns.lookup`, whose
   * answer holds for the sends of ten seconds.
   */
  readonly lookup?: Lookup;
  /** Closes the socket when it aborts. */
  readonly signal?: AbortSignal;
  /** Messages from these addresses are dropped. */
  readonly receiveBlockList?: BlockList;
  /** Nothing is sent to these addresses: the error is `ERR_IP_BLOCKED`. */
  readonly sendBlockList?: BlockList;
}

/** Where a {@link Socket} is bound: those of node:dgram. */
export interface BindOptions {
  /** The port, 0 for a free one. Default: 0. */
  readonly port?: number;
  /** A name or an address. Default: all interfaces. */
  readonly address?: string;
  /** Accepted for programs of node:dgram: a port belongs to one process in any case. */
  readonly exclusive?: boolean;
  /** A UDP socket to take over, in place of a port. */
  readonly fd?: number;
}

/** A message to send, or a part of one: a string goes as UTF-8. */
export type Message = string | NodeJS.ArrayBufferView;

/** Hears of a datagram that was sent. */
export type SendCallback = (error: Error | null, bytes: number) => void;

/** The events of a {@link Socket}, with what their listeners get. */
export interface SocketEvents {
  /** It is closed. */
  close: [];
  /** It is connected. */
  connect: [];
  /** Something failed; the socket stays open. */
  error: [error: Error];
  /** It is bound, and receives. */
  listening: [];
  /** A datagram came. */
  message: [message: Buffer, info: RemoteInfo];
}
