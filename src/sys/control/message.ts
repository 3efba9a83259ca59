import type { SocketAddress } from '../sockaddr.ts';

// Control messages in readable form.

/** Where an error of the error queue comes from: `SO_EE_ORIGIN_*`. */
export type ErrorOrigin =
  | 'none'
  | 'local'
  | 'icmp'
  | 'icmp6'
  | 'timestamping'
  | 'zerocopy'
  | 'txtime'
  | 'other';

/** An entry of the error queue: a `sock_extended_err`. Linux. */
export interface QueuedError {
  /** The error, positive. */
  readonly errno: number;
  /** Its name: `ECONNREFUSED`. */
  readonly code: string;
  /** Who found it: this machine, or one that sent an ICMP message. */
  readonly origin: ErrorOrigin;
  /** The type of the ICMP message, 0 without one. */
  readonly icmpType: number;
  /** The code of the ICMP message, 0 without one. */
  readonly icmpCode: number;
  /** Of `EMSGSIZE` the path MTU in bytes; else what the origin says. */
  readonly info: number;
  /** What the origin says. */
  readonly data: number;
  /** The machine that reported it; null if there is none. */
  readonly offender: SocketAddress | null;
}

/** Who sent a message over a UNIX socket. */
export interface SenderCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The upper six and the lower two bits of the traffic class: RFC 2474 and RFC 3168. */
export interface TrafficClass {
  /** The differentiated services code point, 0 to 63. */
  readonly dscp: number;
  /** 0: not capable of ECN, 1: ECT(1), 2: ECT(0), 3: congestion was met. */
  readonly ecn: number;
}

/** A length that the kernel cuts or has joined by. */
export interface Segmentation {
  /** The length of each datagram but the last, in bytes. */
  readonly segmentSize: number;
}

/** A point in time since 1970, or since the start of the machine. */
export interface Time {
  readonly seconds: number;
  /** 0 to 999999999. */
  readonly nanoseconds: number;
}

/** The kinds of control messages and what each says, by the names of the headers. */
export interface ControlFields {
  /** Descriptors, which the receiver owns: unix(7). */
  readonly SCM_RIGHTS: { readonly fds: readonly number[] };
  /** Of the sender, asked for by SO_PASSCRED: Linux. Sent, the kernel checks them. */
  readonly SCM_CREDENTIALS: SenderCredentials;
  /** Of the sender, which the kernel fills in if it is sent: FreeBSD. */
  readonly SCM_CREDS: SenderCredentials;
  /** Of the sender, asked for by LOCAL_CREDS_PERSISTENT: FreeBSD. */
  readonly SCM_CREDS2: SenderCredentials;
  /** Asked for by SO_TIMESTAMP, exact to the microsecond. */
  readonly SCM_TIMESTAMP: Time;
  /** Asked for by SO_TIMESTAMPNS: Linux. */
  readonly SCM_TIMESTAMPNS: Time;
  /** Asked for by SO_TIMESTAMP, and SO_TS_CLOCK of 2: FreeBSD. */
  readonly SCM_REALTIME: Time;
  /** Asked for by SO_TIMESTAMP, and SO_TS_CLOCK of 3: FreeBSD; since the start of the machine. */
  readonly SCM_MONOTONIC: Time;
  /** Asked for by SO_RXQ_OVFL: what the socket has lost since it was opened. Linux. */
  readonly SO_RXQ_OVFL: { readonly dropped: number };
  /** Asked for by IP_PKTINFO; sent, it chooses the source and the interface. Linux and macOS. */
  readonly IP_PKTINFO: {
    /** The interface; sent, 0 for any. */
    readonly interfaceIndex: number;
    /** The own address: that of the interface, or to send from, `0.0.0.0` for any. */
    readonly localAddress: string;
    /** The address in the header, which may be a group; not read if it is sent. */
    readonly destination?: string;
  };
  /** Asked for by IPV6_RECVPKTINFO; sent, it chooses the source and the interface. */
  readonly IPV6_PKTINFO: {
    /** The interface; sent, 0 for any. */
    readonly interfaceIndex: number;
    /** The address in the header, which may be a group; or to send from, `::` for any. */
    readonly address: string;
  };
  /** Asked for by IP_RECVDSTADDR: the address in the header. macOS and FreeBSD. */
  readonly IP_RECVDSTADDR: { readonly address: string };
  /** Sent, it chooses the source; its number is that of IP_RECVDSTADDR. FreeBSD. */
  readonly IP_SENDSRCADDR: { readonly address: string };
  /** Asked for by IP_RECVTTL. */
  readonly IP_TTL: { readonly hops: number };
  /** Asked for by IPV6_RECVHOPLIMIT. */
  readonly IPV6_HOPLIMIT: { readonly hops: number };
  /** Asked for by IP_RECVTOS. */
  readonly IP_TOS: TrafficClass;
  /** Asked for by IPV6_RECVTCLASS. */
  readonly IPV6_TCLASS: TrafficClass;
  /** Sent, it cuts the bytes into datagrams: segmentation offload. Linux. */
  readonly UDP_SEGMENT: Segmentation;
  /** Asked for by UDP_GRO: several datagrams of one sender, joined. Linux. */
  readonly UDP_GRO: Segmentation;
  /** Asked for by IP_RECVERR, and read with MSG_ERRQUEUE. Linux. */
  readonly IP_RECVERR: QueuedError;
  /** Asked for by IPV6_RECVERR, and read with MSG_ERRQUEUE. Linux. */
  readonly IPV6_RECVERR: QueuedError;
  /** One that is not in this list, or whose data is too short for what it should be. */
  readonly other: { readonly level: number; readonly type: number; readonly data: Uint8Array };
}

/** The name of a kind of control messages. */
export type ControlKind = keyof ControlFields;

/** The control messages of some kinds. */
export type ControlMessageOf<Kind extends ControlKind> = {
  [Each in Kind]: { readonly kind: Each } & ControlFields[Each];
}[Kind];

/**
 * A control message of sendmsg(2) or recvmsg(2), told apart by its `kind`: the name in the headers,
 * or `other`.
 */
export type ControlMessage = ControlMessageOf<ControlKind>;
