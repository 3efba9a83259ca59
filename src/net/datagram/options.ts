import type { QueuedError } from '../../sys/control/message.ts';
import type { SysError } from '../../sys/sys-error.ts';
import type { DatagramBatch } from './batch.ts';
import type { DatagramAddress } from './datagram-address.ts';
import type { DatagramSocket } from './datagram-socket.ts';

/** What the kernel can tell of each datagram: see the methods of {@link DatagramBatch}. */
export type DatagramInfo = 'local' | 'ecn' | 'ttl' | 'timestamp';

/** A peer: an address, a host and a port, or the path of a UNIX socket. */
export type DatagramEndpoint =
  | DatagramAddress
  | {
      /** A name, resolved once, or a numeric address; null for the loopback address. */
      readonly host: string | null;
      /** 1 to 65535. */
      readonly port: number;
    }
  | {
      /** The path of a UNIX socket; with a NUL byte first, an abstract name. */
      readonly path: string;
    };

/** What the handlers of a socket get. */
export interface DatagramHandlers {
  /**
   * Datagrams came.
   *
   * @param socket the socket.
   * @param batch 1 to 64 of them, valid until the handler returns.
   */
  datagrams?(socket: DatagramSocket, batch: DatagramBatch): void;
  /**
   * The queue is empty again after a send was refused: once for all that were refused meanwhile.
   *
   * @param socket the socket.
   */
  drain?(socket: DatagramSocket): void;
  /**
   * A peer cannot be reached: asked for by `reportUnreachable`.
   *
   * @param socket the socket, which goes on.
   * @param report which peer, and why.
   */
  unreachable?(socket: DatagramSocket, report: Unreachable): void;
  /**
   * The peer of a SOCK_SEQPACKET socket has ended the connection; {@link DatagramSocket.close} is
   * left to the program.
   *
   * @param socket the socket.
   */
  end?(socket: DatagramSocket): void;
  /**
   * The descriptor is closed: the last call.
   *
   * @param socket the socket.
   * @param error why; null after {@link DatagramSocket.close}.
   */
  close?(socket: DatagramSocket, error: SysError | null): void;
}

/** Why a peer cannot be reached: an entry of the error queue. */
export interface Unreachable extends Omit<QueuedError, 'offender'> {
  /** Where the datagram went to; null if the kernel does not say. */
  readonly to: DatagramAddress | null;
  /** Who says so: a router, or the peer itself; null for this machine. */
  readonly offender: DatagramAddress | null;
}

