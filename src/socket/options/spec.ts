import type { TcpInfoFieldName } from '../../sys/abi/index.ts';

/** The `level` of getsockopt(2), by the name of its constant. */
export type OptionLevel =
  | 'SOL_SOCKET'
  | 'IPPROTO_TCP'
  | 'IPPROTO_IP'
  | 'IPPROTO_IPV6'
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
