import { requireFlag, requireObject, requireTimeout, requireWhole } from '../../base/arguments.ts';
import { PROXY_HEADER_BYTES_MAX } from '../../framing/limits.ts';
import { ProxyHeaderError } from '../../framing/proxy-error.ts';
import type { ProxyHeader } from '../../framing/proxy-header.ts';
import { parseProxyHeader } from '../../framing/proxy-protocol.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { PROXY_TIMEOUT_MS, TIMEOUT_MS_MAX } from '../limits.ts';
import type { ConnectionHandlers } from '../stream/connection.ts';
import { ConnectionGroup } from '../stream/connection-group.ts';
import { AddressRanges, addressWords } from './address-ranges.ts';
import { type ConnectionGuard, GuardedConnection } from './guarded-connection.ts';
import type { RefusalKind } from './refusals.ts';

/** How a listener takes headers of the PROXY protocol. */
export interface ProxyProtocolSettings {
  /**
   * The proxies whose headers are believed: `192.0.2.0/24`, `2001:db8::/32`, an address alone, or
   * `unix:` for the peers of a UNIX socket.
   */
  readonly from: readonly string[];
  /**
   * Whether every connection has to come from one of them and to begin with a header; others are
   * refused. Default: true. With false a connection from elsewhere is served as it is, what looks
   * like a header being its data; and so is one from a proxy that begins with something else.
   */
  readonly required?: boolean;
  /**
   * The longest time in milliseconds for the whole header: above 0, at most 2^31 - 1. Default:
   * 10,000.
   */
  readonly timeoutMs?: number;
  /** The longest header of version 2, in bytes: 16 to 65,551. Default: 4096. */
  readonly headerBytesMax?: number;
}

/** {@link ProxyProtocolSettings} that were checked. */
interface ProxyPlan {
  readonly from: AddressRanges;
  readonly isUnixTrusted: boolean;
  readonly required: boolean;
  readonly timeoutMs: number;
  readonly headerBytesMax: number;
}

/** The name of all peers of a UNIX socket. */
const UNIX = 'unix:';

function proxyPlan(settings: ProxyProtocolSettings): ProxyPlan {
  requireObject('proxyProtocol', settings);
  const { from, required = true, timeoutMs = PROXY_TIMEOUT_MS } = settings;
  const { headerBytesMax = PROXY_HEADER_BYTES_MAX } = settings;
  requireFlag('required', required);
  requireTimeout('the timeout of a PROXY header', timeoutMs, TIMEOUT_MS_MAX);
  requireWhole('headerBytesMax', headerBytesMax, 16, 65_551);
  const isList = Array.isArray(from);
  return {
    from: new AddressRanges('from', isList ? from.filter((one) => one !== UNIX) : from),
    isUnixTrusted: isList && from.includes(UNIX),
    required,
    timeoutMs,
    headerBytesMax,
  };
}

/** What becomes of a connection that has, or need not have, its header. */
export interface ProxyOutcome<Data> {
  /** `rest` is what came behind the header: borrowed. */
  identified(
    connection: GuardedConnection<Data>,
    header: ProxyHeader | null,
    rest: Uint8Array,
  ): void;
  /** Gives the connection up. */
  refused(connection: GuardedConnection<Data>, kind: RefusalKind, reason: string): void;
  /** There is one less. */
  gone(): void;
}

/** A connection that waits for its header. */
interface Waiting {
  /** What has come of it: most often nothing, since it comes in one piece. */
  bytes: Uint8Array;
  readonly timer: Timer;
}

const NOTHING = new Uint8Array(0);

/** The connections of a listener whose header has not come: the program does not know of them. */
export class ProxyPhase<Data> {
  readonly #loop: Loop;
  readonly #plan: ProxyPlan;
  readonly #guard: ConnectionGuard;
  readonly #outcome: ProxyOutcome<Data>;
  readonly #group: ConnectionGroup<Data>;
  readonly #waiting = new Map<GuardedConnection<Data>, Waiting>();

