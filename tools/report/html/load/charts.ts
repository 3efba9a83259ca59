import {
  type Distribution,
  ERROR_KINDS,
  type Interval,
  type LoadDocument,
} from '../../../load/document.ts';
import { decodeHistogram } from '../../../load/record/histograms.ts';
import type { ChartSection } from '../chart-section.ts';
import { figure, numbers, words } from '../data-table.ts';
import type { ChartData, Series } from '../page/chart-data.ts';
import { grouped, markTimeWords, percentileWords, timeWords } from '../page/figures.ts';

/** The charts of a load run. */

/** How far apart the points of a percentile curve are: 25 from 90 to 99, and so on. */
const CURVE_STEP = 0.04;
/** From 99.9999999 on the arithmetic of percentiles has no digits left. */
const CURVE_END_MAX = 9;

/** A table of the heat map has a column for each of these times, at the most. */
const BAND_EDGES_US = [100, 1e3, 10e3, 100e3, 1e6];

const steps = { axis: 'left', shape: 'steps', markers: false, filled: false } as const;
const SECONDS = { scale: 'linear', unit: 'seconds', share: 1 } as const;
const TIMES = { scale: 'log', unit: 'us', share: 1 } as const;
/** Errors stay below the line of the messages. */
const ERRORS_SHARE = 0.3;
const X_TITLE = 'seconds since counting began';

/** Replies, errors and what was asked for, interval by interval. */
export function throughputSection(document: LoadDocument): ChartSection {
  const { intervals } = document;
  const open = document.plan.model.kind === 'open';
  const failed = intervals.some(({ errors }) => errors > 0);
  const rate = { ...steps, unit: 'perSecond' } as const;
  const series: Series[] = [
    {
      ...rate,
      name: 'messages per second',
      style: 0,
      colour: 0,
      filled: true,
      values: intervals.map((one) => perSecond(one.messages, one)),
    },
  ];
  if (open) {
    const values = intervals.map(({ askedPerSecond }) => askedPerSecond);
    series.push({ ...rate, name: 'asked for', style: 1, colour: 5, values });
  }
  if (failed) {
    const values = intervals.map((one) => perSecond(one.errors, one));
    const right = { axis: 'right', filled: true } as const;
    series.push({ ...rate, ...right, name: 'errors per second', style: 2, colour: 1, values });
  }
  const y = { scale: 'linear', unit: 'perSecond', share: 1 } as const;
  return {
    heading: 'Throughput over time',
    sentence: open
      ? 'How many replies came in each interval, beside the rate that was asked for: where they ' +
        'fall below it, somebody did not keep up.'
      : 'How many replies came in each interval: the server sets the pace of a closed loop, so a ' +
        'dip is a moment in which it was slow.',
    data: {
      ...timeAxis(intervals, 'throughput'),
      y,
      right: failed ? { ...y, share: ERRORS_SHARE } : null,
      series,
      heat: null,
    },
    yTitle: 'messages per second',
    xTitle: X_TITLE,
    rightTitle: failed ? 'errors per second' : null,
    table: {
      caption: `Each interval: messages, errors, and the ${timeOf(document)} time`,
      columns: [
        ...['from, s', 'lasted, s', 'messages', 'messages per second'].map(numbers),
        ...(open ? [numbers('asked for per second')] : []),
        ...['errors', 'median, us', '99th percentile, us', 'longest, us'].map(numbers),
      ],
      rows: intervals.map((one) => [
        figure(one.startMs / 1000, 1),
        figure(one.durationMs / 1000, 2),
        figure(one.messages),
        figure(perSecond(one.messages, one)),
        ...(open ? [figure(one.askedPerSecond)] : []),
        figure(one.errors),
        ...[one.p50Us, one.p99Us, one.maxUs].map((us) => figure(us, 1)),
      ]),
    },
  };
}

