import { counted, formatRate, formatTime } from '#src/base/number-format.js';
import { parseNumber } from '#src/base/quantities.js';
import type { ErrorKind, LoadDocument } from '../document.ts';
import { ERROR_KINDS, LOSS_KINDS } from '../document.ts';
import {
  compares,
  conditionParts,
  type Relation,
  type Statistic,
  statisticOf,
  statisticUs,
  timeLimitUs,
} from './condition.ts';

/** A condition under which a run counts as failed: `p99>5ms`. */
export interface Threshold {
  /** As it was written. */
  readonly text: string;
  readonly metric: Metric;
  readonly relation: Relation;
  /** In microseconds, messages per second, errors, or percent of the messages. */
  readonly limit: number;
}

type Metric =
  | { readonly kind: 'time'; readonly of: TimeKind; readonly statistic: Statistic }
  | { readonly kind: 'errors'; readonly error: ErrorKind | null; readonly percent: boolean }
  | { readonly kind: 'rate' }
  | { readonly kind: 'lost' }
  | { readonly kind: 'invalid' };

type TimeKind = (typeof TIME_KINDS)[number];

/** What a document has to say to a {@link Threshold}. */
interface Judgement {
  /** Whether the condition holds, and the run has failed. */
  readonly holds: boolean;
  /** What was measured: `p99 is 7.21 ms, more than 5.00 ms`. */
  readonly words: string;
}

const TIME_KINDS = ['response', 'service', 'connect'] as const;
/** In words: where they hold, and where they do not. */
const RELATIONS = {
  '>': ['more than', 'not more than'],
  '>=': ['at least', 'less than'],
  '<': ['less than', 'at least'],
  '<=': ['not more than', 'more than'],
} as const satisfies Readonly<Record<Relation, unknown>>;
const GRAMMAR =
  'a condition is like p99>5ms, service.mean>=200us, errors>0, errors>1%, lost>0, rate<1000, ' +
  'or invalid';

/** What may stand behind the limit of a condition that is no time, and what that limit is. */
const COUNTS = {
  errors: { suffix: /^%$/, right: 'a number of errors or a percentage' },
  rate: { suffix: /\/s$/, right: 'messages per second' },
  lost: { suffix: /^$/, right: 'a number of connections' },
  invalid: { suffix: /^$/, right: 'nothing' },
} as const;

/**
 * Reads a condition: what is measured, one of `>`, `>=`, `<`, `<=`, and a limit.
 *
 * Times are `p50`, `p99.9` or any other percentile, `min`, `mean` and `max`, with `response.`
 * (which may be left out), `service.` or `connect.` in front and a limit in ns, us, ms or s.
 * `errors` (or `errors.timeout`, and so on) takes a number or a percentage of all messages, `rate`
 * the messages per second that were achieved, `lost` the connections that were lost. `invalid`
 * alone holds where the verdict says so. Throws a RangeError that says what is wrong with it.
 */
export function parseThreshold(text: string): Threshold {
  if (text.trim() === 'invalid') {
    return { text, metric: { kind: 'invalid' }, relation: '>', limit: 0 };
  }
  const parts = conditionParts(text, GRAMMAR);
  const { name, relation, digits, unit } = parts;
  const metric = metricOf(name, unit);
  if (metric === null) throw new RangeError(`"${name}" in "${text}" is not measured: ${GRAMMAR}`);
  if (metric.kind === 'time') return { text, metric, relation, limit: timeLimitUs(text, parts) };
  const { suffix, right } = COUNTS[metric.kind];
  const scaled = parseNumber(digits + unit.replace(suffix, ''));
  if (!Number.isNaN(scaled)) return { text, metric, relation, limit: scaled };
  throw new RangeError(`"${text}" compares ${metric.kind} with "${unit}": it takes ${right}`);
}

function metricOf(name: string, unit: string): Metric | null {
  if (name === 'rate' || name === 'lost') return { kind: name };
  const percent = unit === '%';
  if (name === 'errors') return { kind: 'errors', error: null, percent };
  const dot = name.indexOf('.');
  // The dot of p99.9 is no other than that of service.p99.
  const prefix = name.startsWith('p') || dot < 0 ? '' : name.slice(0, dot);
  const rest = prefix === '' ? name : name.slice(dot + 1);
  if (prefix === 'errors') {
    const error = ERROR_KINDS.find((kind) => kind === rest);
    return error === undefined ? null : { kind: 'errors', error, percent };
  }
  const of = prefix === '' ? 'response' : TIME_KINDS.find((kind) => kind === prefix);
  const statistic = statisticOf(rest);
  return of === undefined || statistic === null ? null : { kind: 'time', of, statistic };
}

/**
 * Whether `threshold` holds for `document`. Without a single sample to go by it always does: a run
 * that has measured nothing has not passed.
 */
export function judge(threshold: Threshold, document: LoadDocument): Judgement {
  const { metric, relation, limit, text } = threshold;
  if (metric.kind === 'invalid') return judgeVerdict(document);
  const samples = metric.kind === 'time' ? document[metric.of].count : document.response.count;
  if (samples === 0) return { holds: true, words: `nothing was measured to judge ${text} by` };
  const value = figureOf(metric, document);
  const holds = compares(value, relation, limit);
  const shown = (figure: number): string => format(metric, figure);
  const word = RELATIONS[relation][holds ? 0 : 1];
  return { holds, words: `${nameOf(metric, value)} ${shown(value)}, ${word} ${shown(limit)}` };
}

function judgeVerdict({ verdict }: LoadDocument): Judgement {
  if (verdict.valid) return { holds: false, words: 'the run is VALID' };
  return { holds: true, words: `the run is INVALID: ${verdict.reasons[0] ?? ''}` };
}

function figureOf(metric: Metric, document: LoadDocument): number {
  switch (metric.kind) {
    case 'invalid':
      return document.verdict.valid ? 0 : 1;
    case 'lost':
      return LOSS_KINDS.reduce((sum, kind) => sum + document.counts.lost[kind], 0);
    case 'rate':
      return document.generator.achievedPerSecond;
    case 'errors': {
      const { errors, messages } = document.counts;
      const all = ERROR_KINDS.reduce((sum, kind) => sum + errors[kind], 0);
      const count = metric.error === null ? all : errors[metric.error];
      return metric.percent ? (100 * count) / (messages + all) : count;
    }
    case 'time':
      return statisticUs(document[metric.of], metric.statistic);
  }
}

function nameOf(metric: Metric, value: number): string {
  if (metric.kind === 'rate') return 'the rate is';
  if (metric.kind === 'lost') return value === 1 ? 'there was' : 'there were';
  if (metric.kind === 'invalid') return 'the verdict is';
  if (metric.kind === 'errors') {
    if (!metric.percent) return value === 1 ? 'there is' : 'there are';
    return metric.error === null ? 'errors are' : `${metric.error} errors are`;
  }
  const { of, statistic } = metric;
  return `${of} time ${typeof statistic === 'number' ? `p${statistic}` : statistic} is`;
}

function format(metric: Metric, value: number): string {
  if (metric.kind === 'time') return formatTime(value);
  if (metric.kind === 'rate') return formatRate(value);
  if (metric.kind === 'lost') return counted(value, 'lost connection');
  if (metric.kind === 'invalid') return `${value}`;
  if (metric.percent) return `${Number(value.toPrecision(3))} %`;
  return counted(value, metric.error === null ? 'error' : `${metric.error} error`);
}
