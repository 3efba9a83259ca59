import { availableParallelism } from 'node:os';
import { ECHO_MODES, type EchoMode } from '../echo/session.ts';
import { TIMEOUT_MS_MAX } from '../socket/settings.ts';
import { UsageError } from './exit.ts';

/** The values of flags and arguments, each checked where it is read. */

/** A port from `min` to 65535; `what` names the flag or argument. */
export function parsePort(text: string, min: 0 | 1, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= min && port <= 65535) return port;
  throw new UsageError(`${what} takes a number from ${min} to 65535, not "${text}"`);
}

/** Seconds, with a fraction if need be, as milliseconds. */
export function parseSeconds(text: string, what: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const timeoutMs = Math.ceil(seconds * 1000);
  if (timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  const secondsMax = Math.floor(TIMEOUT_MS_MAX / 1000);
  throw new UsageError(`${what} takes seconds above 0 and up to ${secondsMax}, not "${text}"`);
}

/** A whole number from `min` to `max`. */
export function parseCount(text: string, min: number, max: number, what: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= min && count <= max) return count;
  throw new UsageError(`${what} takes a number from ${min} to ${max}, not "${text}"`);
}

/** One of the names of {@link ECHO_MODES}. */
export function parseMode(text: string): EchoMode {
  const mode = ECHO_MODES.find((name) => name === text);
  if (mode !== undefined) return mode;
  throw new UsageError(`--mode takes ${ECHO_MODES.join(', ')}, not "${text}"`);
}

/** A number of threads, or `max` for one on each core. */
export function parseThreads(text: string, max: number, what: string): number {
  if (text === 'max') return Math.min(availableParallelism(), max);
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= max) return count;
  throw new UsageError(`${what} takes a number from 1 to ${max}, or max, not "${text}"`);
}