/** The share of messages against the time that it took at the most. */
export function percentileSection(document: LoadDocument): ChartSection {
  const { response, service, connect, plan } = document;
  const open = plan.model.kind === 'open';
  const lines = [
    ...(open ? [{ name: 'response time', of: response, style: 0, colour: 0 }] : []),
    { name: 'service time', of: service, style: open ? 1 : 0, colour: open ? 2 : 0 },
  ].filter(({ of }) => of.count > 0);
  const length = Math.max(0, ...lines.map(({ of }) => pointsOf(of)));
  const xs = Array.from({ length }, (_, index) => percentileAt(index));
  const series = lines.map(({ of, ...line }): Series => {
    const values = curve(of, xs);
    return { ...steps, ...line, shape: 'line', unit: 'us', values };
  });
  const shown = response.percentiles.map(({ percentile }) => percentile);
  const times: readonly (readonly [string, (of: Distribution) => number])[] = [
    ['least', ({ minUs }) => minUs],
    ['mean', ({ meanUs }) => meanUs],
    ['standard deviation', ({ stdDevUs }) => stdDevUs],
    ...shown.map((percentile): [string, (of: Distribution) => number] => [
      `${percentileWords(percentile)} %`,
      ({ percentiles }) => percentiles.find((one) => one.percentile === percentile)?.us ?? 0,
    ]),
    ['most', ({ maxUs }) => maxUs],
  ];
  const all = [response, service, connect];
  return {
    heading: 'How long messages took',
    sentence:
      'The time in which a share of the messages was done: at 99 one message in a hundred took ' +
      'longer than the curve says, at 99.9 one in a thousand.',
    data: {
      id: 'percentiles',
      x: { scale: 'percentile', unit: 'percentile', share: 1 },
      y: TIMES,
      right: null,
      xs,
      xEnd: null,
      series,
      heat: null,
    },
    yTitle: `time${open ? '' : ' from sending to the reply'}, logarithmic`,
    xTitle: 'percentile',
    rightTitle: null,
    table: {
      caption:
        'Microseconds from when a message was due (response) and from when it was sent ' +
        '(service) to its reply, and of connect(2)',
      columns: [words('share or figure'), ...['response', 'service', 'connect'].map(numbers)],
      rows: [
        ['count', ...all.map(({ count }) => figure(count))],
        ...times.map(([name, read]) => [
          name,
          ...all.map((of) => figure(of.count === 0 ? null : read(of), 1)),
        ]),
      ],
    },
  };
}

/** When which times were seen. */
export function heatSection(document: LoadDocument): ChartSection {
  const { intervals, heat } = document;
  const secondsEach = heat.intervalMs / 1000;
  const used = usedRows(heat.counts);
  const counts = heat.counts.map((column) => column.slice(used.first, used.end));
  const rows = [edgeBelow(heat.edgesUs, used.first), ...heat.edgesUs.slice(used.first, used.end)];
  const columns = Array.from({ length: counts.length + 1 }, (_, index) => index * secondsEach);
  const time = { ...steps, unit: 'us', colour: 1 } as const;
  const bands = bandsOf(heat.edgesUs);
  const most = counts.reduce((high, column) => Math.max(high, ...column), 0);
  return {
    heading: 'Times over time',
    sentence:
      'How many messages took how long in each interval: the stronger the colour, the more of ' +
      'them; a lone cell far above the others is a pause that few messages met.',
    data: {
      ...timeAxis(intervals, 'heat'),
      y: TIMES,
      right: null,
      series: [
        { ...time, name: 'median', style: 0, values: intervals.map(({ p50Us }) => p50Us) },
        { ...time, name: '99th percentile', style: 1, values: intervals.map(({ p99Us }) => p99Us) },
      ],
      heat: { columns, rows, counts, most },
    },
    yTitle: `${timeOf(document)} time, logarithmic`,
    xTitle: X_TITLE,
    rightTitle: null,
    table: {
      caption: 'Messages of each interval by the time they took; the JSON has narrower bands',
      columns: [numbers('from, s'), ...bands.map(({ title }) => numbers(title))],
      rows: heat.counts.map((column, index) => [
        figure(index * secondsEach, 1),
        ...bands.map(({ first, end }) => figure(sum(column.slice(first, end)))),
      ]),
    },
  };
}