  constructor(
    loop: Loop,
    settings: ProxyProtocolSettings,
    group: ConnectionGroup<Data>,
    guard: ConnectionGuard,
    outcome: ProxyOutcome<Data>,
  ) {
    this.#loop = loop;
    this.#plan = proxyPlan(settings);
    this.#guard = guard;
    this.#outcome = outcome;
    const { noDelay } = group;
    const shared = { handlers: this.#handlers(), chunks: 'borrowed', noDelay } as const;
    this.#group = new ConnectionGroup(loop, shared, group.tcp, null);
  }

  /** How many connections wait for their header. */
  get size(): number {
    return this.#waiting.size;
  }

  get required(): boolean {
    return this.#plan.required;
  }

  /** Whether headers from `remote` are believed. */
  trusts(remote: SocketAddress | null): boolean {
    const { from, isUnixTrusted } = this.#plan;
    if (remote === null) return false;
    if (remote.family === 'UNIX') return isUnixTrusted;
    const words = addressWords(remote.address);
    return words !== null && from.has(words);
  }

  /** Waits for the header of the new connection `fd`. */
  begin(fd: number, remote: SocketAddress | null, serial: number): void {
    const connection = new GuardedConnection(this.#group, fd, remote, this.#guard, serial, null);
    const { timeoutMs } = this.#plan;
    const timer = this.#loop.setTimer(timeoutMs, () => {
      // Timers run before deliveries: the header may be in the socket.
      this.#loop.defer(() => {
        if (!this.#waiting.has(connection)) return;
        const reason = `no whole PROXY header came within ${timeoutMs} ms`;
        this.#outcome.refused(connection, 'proxyTimeout', reason);
      });
    });
    this.#waiting.set(connection, { bytes: NOTHING, timer });
  }

  /** Resets the connections that wait: nobody will serve them. */
  close(): void {
    for (const connection of [...this.#waiting.keys()]) connection.reset();
  }

  /** All connections of the group are made by `begin`. */
  #handlers(): ConnectionHandlers<Data> {
    return {
      data: (connection, chunk) => this.#received(connection as GuardedConnection<Data>, chunk),
      end: (connection) => {
        const reason = 'it ended before its PROXY header was whole';
        this.#outcome.refused(connection as GuardedConnection<Data>, 'proxyHeader', reason);
      },
      close: (connection) => {
        this.#leave(connection as GuardedConnection<Data>);
        this.#outcome.gone();
      },
    };
  }

  #leave(connection: GuardedConnection<Data>): void {
    this.#waiting.get(connection)?.timer.cancel();
    this.#waiting.delete(connection);
  }

  #received(connection: GuardedConnection<Data>, chunk: Uint8Array): void {
    const waiting = this.#waiting.get(connection);
    if (waiting === undefined) return;
    const before = waiting.bytes.length;
    const bytes = before === 0 ? chunk : joined(waiting.bytes, chunk);
    const header = this.#read(connection, bytes);
    if (header === 'refused') return;
    if (header === 'incomplete') {
      // No byte of a header is beyond its limit.
      waiting.bytes = before === 0 ? chunk.slice() : bytes;
      return;
    }
    this.#leave(connection);
    const rest = header === null ? bytes : chunk.subarray(header.byteLength - before);
    this.#outcome.identified(connection, header, rest);
  }

  /** Null where there is no header, and none is required. */
  #read(
    connection: GuardedConnection<Data>,
    bytes: Uint8Array,
  ): ProxyHeader | null | 'incomplete' | 'refused' {
    try {
      return parseProxyHeader(bytes, this.#plan.headerBytesMax) ?? 'incomplete';
    } catch (error) {
      if (!(error instanceof ProxyHeaderError)) throw error;
      if (error.code === 'ERR_PROXY_HEADER_ABSENT' && !this.#plan.required) return null;
      this.#outcome.refused(connection, 'proxyHeader', error.message);
      return 'refused';
    }
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
