import {
  counted,
  formatBytes,
  formatCount,
  formatRate,
  formatShare,
  formatTime,
} from '#src/base/number-format.js';
import type { Figures, Rates } from './rates.ts';

/** Widest view: longer lines are hard to read. */
const COLUMNS_MAX = 100;
const LABEL_COLUMNS = 13;
const GAP = 3;

/** A column of the table of threads, the most important ones with the lowest rank. */
interface Column {
  readonly head: string;
  readonly rank: number;
  readonly width: number;
  text(rates: Rates): string;
}

const COLUMNS: readonly Column[] = [
  { head: 'thread', rank: 0, width: 6, text: ({ thread }) => thread },
  { head: 'open', rank: 1, width: 7, text: ({ open }) => formatCount(open) },
  {
    head: 'accepted',
    rank: 4,
    width: 10,
    text: ({ acceptedPerSecond }) => rateText(acceptedPerSecond),
  },
  { head: 'in', rank: 2, width: 9, text: ({ inPerSecond }) => bytesRate(inPerSecond) },
  { head: 'out', rank: 5, width: 9, text: ({ outPerSecond }) => bytesRate(outPerSecond) },
  { head: 'queued', rank: 6, width: 9, text: ({ queuedBytes }) => shortBytes(queuedBytes) },
  { head: 'lag p99', rank: 3, width: 8, text: ({ lagP99Us }) => lagText(lagP99Us) },
];

/** The lines of a terminal with so many columns, the last of which is left free, and rows. */
export function topLines(figures: Figures, url: string, columns: number, rows: number): string[] {
  const width = Math.min(columns, COLUMNS_MAX) - 1;
  const { now, all } = figures;
  const { openDescriptors } = now;
  const loops = now.threads.length === 1 ? now.loop : `${now.threads.length} x ${now.loop}`;
  const state = now.draining ? 'draining' : `up ${upText(now.upSeconds)}`;
  const lines = [
    fitted(width, [`serve, ${loops}, ${now.mode}`, state, url]),
    row(width, 'connections', [
      `${formatCount(all.open)} open`,
      `${rateText(all.acceptedPerSecond)} accepted`,
      `${formatCount(all.accepted)} in all`,
      ...endWords(now.ended, now.shed),
    ]),
    row(width, 'traffic', [
      `${bytesRate(all.inPerSecond)} in`,
      `${bytesRate(all.outPerSecond)} out`,
      `${shortBytes(all.queuedBytes)} queued`,
    ]),
    row(width, 'loop lag', [
      `p50 ${lagText(all.lagP50Us)}`,
      `p99 ${lagText(all.lagP99Us)}`,
      `${rateText(all.turnsPerSecond)} turns`,
    ]),
    row(width, 'process', [
      `${formatShare(figures.cpuShare)} CPU`,
      formatBytes(now.residentBytes),
      ...(openDescriptors === null ? [] : [counted(openDescriptors, 'descriptor')]),
    ]),
    '',
  ];
  return [...lines, ...tableLines(figures.threads, width, rows - lines.length - 1)];
}

/** One line for a log. */
export function topLine(figures: Figures, seconds: number): string {
  const { all, cpuShare, now } = figures;
  const words = [
    `${seconds.toFixed(1)} s`.padStart(8),
    ...(now.draining ? ['draining'] : []),
    `${formatCount(all.open)} open`,
    `${rateText(all.acceptedPerSecond)} accepted`,
    `${bytesRate(all.inPerSecond)} in`,
    `${bytesRate(all.outPerSecond)} out`,
    `${shortBytes(all.queuedBytes)} queued`,
    `lag p99 ${lagText(all.lagP99Us)}`,
    `${formatShare(cpuShare)} CPU`,
  ];
  return words.join('   ');
}

function tableLines(threads: readonly Rates[], width: number, rows: number): string[] {
  const columns = columnsWithin(width);
  const line = (cell: (column: Column) => string): string =>
    columns.map((column) => cell(column).padStart(column.width)).join(' '.repeat(gap(width)));
  // The head and, of more threads than rows, a last line that says so.
  const shown = threads.length <= rows - 1 ? threads : threads.slice(0, Math.max(1, rows - 2));
  const rest = threads.length - shown.length;
  return [
    line(({ head }) => head),
    ...shown.map((rates) => line((column) => column.text(rates))),
    ...(rest === 0 ? [] : [`and ${counted(rest, 'thread')} more`]),
  ];
}

/** The columns that fit, the most important ones first to be chosen. */
function columnsWithin(width: number): Column[] {
  const chosen = new Set<Column>();
  let used = -gap(width);
  for (const column of COLUMNS.toSorted((one, two) => one.rank - two.rank)) {
    used += column.width + gap(width);
    if (used > width && chosen.size > 0) break;
    chosen.add(column);
  }
  return COLUMNS.filter((column) => chosen.has(column));
}

function gap(width: number): number {
  return width >= 70 ? GAP - 1 : 1;
}

function row(width: number, label: string, words: readonly string[]): string {
  const head = width >= 50 ? label.padEnd(LABEL_COLUMNS) : '';
  return head + fitted(width - head.length, words);
}

/** The words from the first on that fit. */
function fitted(width: number, words: readonly string[]): string {
  const space = ' '.repeat(width >= 50 ? GAP : 2);
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : line + space + word;
    if (longer.length > width) break;
    line = longer;
  }
  return line === '' ? (words[0] ?? '').slice(0, width) : line;
}

function endWords(ended: ReadonlyMap<string, number>, shed: number): string[] {
  const words = [...ended].filter(([reason, count]) => reason !== 'done' && count > 0);
  const counts = words.map(([reason, count]) => `${formatCount(count)} ${reason}`);
  return shed === 0 ? counts : [...counts, `${formatCount(shed)} shed`];
}

/** Of so few a second that fractions count, there are none to speak of. */
function rateText(perSecond: number): string {
  return formatRate(perSecond < 0.05 ? 0 : perSecond);
}

function bytesRate(perSecond: number): string {
  return `${shortBytes(perSecond)}/s`;
}

function shortBytes(bytes: number): string {
  return bytes < 1000 ? `${Math.round(bytes)} B` : formatBytes(bytes);
}

function lagText(us: number | null): string {
  return us === null ? '-' : formatTime(us);
}

function upText(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}
