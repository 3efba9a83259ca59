import { counted, formatBytes, formatCount, formatTime } from '#src/base/number-format.js';
import type { CompareDocument, ComparePoint, LoadPoint } from '../../compare/document.ts';
import { isAt } from '../../compare/winner.ts';
import { type Remark, together } from '../../compare/wording.ts';
import { BOLD, DIM, GREEN, paint, YELLOW } from '../../terminal/style.ts';
import { textTable, wrapped } from './table.ts';

const COLUMNS = [
  'busy + idle',
  'loop',
  'msg/s',
  'CPU us',
  'user',
  'system',
  'p50',
  'p99',
  'calls',
].map((title, at) => ({ title, align: at === 1 ? ('left' as const) : ('right' as const) }));

/** One loop at one load point. */
interface Row {
  readonly name: string;
  readonly point: ComparePoint;
}

/** The summary of a comparison, for a terminal of `width` columns. */
export function compareSummary(document: CompareDocument, width: number): string[] {
  const { winner, remarks } = document;
  const rows = rowsOf(document);
  return [
    ...(rows.length === 0 ? [] : [...table(rows, width), '']),
    ...(winner === null ? [] : wrapped(winner.words, width).map((line) => paint(BOLD, line))),
    ...wrapped(methodWords(document), width),
    ...memoryWords(document).flatMap((words) => wrapped(words, width)),
    ...remarks.flatMap((words) => wrapped(words, width)).map((line) => paint(DIM, line)),
    ...missing(document).flatMap(({ names, words }) =>
      wrapped(`${names.join(', ')}: ${words}`, width).map((line) => paint(YELLOW, line)),
    ),
  ];
}

/** By load point, at each of them the loop that spends least on a message first. */
function rowsOf({ loops }: CompareDocument): Row[] {
  const rows = loops.flatMap((loop): Row[] =>
    loop.available ? loop.points.map((point) => ({ name: loop.name, point })) : [],
  );
  return rows.sort(
    (a, b) =>
      a.point.connections - b.point.connections ||
      a.point.idleConnections - b.point.idleConnections ||
      a.point.median.cpuUsPerMessage - b.point.median.cpuUsPerMessage,
  );
}

function table(rows: readonly Row[], width: number): string[] {
  const cells = rows.map(({ name, point }, at) => {
    const before = rows[at - 1];
    const { median, callsPerMessage } = point;
    return [
      before !== undefined && isAt(before.point, point) ? '' : shortLoadPoint(point),
      name,
      formatCount(median.messagesPerSecond),
      ...[median.cpuUsPerMessage, median.userUs, median.systemUs].map((us) => us.toFixed(2)),
      formatTime(median.p50Us),
      formatTime(median.p99Us),
      callsPerMessage?.toFixed(2) ?? '-',
    ];
  });
  const [head = '', ...lines] = textTable(COLUMNS, cells, width);
  const painted = lines.map((line, at) => {
    const first = cells[at]?.[0] !== '';
    return first ? paint(GREEN, line) : line;
  });
  return [paint(BOLD, head), ...painted];
}

/** `50`, or `10 + 1000`. */
function shortLoadPoint({ connections, idleConnections }: LoadPoint): string {
  const busy = formatCount(connections);
  return idleConnections === 0 ? busy : `${busy} + ${formatCount(idleConnections)}`;
}

function methodWords({ plan }: CompareDocument): string {
  const { rounds, durationMs, messageBytes, threads } = plan;
  const slices = counted(rounds, 'slice');
  return (
    (threads === 1 ? '' : `servers of ${threads} threads; `) +
    `medians of ${slices} of ${durationMs / 1000} s each, in turns; messages of ` +
    `${formatBytes(messageBytes)}, every one compared with what was sent`
  );
}

function memoryWords({ loops }: CompareDocument): string[] {
  const words = loops.flatMap((loop) => {
    if (!loop.available || loop.memoryKibPerConnection === null) return [];
    const kib = loop.memoryKibPerConnection;
    const size = kib < 1024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
    return [`${loop.name} ${size}`];
  });
  return words.length === 0 ? [] : [`resident memory per connection: ${words.join(', ')}`];
}

/** Load points without figures, with the reasons; equal reasons are merged. */
function missing({ loops }: CompareDocument): Remark[] {
  const all = loops.flatMap((loop) => {
    if (!loop.available) return [{ name: loop.name, words: loop.reason }];
    const reasons = new Map<string, string[]>();
    for (const point of loop.missing) {
      reasons.set(point.reason, [...(reasons.get(point.reason) ?? []), shortLoadPoint(point)]);
    }
    return [...reasons].map(([reason, loadPoints]) => ({
      name: loop.name,
      words: `not at ${loadPoints.join(', ')}: ${reason}`,
    }));
  });
  return together(all);
}
