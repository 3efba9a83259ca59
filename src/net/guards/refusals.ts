import type { ErrnoName } from '../../sys/abi/abi.ts';
import { errnoName } from '../../sys/errno.ts';
import { formatAddress, type SocketAddress } from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { type Failure, SysError } from '../../sys/sys-error.ts';

/** How many connections a listener has refused or given up, by kind. */
export interface RefusalCounts {
  /** The address is in `deny`. */
  denied: number;
  /** There is an `allow`, and the address is not in it. */
  notAllowed: number;
  /** The address had `connectionsPerAddressMax` connections. */
  perAddress: number;
  /** There were `connectionsMax` connections. */
  connections: number;
  /** More came than `acceptsPerSecondMax`. */
  acceptRate: number;
  /** A PROXY header is required, and the connection comes from no trusted proxy. */
  proxyUntrusted: number;
  /** A trusted proxy has sent no PROXY header, or a wrong one. */
  proxyHeader: number;
  /** A trusted proxy has sent no whole PROXY header in time. */
  proxyTimeout: number;
  /** Nothing was received within `firstByteMs`. */
  firstByte: number;
  /** Nothing moved within `idleTimeoutMs`. */
  idle: number;
  /** The peer took nothing of what was queued within `writeStallMs`. */
  writeStall: number;
  /** The connection was open for `lifetimeMs`. */
  lifetime: number;
  /** More than `queuedBytesMax` of guards were queued, and this connection had to go. */
  queuedBytes: number;
}

/** Why a connection was refused or given up. */
export type RefusalKind = keyof RefusalCounts;

const CODES = {
  denied: 'EACCES',
  notAllowed: 'EACCES',
  perAddress: 'EUSERS',
  connections: 'EUSERS',
  acceptRate: 'EUSERS',
  proxyUntrusted: 'EACCES',
  proxyHeader: 'EPROTO',
  proxyTimeout: 'ETIMEDOUT',
  firstByte: 'ETIMEDOUT',
  idle: 'ETIMEDOUT',
  writeStall: 'ETIMEDOUT',
  lifetime: 'ETIMEDOUT',
  queuedBytes: 'ENOBUFS',
} as const satisfies Readonly<Record<RefusalKind, ErrnoName>>;

const KINDS = Object.keys(CODES) as readonly RefusalKind[];

/** Counts that are all 0. */
export function newRefusalCounts(): RefusalCounts {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as unknown as RefusalCounts;
}

/**
 * A guard of a listener has refused a connection, or has given one up:
 * `cannot keep the connection with 192.0.2.1:4711: ETIMEDOUT (nothing came within 30000 ms)`. The
 * `close` handler gets it for a connection that was open, `onRefused` of the guards for any other.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection, EventLoop, RefusalError } from 'sockloop';
 *
 * using loop = new EventLoop();
 * let kind = '';
 * const listener = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   guards: { firstByteMs: 20 },
 *   handlers: {
 *     close: (_, error) => {
 *       if (error instanceof RefusalError) kind = `${error.kind} ${error.code}`;
 *       listener.close();
 *     },
 *   },
 * });
 * // A client that says nothing.
 * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
 * await loop.run();
 * assert.equal(kind, 'firstByte ETIMEDOUT');
 * assert.equal(listener.stats.refused.firstByte, 1);
 * assert.equal(client.recv(new Uint8Array(1)), 0);
 * ```
 */
export class RefusalError extends SysError {
  /** The guard, by the name of its count in {@link RefusalCounts}. */
  readonly kind: RefusalKind;

  /**
   * The error of a guard.
   *
   * @param kind the guard.
   * @param attempt what it has kept from happening: `accept a connection`.
   * @param failure the code and the reason.
   */
  constructor(kind: RefusalKind, attempt: string, failure: Failure) {
    super(attempt, failure);
    this.kind = kind;
  }
}

/** The error for a connection of `remote`, which is open if it is `kept`. */
export function refusalError(
  sys: Sys,
  kind: RefusalKind,
  remote: SocketAddress | null,
  kept: boolean,
  reason: string,
): RefusalError {
  const verb = kept ? 'keep' : 'accept';
  const isNamed = remote !== null && !(remote.family === 'UNIX' && remote.path === '');
  const attempt = isNamed
    ? `${verb} the connection with ${formatAddress(remote)}`
    : `${verb} a connection`;
  const errno = -sys.abi.errno[CODES[kind]];
  const failure = { code: errnoName(sys.abi, errno), errno, syscall: 'accept', reason };
  return new RefusalError(kind, attempt, isNamed ? { ...failure, on: remote } : failure);
}
