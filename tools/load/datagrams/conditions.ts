import { formatCount, formatRate, formatShare, formatTime } from '#src/base/number-format.js';
import { parseDurationMs, parseNumber } from '#src/base/quantities.js';
import type { DatagramLoadDocument } from './document.ts';

/** A condition under which a run of datagrams counts as failed: `lost>1%`. */
export interface DatagramCondition {
  /** As it was written. */
  readonly text: string;
  /** Says what was measured, and whether the condition holds. */
  judge(document: DatagramLoadDocument): { readonly holds: boolean; readonly words: string };
}

const COUNTED = [
  'lost',
  'late',
  'duplicates',
  'reordered',
  'corrupted',
  'unsent',
  'refused',
] as const;
type Counted = (typeof COUNTED)[number];

const RELATIONS: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  '>': (value, limit) => value > limit,
  '>=': (value, limit) => value >= limit,
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
};

const GRAMMAR =
  `a condition is like p99>5ms, mean>=200us, max>1s, rate<1000, or of ${COUNTED.join(', ')}, as ` +
  'lost>0 or lost>1%';

/** Reads a condition. Throws a RangeError that says what is wrong with it. */
export function parseDatagramCondition(text: string): DatagramCondition {
  const parts = /^\s*([a-zA-Z0-9.]+)\s*(>=|<=|>|<)\s*([\d.]+)\s*([a-zA-Z%/]*)\s*$/.exec(text);
  const [, name = '', sign = '', digits = '', unit = ''] = parts ?? [];
  const holds = RELATIONS[sign];
  if (parts === null || holds === undefined)
    throw new RangeError(`"${text}" is not a condition: ${GRAMMAR}`);
  const judging =
    ofTime(name, digits, unit) ?? ofRate(name, digits, unit) ?? ofCount(name, digits, unit);
  if (judging === null) throw new RangeError(`"${text}" is not measured: ${GRAMMAR}`);
  return {
    text,
    judge: (document) => {
      const { value, words } = judging.measured(document);
      return { holds: holds(value, judging.limit), words };
    },
  };
}

interface Judging {
  readonly limit: number;
  measured(document: DatagramLoadDocument): { readonly value: number; readonly words: string };
}

function ofTime(name: string, digits: string, unit: string): Judging | null {
  const percent = /^p(\d+(?:\.\d+)?)$/.exec(name)?.[1];
  if (percent === undefined && !['min', 'mean', 'max'].includes(name)) return null;
  const limit = unit === '' ? Number.NaN : parseDurationMs(digits + unit) * 1e3;
  if (Number.isNaN(limit)) throw new RangeError(`"${digits}${unit}" needs a unit: ns, us, ms or s`);
  return {
    limit,
    measured: ({ latency }) => {
      const value =
        percent === undefined ? statisticOf(latency, name) : percentileOf(latency, Number(percent));
      return { value, words: `${name} is ${formatTime(value)}` };
    },
  };
}

function statisticOf(latency: DatagramLoadDocument['latency'], name: string): number {
  if (name === 'min') return latency.minUs;
  return name === 'mean' ? latency.meanUs : latency.maxUs;
}

/** The next percentile that the document names: never less than what was asked for. */
function percentileOf(
  { percentiles, maxUs }: DatagramLoadDocument['latency'],
  percent: number,
): number {
  return percentiles.find(({ percentile }) => percentile >= percent)?.us ?? maxUs;
}

function ofRate(name: string, digits: string, unit: string): Judging | null {
  if (name !== 'rate') return null;
  const limit = parseNumber(digits + unit.replace(/\/s$/, ''));
  if (Number.isNaN(limit)) throw new RangeError(`"${digits}${unit}" is no rate`);
  return {
    limit,
    measured: ({ rates }) => ({
      value: rates.answered,
      words: `rate is ${formatRate(rates.answered)}`,
    }),
  };
}

function ofCount(name: string, digits: string, unit: string): Judging | null {
  const counted = COUNTED.find((one) => one === name);
  if (counted === undefined) return null;
  const limit = parseNumber(digits + unit.replace('%', ''));
  if (Number.isNaN(limit))
    throw new RangeError(`"${digits}${unit}" is neither a number nor a share`);
  const isShare = unit.endsWith('%');
  return {
    limit: isShare ? limit / 100 : limit,
    measured: (document) => countOf(document, counted, isShare),
  };
}

function countOf({ counts }: DatagramLoadDocument, name: Counted, isShare: boolean) {
  const count = counts[name];
  const share = counts.sent === 0 ? 0 : count / counts.sent;
  const words = `${name} is ${isShare ? formatShare(share) : formatCount(count)}`;
  return { value: isShare ? share : count, words };
}
