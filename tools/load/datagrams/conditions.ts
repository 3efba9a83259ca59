import { formatCount, formatRate, formatShare, formatTime } from '#src/base/number-format.js';
import { parseNumber } from '#src/base/quantities.js';
import {
  compares,
  conditionParts,
  statisticOf,
  statisticUs,
  timeLimitUs,
} from '../result/condition.ts';
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

const GRAMMAR =
  `a condition is like p99>5ms, mean>=200us, max>1s, rate<1000, or of ${COUNTED.join(', ')}, as ` +
  'lost>0 or lost>1%';

/** Reads a condition. Throws a RangeError that says what is wrong with it. */
export function parseDatagramCondition(text: string): DatagramCondition {
  const parts = conditionParts(text, GRAMMAR);
  const judging = ofTime(text, parts) ?? ofRate(parts) ?? ofCount(parts);
  if (judging === null) throw new RangeError(`"${text}" is not measured: ${GRAMMAR}`);
  return {
    text,
    judge: (document) => {
      // A run that has measured nothing has not passed.
      if (judging.isOfTime && document.latency.count === 0) {
        return { holds: true, words: `nothing came back to judge ${text} by` };
      }
      const { value, words } = judging.measured(document);
      return { holds: compares(value, parts.relation, judging.limit), words };
    },
  };
}

type Parts = ReturnType<typeof conditionParts>;

interface Judging {
  readonly isOfTime: boolean;
  readonly limit: number;
  measured(document: DatagramLoadDocument): { readonly value: number; readonly words: string };
}

function ofTime(text: string, parts: Parts): Judging | null {
  const { name } = parts;
  const statistic = statisticOf(name);
  if (statistic === null) return null;
  return {
    isOfTime: true,
    limit: timeLimitUs(text, parts),
    measured: ({ latency }) => {
      const value = statisticUs(latency, statistic);
      return { value, words: `${name} is ${formatTime(value)}` };
    },
  };
}

function ofRate({ name, digits, unit }: Parts): Judging | null {
  if (name !== 'rate') return null;
  const limit = parseNumber(digits + unit.replace(/\/s$/, ''));
  if (Number.isNaN(limit)) throw new RangeError(`"${digits}${unit}" is no rate`);
  return {
    isOfTime: false,
    limit,
    measured: ({ rates }) => ({
      value: rates.answered,
      words: `rate is ${formatRate(rates.answered)}`,
    }),
  };
}

function ofCount({ name, digits, unit }: Parts): Judging | null {
  const counted = COUNTED.find((one) => one === name);
  if (counted === undefined) return null;
  const limit = parseNumber(digits + unit.replace('%', ''));
  if (Number.isNaN(limit))
    throw new RangeError(`"${digits}${unit}" is neither a number nor a share`);
  const isShare = unit.endsWith('%');
  return {
    isOfTime: false,
    limit: isShare ? limit / 100 : limit,
    measured: (document) => countOf(document, counted, isShare),
  };
}

function countOf({ counts }: DatagramLoadDocument, name: Counted, isShare: boolean) {
  const count = counts[name];
  // Of what was due, for what was not sent.
  const all = counts.sent + (name === 'unsent' ? count : 0);
  const share = all === 0 ? 0 : count / all;
  const words = `${name} is ${isShare ? formatShare(share) : formatCount(count)}`;
  return { value: isShare ? share : count, words };
}
