import { formatAddress } from 'sockloop/sys';
import {
  counted,
  formatBytes,
  formatCount,
  formatRate,
  formatShare,
  formatTime,
} from '#src/base/number-format.js';
import type { DatagramLoadDocument, DatagramLoadPlan } from '../../load/datagrams/document.ts';
import { formatSeconds } from '../../load/plan/words.ts';
import type { SummaryRole } from './load-summary.ts';
import { wrapped } from './table.ts';

const INDENT = '  ';
const LABEL_COLUMNS = 12;
const PERCENTILES = [50, 90, 99, 99.9, 100] as const;

const KIND_WORDS = {
  udp: 'over UDP',
  dgram: 'between UNIX sockets',
  seqpacket: 'as records',
} as const;

type Row = readonly [label: string, text: string];

/** Renders a run of datagrams for a terminal, one string per line. */
export function datagramSummary(
  document: DatagramLoadDocument,
  style: { readonly width: number; readonly paint: (role: SummaryRole, text: string) => string },
): string[] {
  const rows = [...planRows(document), ['', ''] as const, ...resultRows(document)];
  const room = Math.max(20, style.width - INDENT.length - LABEL_COLUMNS);
  return rows.flatMap(([label, text]) => {
    if (text === '') return [''];
    return wrapped(text, room).map((line, index) => {
      const title = (index === 0 ? label : '').padEnd(LABEL_COLUMNS);
      return `${INDENT}${style.paint('label', title)}${line}`;
    });
  });
}

function planRows({ plan, clientCpuUs }: DatagramLoadDocument): Row[] {
  const { bytes, target, kind, sockets, loop, durationMs } = plan;
  const lasts = formatSeconds(durationMs);
  const where = `to ${formatAddress(target)} ${KIND_WORDS[kind]}`;
  return [
    ['load', `datagrams of ${formatBytes(bytes)} ${where}, ${modelWords(plan)}, ${lasts}`],
    [
      'client',
      `${loop}, ${counted(sockets, 'socket')}, ${formatTime(clientCpuUs)} of CPU a datagram`,
    ],
  ];
}

function modelWords({ model, sockets }: DatagramLoadPlan): string {
  if (model.kind === 'open') return `${formatRate(model.ratePerSecond)} whatever comes back`;
  return `${model.window} under way${sockets > 1 ? ' on each socket' : ''}`;
}

function resultRows({ counts, rates, latency, plan }: DatagramLoadDocument): Row[] {
  const { sent, answered, lost, late, duplicates, reordered, corrupted } = counts;
  const share = (count: number): string => (sent === 0 ? '0 %' : formatShare(count / sent));
  const withShare = (count: number): string =>
    count === 0 ? '0' : `${formatCount(count)} (${share(count)})`;
  const later = late === 0 ? '' : `; ${formatCount(late)} of them came later`;
  const rows: Row[] = [
    ['sent', `${formatCount(sent)}, ${formatRate(rates.sent)}`],
    ['answered', `${formatCount(answered)} (${share(answered)}), ${formatRate(rates.answered)}`],
    ['lost', `${withShare(lost)}: not back within ${formatSeconds(plan.timeoutMs)}${later}`],
    ['doubled', withShare(duplicates)],
    ['reordered', withShare(reordered)],
    ['corrupted', withShare(corrupted)],
  ];
  const { unsent } = counts;
  if (unsent > 0) {
    const ofDue = formatShare(unsent / (sent + unsent));
    const why = 'the queue was full, or this client late';
    rows.push(['unsent', `${formatCount(unsent)} (${ofDue} of what was due): ${why}`]);
  }
  if (counts.refused > 0)
    rows.push(['refused', `${formatCount(counts.refused)}: nobody receives there`]);
  if (counts.foreign > 0) rows.push(['foreign', `${formatCount(counts.foreign)}, not of this run`]);
  if (counts.droppedHere > 0) {
    rows.push(['dropped', `${formatCount(counts.droppedHere)} here: this client was too slow`]);
  }
  if (latency.count > 0) rows.push(['latency', latencyWords(latency)]);
  return rows;
}

function latencyWords({ percentiles, meanUs }: DatagramLoadDocument['latency']): string {
  const named = PERCENTILES.map((wanted) => {
    const us = percentiles.find(({ percentile }) => percentile === wanted)?.us ?? 0;
    return `${wanted === 100 ? 'max' : `p${wanted}`} ${formatTime(us)}`;
  });
  return [`mean ${formatTime(meanUs)}`, ...named].join(', ');
}
