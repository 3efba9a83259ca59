import type { TcpInfoFieldName } from '../../sys/abi/index.ts';

/** The `level` of getsockopt(2), by the name of its constant. */
export type OptionLevel =
  | 'SOL_SOCKET'
  | 'IPPROTO_TCP'
  | 'IPPROTO_IP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_UDP'
  | 'SOL_LOCAL';

/** Whether an option can be read, set, or both. */
export type OptionAccess = 'get' | 'set' | 'both';

/** The unit of the value of an option. */
export type OptionUnit =
  | 'seconds'
  | 'milliseconds'
  | 'microseconds'
  | 'bytes'
  | 'bytesPerSecond'
  | 'hops'
  | 'packets'
  | 'probes'
  | 'connections'
  | 'retransmissions';

/** The peer of a UNIX socket. `pid` is null if the kernel does not tell. */
export interface Credentials {
  readonly pid: number | null;
  readonly uid: number;
  readonly gid: number;
}

/** Ephemeral ports from `low` to `high`, each 0 to 65535; 0 for the default of the system. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** A multicast group of IPv4, and the interface; any interface if neither part of it is given. */
export interface Group {
  /** `239.1.2.3`. */
  readonly group: string;
  /** The interface, by an address of its own: `127.0.0.1`. */
  readonly interfaceAddress?: string;
  /** The interface, by its index; it goes before the address. */
  readonly interfaceIndex?: number;
}

/** A multicast group of IPv4, of which one source counts. */
export interface SourceGroup {
  /** `232.1.2.3`. */
  readonly group: string;
  /** The address of the sender: `127.0.0.1`. */
  readonly source: string;
  /** The interface, by an address of its own; any by default. */
  readonly interfaceAddress?: string;
}

/** A multicast group of IPv6, and the interface. */
export interface IPv6Group {
  /** `ff02::1:2`. */
  readonly group: string;
  /** The index of the interface; 0, the default, for any. */
  readonly interfaceIndex?: number;
}

/**
 * The state of a TCP connection, by the names and in the units of the kernel (round-trip times are
 * microseconds on Linux, milliseconds on macOS). A field is absent if the platform or an older
 * kernel lacks it. 64-bit counters are exact up to 2^53; an unlimited pacing rate reads as 2^64.
 */
export type TcpInfo = Readonly<Partial<Record<TcpInfoFieldName, number>>>;

/** The type of the value, by the kind of option. */
export interface OptionValues {
  /** An int; true for any value but 0: the BSDs give the bit of the flag. */
  readonly boolean: boolean;
  /** An int. */
  readonly integer: number;
  /** A `uint32_t`. */
  readonly unsigned: number;
  /** A `uint64_t`, which may exceed 2^53. */
  readonly u64: bigint;
  /** Seconds, or null for off. 0 makes close(2) reset the connection. */
  readonly linger: number | null;
  /** Milliseconds, to the microsecond; 0 for no limit. */
  readonly timeval: number;
  /** At most 15 ASCII characters. */
  readonly string: string;
  /** A positive errno, 0 for none. */
  readonly error: number;
  /** A `ucred` or `xucred`. */
  readonly credentials: Credentials;
  /** A `tcp_info` or `tcp_connection_info`. */
  readonly tcpInfo: TcpInfo;
  /** Bytes per second, Infinity for no limit. */
  readonly rate: number;
  /** Two ports in a `uint32_t`. */
  readonly portRange: PortRange;
  /** An `in_addr`: the address of an interface, `0.0.0.0` for any. */
  readonly ipv4Address: string;
  /** An `ip_mreqn`. */
  readonly group: Group;
  /** An `ip_mreq_source`. */
  readonly sourceGroup: SourceGroup;
  /** An `ipv6_mreq`. */
  readonly ipv6Group: IPv6Group;
}

/** The kind of an option: the type of its value in C and here. */
export type OptionKind = keyof OptionValues;

/** An entry of the table of socket options. */
export interface OptionSpec {
  readonly level: OptionLevel;
  readonly kind: OptionKind;
  readonly access: OptionAccess;
  readonly unit?: OptionUnit;
  /** The smallest integer; 0 by default. */
  readonly min?: number;
  /** The largest integer; 2147483647 by default. The kernel may refuse smaller ones. */
  readonly max?: number;
  /** What it is for, in one line. */
  readonly purpose: string;
}