function timeAxis(
  intervals: readonly Interval[],
  id: string,
): Pick<ChartData, 'id' | 'x' | 'xs' | 'xEnd'> {
  const last = intervals.at(-1);
  return {
    id,
    x: SECONDS,
    xs: intervals.map(({ startMs }) => startMs / 1000),
    xEnd: last === undefined ? 0 : (last.startMs + last.durationMs) / 1000,
  };
}

function perSecond(count: number, { durationMs }: Interval): number {
  return durationMs === 0 ? 0 : (count / durationMs) * 1000;
}

/** What the intervals and the heat map are made of. */
function timeOf({ plan }: LoadDocument): string {
  return plan.model.kind === 'open' ? 'response' : 'service';
}

/** Up to the percentile beyond which there is one message only; a line of them has a length. */
function pointsOf({ count }: Distribution): number {
  if (count === 0) return 0;
  const end = Math.min(CURVE_END_MAX, Math.max(1, Math.log10(count)));
  return Math.floor(end / CURVE_STEP) + 1;
}

function percentileAt(index: number): number {
  return 100 * (1 - 10 ** (-index * CURVE_STEP));
}

function curve(of: Distribution, xs: readonly number[]): (number | null)[] {
  const histogram = decodeHistogram(of.histogram);
  const own = pointsOf(of);
  // The upper end of the last bucket lies above the longest time that was really seen.
  return xs.map((percentile, index) =>
    index < own ? Math.min(of.maxUs, histogram.getValueAtPercentile(percentile) / 1000) : null,
  );
}

/** From the first row that counted something to behind the last one. */
function usedRows(counts: readonly (readonly number[])[]): { first: number; end: number } {
  let [first, end] = [Number.POSITIVE_INFINITY, 0];
  for (const column of counts) {
    const lowest = column.findIndex((count) => count > 0);
    if (lowest >= 0) first = Math.min(first, lowest);
    end = Math.max(end, column.findLastIndex((count) => count > 0) + 1);
  }
  return { first: Math.min(first, end), end };
}

/** The lower edge of a row; the first one's lies as far down as the others' do. */
function edgeBelow(edgesUs: readonly number[], row: number): number {
  const [first = 1, second = first * 2] = edgesUs;
  return edgesUs[row - 1] ?? first ** 2 / second;
}

interface Band {
  readonly title: string;
  readonly first: number;
  readonly end: number;
}

/** The rows of a heat map in a few bands, whose limits are the nearest edges it has. */
function bandsOf(edgesUs: readonly number[]): Band[] {
  const ends = BAND_EDGES_US.map((edge) => edgesUs.findIndex((us) => us >= edge) + 1);
  const limits = [...new Set([...ends.filter((end) => end > 0), edgesUs.length])];
  return limits.map((end, index) => {
    const first = index === 0 ? 0 : (limits[index - 1] ?? 0);
    const [low, high] = [edgesUs[first - 1], edgesUs[end - 1] ?? 0];
    const title = low === undefined ? '' : `${markTimeWords(low)} to `;
    return {
      first,
      end,
      title: title === '' ? `below ${markTimeWords(high)}` : title + markTimeWords(high),
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The figures that are read first. */
export function keyFiguresOf(document: LoadDocument): (readonly [string, string, string])[] {
  const { response, generator, counts, measuredMs } = document;
  const at = (percentile: number): string => {
    const us = response.percentiles.find((one) => one.percentile === percentile)?.us;
    return us === undefined || response.count === 0 ? '\u{2013}' : timeWords(us);
  };
  const asked = generator.askedPerSecond;
  const failed = sum(ERROR_KINDS.map((kind) => counts.errors[kind]));
  return [
    [
      'Messages per second',
      grouped(generator.achievedPerSecond),
      asked === null ? `${grouped(counts.messages)} in all` : `of ${grouped(asked)} asked for`,
    ],
    ['Median', at(50), `${timeOf(document)} time`],
    ['99th percentile', at(99), `${timeOf(document)} time`],
    [
      '99.9th percentile',
      at(99.9),
      `longest ${response.count === 0 ? '\u{2013}' : timeWords(response.maxUs)}`,
    ],
    ['Errors', grouped(failed), `in ${grouped(measuredMs / 1000, 1)} s`],
  ];
}
