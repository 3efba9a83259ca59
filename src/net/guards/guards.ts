import {
  requireFunction,
  requireObject,
  requireTimeout,
  requireWhole,
  wrongValue,
} from '../../base/arguments.ts';
import { QUEUE_LOOK_MS, QUEUE_LOOKS, TIMEOUT_MS_MAX } from '../limits.ts';
import { AddressRanges } from './address-ranges.ts';
import type { RefusalError } from './refusals.ts';

/**
 * What a listener refuses and gives up: all of it is off unless it is set, and costs nothing then.
 *
 * A refused connection is reset. Each is counted by its kind in `refused` of the listener's stats.
 * Limits are those of one listener: each thread of a service has its own.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection, EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const listener = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   guards: { allow: ['10.0.0.0/8'], onRefused: () => listener.close() },
 *   handlers: {},
 * });
 * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
 * await loop.run();
 * assert.equal(listener.stats.refused.notAllowed, 1);
 * assert.throws(() => client.recv(new Uint8Array(1)), { code: 'ECONNRESET' });
 * ```
 */
export interface Guards {
  /**
   * Only these addresses are served: `192.0.2.0/24`, `2001:db8::/32`, or an address alone. An
   * IPv4-mapped IPv6 address counts as the IPv4 address. Default: all.
   */
  readonly allow?: readonly string[];
  /** These addresses are not served, even if they are in `allow`. Default: none. */
  readonly deny?: readonly string[];
  /**
   * The most open connections of one IPv4 address, or of one /64 of IPv6: 1 and up; further ones
   * are refused. Default: no limit.
   */
  readonly connectionsPerAddressMax?: number;
  /**
   * The most open connections, 1 and up; further ones are refused, where they wait with
   * `maxConnections`. Default: no limit.
   */
  readonly connectionsMax?: number;
  /** The most connections in a second, above 0; further ones are refused. Default: no limit. */
  readonly acceptsPerSecondMax?: number;
  /**
   * How many connections may come at once after a pause, 1 and up. Default: those of one second.
   */
  readonly acceptsBurstMax?: number;
  /**
   * Closes a connection from which nothing was received so many milliseconds after `open`: above 0,
   * at most 2^31 - 1. Default: null, never.
   */
  readonly firstByteMs?: number | null;
  /**
   * Resets a connection whose peer takes nothing of what is queued for so many milliseconds: never
   * earlier, and up to a quarter later. Default: null, never. What the kernel has taken is not
   * queued any more.
   */
  readonly writeStallMs?: number | null;
  /** Closes a connection so many milliseconds after `open`. Default: null, never. */
  readonly lifetimeMs?: number | null;
  /**
   * The most bytes that may be queued on all connections together, looked at once a turn; see
   * `whenQueueFull`. `queueBytesMax` bounds each connection. Default: no limit.
   */
  readonly queuedBytesMax?: number;
  /**
   * What happens above `queuedBytesMax`. Default: `wait`.
   *
   * - `wait`: a connection with queued bytes is not read from until its peer has taken them, or
   *   half of the limit is free.
   * - `shedNewest`: of the connections with queued bytes, those that were accepted last are reset.
   * - `closeSlowest`: those whose peers have taken nothing for the longest time are reset; of equal
   *   ones, those with most queued bytes.
   */
  readonly whenQueueFull?: 'wait' | 'shedNewest' | 'closeSlowest';
  /**
   * A connection was refused before it was open to the program.
   *
   * @param error the kind, the address and the reason.
   */
  onRefused?(error: RefusalError): void;
}

/** {@link Guards} that were checked. */
export interface GuardPlan {
  readonly allow: AddressRanges | null;
  readonly deny: AddressRanges | null;
  readonly connectionsPerAddressMax: number;
  readonly connectionsMax: number;
  readonly acceptsPerSecondMax: number | null;
  readonly acceptsBurstMax: number;
  readonly firstByteMs: number | null;
  readonly writeStallMs: number | null;
  readonly lifetimeMs: number | null;
  /** How often to look whether the peer of a queue takes bytes; null where that does not matter. */
  readonly lookMs: number | null;
  readonly queuedBytesMax: number;
  readonly whenQueueFull: 'wait' | 'shedNewest' | 'closeSlowest';
  readonly onRefused: ((error: RefusalError) => void) | null;
}

const POLICIES = ['wait', 'shedNewest', 'closeSlowest'] as const;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;

/** Checks `guards`. Throws a TypeError or RangeError that names what is wrong. */
export function guardPlan(guards: Guards): GuardPlan {
  requireObject('guards', guards);
  const { allow, deny, acceptsPerSecondMax = null, whenQueueFull = 'wait' } = guards;
  if (acceptsPerSecondMax !== null && !(acceptsPerSecondMax > 0 && acceptsPerSecondMax < 1e9)) {
    throw wrongValue(acceptsPerSecondMax, 'acceptsPerSecondMax is above 0 and below 1e9');
  }
  const { acceptsBurstMax = Math.max(1, Math.ceil(acceptsPerSecondMax ?? 1)) } = guards;
  requireWhole('acceptsBurstMax', acceptsBurstMax, 1, COUNT_MAX);
  if (!POLICIES.includes(whenQueueFull)) {
    throw wrongValue(whenQueueFull, `whenQueueFull is ${POLICIES.join(', ')}`);
  }
  requireFunction('onRefused', guards.onRefused);
  const writeStallMs = deadline(guards, 'writeStallMs');
  const lookMs = whenQueueFull === 'closeSlowest' ? QUEUE_LOOK_MS : null;
  return {
    allow: allow === undefined ? null : new AddressRanges('allow', allow),
    deny: deny === undefined ? null : new AddressRanges('deny', deny),
    connectionsPerAddressMax: limit(guards, 'connectionsPerAddressMax', 1),
    connectionsMax: limit(guards, 'connectionsMax', 1),
    acceptsPerSecondMax,
    acceptsBurstMax,
    firstByteMs: deadline(guards, 'firstByteMs'),
    writeStallMs,
    lookMs: writeStallMs === null ? lookMs : writeStallMs / QUEUE_LOOKS,
    lifetimeMs: deadline(guards, 'lifetimeMs'),
    queuedBytesMax: limit(guards, 'queuedBytesMax', 0),
    whenQueueFull,
    onRefused: guards.onRefused?.bind(guards) ?? null,
  };
}

type LimitName = 'connectionsPerAddressMax' | 'connectionsMax' | 'queuedBytesMax';

function limit(guards: Guards, name: LimitName, least: number): number {
  const value = guards[name];
  if (value === undefined) return Number.POSITIVE_INFINITY;
  requireWhole(name, value, least, COUNT_MAX);
  return value;
}

type DeadlineName = 'firstByteMs' | 'writeStallMs' | 'lifetimeMs';

function deadline(guards: Guards, name: DeadlineName): number | null {
  const value = guards[name] ?? null;
  if (value !== null) requireTimeout(name, value, TIMEOUT_MS_MAX);
  return value;
}
