import { availableParallelism } from 'node:os';
import { TIMEOUT_MS_MAX } from 'sockloop/socket';
import { parseDurationMs, parseNumber, parseSizeBytes, parseWhole } from '#src/base/quantities.js';
import { UsageError } from './exit.ts';

/** Parsers of flag and argument values. Each throws a UsageError for a wrong value. */

/** A port from `min` to 65535. `what` names the flag or argument. */
export function parsePort(text: string, min: 0 | 1, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= min && port <= 65535) return port;
  throw new UsageError(`${what} takes a number from ${min} to 65535, not "${text}"`);
}

/** Bounds of a time. */
interface DurationRange {
  /** True if 0 is accepted; false if left out. */
  readonly zero?: boolean;
  /** The longest time, in milliseconds. */
  readonly msMax?: number;
}

/** A time (`10`, in seconds, or `500ms`, `2m`) in whole milliseconds, rounded up. */
export function parseDuration(text: string, what: string, range: DurationRange = {}): number {
  const { zero = false, msMax = TIMEOUT_MS_MAX } = range;
  const ms = Math.ceil(parseDurationMs(text));
  if (ms >= (zero ? 0 : 1) && ms <= msMax) return ms;
  const bounds = `${zero ? 'from' : 'above'} 0 and up to ${Math.floor(msMax / 1000)} s`;
  throw new UsageError(`${what} takes a time ${bounds}, such as 10, 500ms or 2m, not "${text}"`);
}

/** A size in bytes (`64`, `64k`, `1MiB`) from 1 to `max`. */
export function parseSize(text: string, max: number, what: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes >= 1 && bytes <= max) return bytes;
  const sizes = `a size from 1 to ${max} bytes, such as 512, 64k or 1M`;
  throw new UsageError(`${what} takes ${sizes}, not "${text}"`);
}

/** A whole number (`50`, `20k`) from `min` to `max`. */
export function parseCount(text: string, min: number, max: number, what: string): number {
  const count = parseWhole(text);
  if (count >= min && count <= max) return count;
  const forms = Number.isNaN(count) && max > 1000 ? ', such as 50 or 20k' : '';
  throw new UsageError(`${what} takes a number from ${min} to ${max}${forms}, not "${text}"`);
}

/** A rate (`500`, `0.5`, `20k`) of `things` per second, above 0 and up to `max`. */
export function parseRate(text: string, max: number, what: string, things = 'messages'): number {
  const rate = parseNumber(text.replace(/\/s$/, ''));
  if (rate > 0 && rate <= max) return rate;
  const range = `${things} per second, above 0 and up to ${max}, such as 500 or 20k`;
  throw new UsageError(`${what} takes ${range}, not "${text}"`);
}

/** A number of threads, or `max` for one per core. */
export function parseThreads(text: string, max: number, what: string): number {
  if (text === 'max') return Math.min(availableParallelism(), max);
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= max) return count;
  throw new UsageError(`${what} takes a number from 1 to ${max}, or max, not "${text}"`);
}
