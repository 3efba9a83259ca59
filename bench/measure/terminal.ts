import type { PeerMemory } from './idle-run.ts';
import type { CaseResult, PeerResult } from './results.ts';
import { REFERENCE } from './servers.ts';
import { benchTable, percent } from './text-table.ts';

/** The results as tables for a terminal. */

const HEAD = [
  'server',
  'ratio',
  'quartiles',
  'CPU us',
  'user',
  'system',
  'msg/s',
  'busy',
  'waited',
  'client waited',
  'p50 us',
  'p99',
  'p99.9',
  'calls',
];

function row(result: PeerResult): string[] {
  const { name, ratio, cpuUsPerMessage, userShare } = result;
  const isReference = name === REFERENCE;
  const cpuUs = cpuUsPerMessage.median;
  return [
    name,
    isReference ? '1' : ratio.median.toFixed(3),
    isReference ? '' : `${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)}`,
    cpuUs.toFixed(2),
    userShare === null ? '' : (cpuUs * userShare).toFixed(2),
    userShare === null ? '' : (cpuUs * (1 - userShare)).toFixed(2),
    Math.round(result.messagesPerSecond.median).toString(),
    percent(result.busyShare),
    percent(result.waitedShare, 1),
    percent(result.clientWaitedShare, 1),
    Math.round(result.p50Us).toString(),
    Math.round(result.p99Us).toString(),
    Math.round(result.p999Us).toString(),
    result.callsPerMessage?.toFixed(2) ?? '',
  ];
}

export function caseTable({ case: what, results, missing }: CaseResult): string {
  const sorted = results.toSorted((a, b) => a.ratio.median - b.ratio.median);
  const lines = [`${what.name}: ${what.title}`, benchTable(HEAD, sorted.map(row))];
  for (const { name, reason } of missing) lines.push(`  ${name} is missing: ${reason}`);
  return lines.join('\n');
}

export function memoryTable(memory: readonly PeerMemory[]): string {
  const rows = memory.map(({ name, freshBytes, bytesPerConnection }) => [
    name,
    (freshBytes / 2 ** 20).toFixed(1),
    bytesPerConnection === null ? '' : (bytesPerConnection / 1024).toFixed(2),
  ]);
  return benchTable(['server', 'MiB fresh', 'KiB per idle connection'], rows);
}
