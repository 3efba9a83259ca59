import type { CompareDocument, CompareFigures, ComparePoint } from '../../../compare/document.ts';
import { type Bar, barGroups, barKey, connectionWords } from '../bars.ts';
import { folded } from '../chart-section.ts';
import { dataTable, figure, numbers, words } from '../data-table.ts';
import { html, type Markup } from '../markup.ts';
import { grouped, timeWords } from '../page/figures.ts';

/** The loops side by side at each number of busy connections. */

/** A figure that is shown as bars. */
interface Measure {
  readonly id: string;
  readonly heading: string;
  readonly sentence: string;
  readonly title: string;
  readonly digits: number;
  readonly smallerIsBetter: boolean;
  readonly read: (figures: CompareFigures) => number;
  readonly show: (value: number) => string;
  /** From the left, with their names; a single one has none. */
  readonly parts: readonly (readonly [string, (figures: CompareFigures) => number])[];
}

/** How bars are read, after what is better. */
const HOW_TO_READ =
  'each group has a scale of its own, and the thin mark spans half of the rounds.';

const MEASURES: readonly Measure[] = [
  {
    id: 'cpu',
    heading: 'Server CPU per message',
    sentence:
      'What one message costs the server, in its own code and in the kernel: shorter is better, ' +
      HOW_TO_READ,
    title: 'CPU per message, us',
    digits: 2,
    smallerIsBetter: true,
    read: ({ cpuUsPerMessage }) => cpuUsPerMessage,
    show: timeWords,
    parts: [
      ['user', ({ userUs }) => userUs],
      ['system', ({ systemUs }) => systemUs],
    ],
  },
  {
    id: 'rate',
    heading: 'Messages per second',
    sentence:
      'How many messages came back, with client and server on one machine: longer is better, ' +
      HOW_TO_READ,
    title: 'messages per second',
    digits: 0,
    smallerIsBetter: false,
    read: ({ messagesPerSecond }) => messagesPerSecond,
    show: (value) => `${grouped(value)}/s`,
    parts: [],
  },
  {
    id: 'p99',
    heading: 'The slowest in a hundred',
    sentence:
      'The 99th percentile, the time that one message in a hundred takes longer than: shorter is ' +
      `better, ${HOW_TO_READ}`,
    title: '99th percentile, us',
    digits: 1,
    smallerIsBetter: true,
    read: ({ p99Us }) => p99Us,
    show: timeWords,
    parts: [],
  },
];

/** A section for each figure; none where nothing was measured without idle connections. */
export function barSections(document: CompareDocument): Markup[] {
  const points = busyPoints(document);
  if (points.length === 0) return [];
  return MEASURES.map((measure) => barSection(document, measure, points));
}

interface Named {
  readonly name: string;
  readonly point: ComparePoint;
}

function busyPoints({ loops }: CompareDocument): Named[] {
  return loops.flatMap((loop) => {
    if (!loop.available) return [];
    const busy = loop.points.filter(({ idleConnections }) => idleConnections === 0);
    return busy.map((point) => ({ name: loop.name, point }));
  });
}

function barSection({ plan }: CompareDocument, measure: Measure, points: readonly Named[]): Markup {
  const groups = plan.connections
    .map((connections) => ({
      title: connectionWords(connections),
      bars: points
        .filter(({ point }) => point.connections === connections)
        .map((named) => barOf(named, measure))
        .sort((a, b) => order(a, b) * (measure.smallerIsBetter ? 1 : -1)),
    }))
    .filter(({ bars }) => bars.length > 0);
  const key = measure.parts.length === 0 ? '' : barKey(measure.parts.map(([name]) => name));
  return html`<section aria-labelledby="${measure.id}-heading">
<div class="together">
<h2 id="${measure.id}-heading">${measure.heading}</h2>
<p class="sentence">${measure.sentence}</p>
<figure>
${key}
${barGroups(groups, measure.title)}
</figure>
</div>
${folded('The figures behind it', figuresTable(measure, points))}
</section>`;
}

function barOf({ name, point }: Named, { read, show, parts }: Measure): Bar {
  const value = read(point.median);
  return {
    name,
    total: { value, words: show(value) },
    parts: parts.length === 0 ? [value] : parts.map(([, part]) => part(point.median)),
    lower: read(point.lower),
    upper: read(point.upper),
  };
}

function order(a: Bar, b: Bar): number {
  return (a.total.value ?? 0) - (b.total.value ?? 0);
}

function figuresTable(measure: Measure, points: readonly Named[]): Markup {
  const { title, digits, read, parts, heading } = measure;
  return dataTable({
    caption: `${heading}: the median of the rounds, and what half of them lie between`,
    columns: [
      words('loop'),
      numbers('connections'),
      numbers(title),
      numbers('lower quartile'),
      numbers('upper quartile'),
      ...parts.map(([name]) => numbers(`${name}, us`)),
    ],
    rows: points.map(({ name, point: { connections, median, lower, upper } }) => [
      name,
      figure(connections),
      ...[median, lower, upper].map((figures) => figure(read(figures), digits)),
      ...parts.map(([, part]) => figure(part(median), digits)),
    ]),
  });
}
