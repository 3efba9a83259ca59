import { parseDurationMs } from '#src/base/quantities.js';
import { UsageError } from '../../terminal/exit.ts';

/** Furthest start: a later one is taken for a mistake. */
const AHEAD_MS_MAX = 12 * 3_600_000;

/**
 * When to begin, in milliseconds of the wall clock: `+30`, in seconds, or `+2m` from `nowMs`, the
 * next `HH:MM` or `HH:MM:SS` of the local time, or an ISO time, local where it names no zone.
 */
export function parseStart(text: string, nowMs: number): number {
  const startMs = fromNow(text, nowMs) ?? today(text, nowMs) ?? isoTime(text);
  if (startMs === null) {
    throw new UsageError(
      `--start-at takes HH:MM, HH:MM:SS, an ISO time or +30s, +2m from now, not "${text}"`,
    );
  }
  const aheadMs = startMs - nowMs;
  if (aheadMs >= 0 && aheadMs <= AHEAD_MS_MAX) return startMs;
  const what = `--start-at "${text}"`;
  if (aheadMs < 0) {
    throw new UsageError(
      `${what} has passed, ${Math.ceil(-aheadMs / 1000)} s ago: it takes a time to come`,
    );
  }
  throw new UsageError(`${what} is ${Math.round(aheadMs / 3_600_000)} hours ahead: 12 at the most`);
}

function fromNow(text: string, nowMs: number): number | null {
  const aheadMs = text.startsWith('+') ? parseDurationMs(text.slice(1)) : Number.NaN;
  return Number.isNaN(aheadMs) ? null : nowMs + Math.ceil(aheadMs);
}

/** The occurrence of a time of day that is nearest to now. */
function today(text: string, nowMs: number): number | null {
  const [, hours, minutes, seconds = '0'] = /^(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  if (hours === undefined || Number(hours) > 23) return null;
  if (Number(minutes) > 59 || Number(seconds) > 59) return null;
  const times = [-1, 0, 1].map((days) => {
    const date = new Date(nowMs);
    date.setDate(date.getDate() + days);
    return date.setHours(Number(hours), Number(minutes), Number(seconds), 0);
  });
  return times.reduce((best, time) =>
    Math.abs(time - nowMs) < Math.abs(best - nowMs) ? time : best,
  );
}

function isoTime(text: string): number | null {
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?$/;
  const timeMs = form.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(timeMs) ? null : timeMs;
}