/** Which socket, and how it works. */
export interface DatagramOptions {
  /**
   * Where to bind: a name, or a numeric address; null for all interfaces of both families, as
   * without any of `host`, `path` and `fd`. With `connect` alone the kernel chooses.
   */
  readonly host?: string | null;
  /** The port to bind, 0 to 65535; for 0, the default, the kernel chooses one. */
  readonly port?: number;
  /** The path to bind a UNIX socket to; with a NUL byte first, an abstract name. */
  readonly path?: string;
  /**
   * A socket to take over, which the loop owns once `datagram` has returned: of SOCK_DGRAM, or a
   * connected one of SOCK_SEQPACKET.
   */
  readonly fd?: number;
  /** What to call; the handlers run in the turns of the loop. */
  readonly handlers: DatagramHandlers;
  /** The peer of a connected socket, from which alone datagrams come then. */
  readonly connect?: DatagramEndpoint;
  /** IPV6_V6ONLY: an IPv6 socket that takes no IPv4 datagrams. Default: false. */
  readonly ipv6Only?: boolean;
  /** SO_REUSEADDR: for multicast, several sockets of one port. Default: false. */
  readonly reuseAddress?: boolean;
  /** SO_REUSEPORT: the kernel spreads peers over the sockets of one port. Default: false. */
  readonly reusePort?: boolean;
  /** SO_BROADCAST: may send to broadcast addresses. Default: false. */
  readonly broadcast?: boolean;
  /** SO_RCVBUF in bytes: what waits for a slow handler, beyond which the kernel drops. */
  readonly receiveBufferBytes?: number;
  /** SO_SNDBUF in bytes. */
  readonly sendBufferBytes?: number;
  /**
   * The longest datagram that is delivered whole, 1 to 1048576 bytes; a longer one is cut off and
   * counted. Default: 65535, which UDP never exceeds. With `gro` it is 65536 at least.
   */
  readonly bytesMax?: number;
  /**
   * UDP_GRO: the kernel joins consecutive datagrams of one sender, which {@link
   * DatagramBatch.segmentSize} tells. Linux; has no effect elsewhere. Default: false.
   */
  readonly gro?: boolean;
  /**
   * UDP_SEGMENT: consecutive datagrams of one size to one peer are joined for the kernel, which
   * cuts them. Turned off for good for a socket where that fails. Linux. Default: true.
   */
  readonly gso?: boolean;
  /** What to ask the kernel about each datagram. Default: nothing. */
  readonly info?: readonly DatagramInfo[];
  /**
   * IP_RECVERR: the handler `unreachable` hears of ICMP errors. Linux. Default: false: they are
   * counted on a connected socket, and not seen on another.
   */
  readonly reportUnreachable?: boolean;
  /**
   * The most bytes that wait to be sent, 65536 to 2^30; at most 1024 messages do. A datagram beyond
   * is refused. Default: 1 MiB.
   */
  readonly queuedBytesMax?: number;
  /**
   * `'owned'`: {@link DatagramBatch.bytes} gives copies. `'borrowed'`: views that are valid until
   * the handler returns, which costs nothing per datagram. Default: `'owned'`.
   */
  readonly chunks?: 'owned' | 'borrowed';
  /** Closes the socket when it aborts. */
  readonly signal?: AbortSignal;
  /**
   * A handler has thrown, or the promise that it returned was rejected; the socket is closed by
   * then. Default: `onHandlerError` of the loop.
   *
   * @param error what was thrown.
   * @param socket the socket.
   */
  onHandlerError?(error: unknown, socket: DatagramSocket): void;
}

/** How to send. */
export interface SendOptions {
  /**
   * Where to: an address, or a numeric host and a port, or a path. It may be left out on a
   * connected socket, which takes none but its peer.
   */
  readonly to?:
    | DatagramAddress
    | { readonly host: string; readonly port: number }
    | { readonly path: string };
  /** The own address to send from: what {@link DatagramBatch.local} gave. UDP. */
  readonly from?: DatagramAddress;
  /** The two bits of RFC 3168: 0 to 3; the other bits of the traffic class are 0 then. UDP. */
  readonly ecn?: number;
  /**
   * Cuts the bytes into datagrams of this length, the last of which may be shorter: 1 to 65507.
   */
  readonly segmentSize?: number;
}

/** What a socket has done so far: {@link DatagramSocket.stats}. */
export interface DatagramStats {
  /** Datagrams that were delivered. */
  readonly received: number;
  readonly receivedBytes: number;
  /** Delivered ones that were longer than `bytesMax`. */
  readonly truncated: number;
  /** Delivered ones whose control messages did not fit (MSG_CTRUNC): their `info` has gaps. */
  readonly controlTruncated: number;
  /** Descriptors that peers of a UNIX socket passed: a loop takes none, and closes them. */
  readonly descriptorsClosed: number;
  /** What the kernel dropped because the socket was full, as far as it has told. Linux. */
  readonly droppedByKernel: number;
  /** Datagrams that the kernel took. */
  readonly sent: number;
  readonly sentBytes: number;
  /** Sends that were refused for a full queue. */
  readonly refused: number;
  /** Datagrams that the kernel did not take, by the name of the error: `EMSGSIZE`. */
  readonly sendErrors: Readonly<Record<string, number>>;
  /** Errors that came back for datagrams sent earlier: `ECONNREFUSED`. */
  readonly peerErrors: Readonly<Record<string, number>>;
}
