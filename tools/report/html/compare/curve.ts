import type { CompareDocument, ComparePoint } from '../../../compare/document.ts';
import { connectionWords } from '../bars.ts';
import type { ChartSection } from '../chart-section.ts';
import { figure, numbers } from '../data-table.ts';
import type { Series } from '../page/chart-data.ts';
import { seriesStyles } from '../page/series-styles.ts';

/** The classic curve: what a message costs while more and more connections are open. */

interface Line {
  readonly name: string;
  /** By the number of open connections. */
  readonly points: ReadonlyMap<number, ComparePoint>;
}

/** Beside idle connections where these were measured, else with all of them busy. */
export function curveSection(document: CompareDocument): ChartSection {
  const { plan, loops } = document;
  const idle = plan.idleConnections.length > 0;
  const lines = loops.flatMap((loop): Line[] => {
    if (!loop.available) return [];
    const points = loop.points.filter(({ connections, idleConnections }) =>
      idle ? connections === plan.besideIdle : idleConnections === 0,
    );
    const open = points.map((point): [number, ComparePoint] => [openAt(point), point]);
    return [{ name: loop.name, points: new Map(open) }];
  });
  const xs = [...new Set(lines.flatMap(({ points }) => [...points.keys()]))].sort((a, b) => a - b);
  const series = lines.map(({ name, points }, index): Series => {
    const style = index % seriesStyles.length;
    const values = xs.map((x) => points.get(x)?.median.cpuUsPerMessage ?? null);
    const look = { style, colour: style, axis: 'left', shape: 'line', markers: true } as const;
    return { ...look, name, unit: 'us', filled: false, values };
  });
  const beside = `${connectionWords(plan.besideIdle)} ${plan.besideIdle === 1 ? 'is' : 'are'} busy`;
  return {
    heading: 'What many connections cost',
    sentence: idle
      ? `Server CPU per message while ${beside} and the others idle: a flat line costs the same ` +
        'however many are open, a rising one pays for each of them in every wait.'
      : 'Server CPU per message with so many connections, all of them busy: a falling line ' +
        'shares its waits among more of them, a rising one pays for each.',
    data: {
      id: 'curve',
      x: { scale: 'log', unit: 'count', share: 1 },
      y: { scale: 'log', unit: 'us', share: 1 },
      right: null,
      xs,
      xEnd: null,
      series,
      heat: null,
    },
    yTitle: 'server CPU per message, logarithmic',
    xTitle: 'open connections, logarithmic',
    rightTitle: null,
    table: {
      caption: 'Server CPU per message in microseconds, median of the rounds, by open connections',
      columns: [numbers('open connections'), ...lines.map(({ name }) => numbers(name))],
      rows: xs.map((x) => [
        figure(x),
        ...lines.map(({ points }) => figure(points.get(x)?.median.cpuUsPerMessage ?? null, 2)),
      ]),
    },
  };
}

function openAt({ connections, idleConnections }: ComparePoint): number {
  return connections + idleConnections;
}
