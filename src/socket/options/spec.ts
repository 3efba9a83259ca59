import type { TcpInfoFieldName } from '../../sys/abi/index.ts';

/** Where an option lives: the `level` of getsockopt(2), by the name of its constant. */
type OptionLevel = 'SOL_SOCKET' | 'IPPROTO_TCP' | 'IPPROTO_IP' | 'IPPROTO_IPV6' | 'SOL_LOCAL';

type OptionAccess = 'get' | 'set' | 'both';

type OptionUnit =
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

/** Who connected a UNIX socket. `pid` is null where the kernel does not say. */
export interface Credentials {
  readonly pid: number | null;
  readonly uid: number;
  readonly gid: number;
}

/** Ephemeral ports from `low` to `high`, each 0 to 65535; 0 leaves that end to the system. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/**
 * What the kernel tells of a connection, under its own names and in its own units (Linux counts
 * round trips in microseconds, macOS in milliseconds). A field is absent where the platform, or a
 * kernel older than the table, does not have it. Counters of 64 bits are exact up to 2^53, and a
 * pacing rate without limit reads as 2^64.
 */
export type TcpInfo = Readonly<Partial<Record<TcpInfoFieldName, number>>>;

/** The values that a program sees, by the kind of option. */
export interface OptionValues {
  /** An int, of which every value but 0 is true: the BSDs answer with the bit of the flag. */
  readonly boolean: boolean;
  /** An int. */
  readonly integer: number;
  /** A `uint32_t`. */
  readonly unsigned: number;
  /** A `uint64_t` that may pass 2^53. */
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

export type OptionKind = keyof OptionValues;

/** One socket option. */
export interface OptionSpec {
  readonly level: OptionLevel;
  readonly kind: OptionKind;
  readonly access: OptionAccess;
  readonly unit?: OptionUnit;
  /** The smallest integer it takes; 0 unless told. */
  readonly min?: number;
  /** The largest integer it takes; 2147483647 unless told. The kernel may refuse sooner. */
  readonly max?: number;
  /** One line that says what it is for. */
  readonly purpose: string;
}
