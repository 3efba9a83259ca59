import { parseDurationMs } from '#src/base/quantities.js';
import type { Distribution } from '../document.ts';
import { decodeHistogram } from '../record/histograms.ts';

/** What stands between a figure and its limit. */
export type Relation = '>' | '>=' | '<' | '<=';

/** A condition as it was written: `p99>5ms`. */
interface ConditionParts {
  readonly name: string;
  readonly relation: Relation;
  /** The limit: a number without a unit. */
  readonly digits: string;
  /** What stands behind it; empty without anything. */
  readonly unit: string;
}

/** A percentile is a number above 0 and up to 100. */
export type Statistic = 'min' | 'mean' | 'max' | number;

const CONDITION = /^\s*([a-zA-Z0-9.]+)\s*(>=|<=|>|<)\s*([\d.]+)\s*([a-zA-Z\u00b5\u03bc%/]*)\s*$/;

/** Takes a condition apart. Throws a RangeError that ends with `grammar`. */
export function conditionParts(text: string, grammar: string): ConditionParts {
  const parts = CONDITION.exec(text);
  if (parts === null) throw new RangeError(`"${text}" is not a condition: ${grammar}`);
  const [, name = '', sign = '', digits = '', unit = ''] = parts;
  if (!/^\d+(\.\d+)?$/.test(digits)) {
    throw new RangeError(`"${digits}" in "${text}" is not a number`);
  }
  return { name, relation: sign as Relation, digits, unit };
}

/** The limit of a condition on a time, in microseconds. Throws a RangeError without a unit. */
export function timeLimitUs(text: string, { digits, unit }: ConditionParts): number {
  const timeMs = unit === '' ? Number.NaN : parseDurationMs(digits + unit);
  if (!Number.isNaN(timeMs)) return timeMs * 1e3;
  throw new RangeError(`"${text}" needs a time with its unit: ns, us, ms or s`);
}

/** What `name` asks of a distribution of times; null if that is none. */
export function statisticOf(name: string): Statistic | null {
  if (name === 'min' || name === 'mean' || name === 'max') return name;
  const percentile = /^p(\d+(?:\.\d+)?)$/.exec(name)?.[1];
  const value = percentile === undefined ? Number.NaN : Number(percentile);
  return value > 0 && value <= 100 ? value : null;
}

/** The figure in microseconds. */
export function statisticUs(distribution: Distribution, statistic: Statistic): number {
  if (statistic === 'min') return distribution.minUs;
  if (statistic === 'mean') return distribution.meanUs;
  if (statistic === 'max') return distribution.maxUs;
  const known = distribution.percentiles.find(({ percentile }) => percentile === statistic);
  if (known !== undefined) return known.us;
  return decodeHistogram(distribution.histogram).getValueAtPercentile(statistic) / 1e3;
}

/** Whether the relation holds. */
export function compares(value: number, relation: Relation, limit: number): boolean {
  switch (relation) {
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
  }
}
