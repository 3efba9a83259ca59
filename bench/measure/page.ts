import { formatCount } from '#src/base/number-format.js';
import { wrapped } from '#tools/report/text/table.js';
import type { BenchmarkDocument } from './document.ts';
import type { CaseResult, PeerResult } from './results.ts';
import { AGAIN, REFERENCE } from './servers.ts';
import { percent } from './text-table.ts';

/** The page that is written from a document: docs/benchmarks.md. */

const COLUMNS = 100;

export function pageOf(document: BenchmarkDocument, picture: string): string {
  const steady = document.cases.filter((one) => one.case.churn !== true);
  const churn = document.cases.filter((one) => one.case.churn === true);
  const titles = new Map(document.servers.map(({ name, title }) => [name, title]));
  const parts = [
    '# Echo servers, measured',
    introduction(document),
    `![CPU per message of each server as a ratio to C epoll, at each case](${picture})`,
    '## At a glance',
    ratioTable(document, titles),
    '## Method',
    method(document),
    ...steady.flatMap((one) => [`## ${heading(one)}`, caseSection(one, titles, 'message')]),
    ...memorySection(document, titles),
    ...churn.flatMap((one) => [`## ${heading(one)}`, caseSection(one, titles, 'connection')]),
    '## The servers',
    serversSection(document),
  ];
  return `${parts.join('\n\n')}\n`;
}

function introduction({ command, machine, seconds, plan }: BenchmarkDocument): string {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  const at = machine.at.slice(0, 16).replace('T', ' ');
  const minutes = (seconds / 60).toFixed(1);
  return paragraph(`
    Written by \`${command}\` on ${at} UTC, in ${minutes} minutes: ${plan.rounds} rounds, slices of
    ${plan.sliceMs} ms, seed ${plan.seed}. The machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB,
    ${kernel}, Node ${node}. The figures of every slice are in [benchmarks.json](benchmarks.json).
    Do not edit this page: \`make bench\` makes it anew.`);
}

function method(document: BenchmarkDocument): string {
  const { callCounter } = document;
  const calls =
    'words' in callCounter
      ? `System calls are counted in slices of their own, with \`${callCounter.words}\`.`
      : `System calls were not counted: ${sentence(callCounter.reason)}.`;
  const how = paragraph(`
    All servers run at once on one core, the client that is busy is on another, and every echoed
    byte is compared. The servers take turns in random order, with a slice of the C epoll server
    before and after each. **CPU per message** is the CPU time of the whole process, all its
    threads, over its messages; the **ratio** is to the mean of the two slices of C epoll beside
    it: the median of all slices, and half of them lie between the quartiles. Absolute figures
    drift with the machine, for all servers alike; the ratio is what holds. User and system are
    that CPU time, divided as the kernel's ticks found the process, good to 0.2 us at best.
    Throughput is the server's only where it is the limit: against a good server the client is. In
    a closed loop latency is little more than connections over throughput; the open loop counts it
    from the time when a message was due, which is what a user waits. ${calls}`);
  return `${how}\n\n${paragraph(noise(document))}`;
}

/** How far apart one and the same program is under its two names. */
function noise({ cases, stolenShare, wakeLatency }: BenchmarkDocument): string {
  const again = cases.flatMap(({ results }) =>
    results.filter(({ name }) => name === AGAIN).map(({ ratio }) => ratio.median),
  );
  const [low, high] = [Math.min(...again), Math.max(...again)].map((ratio) => ratio.toFixed(3));
  const words =
    again.length === 0
      ? 'The noise was not measured in this run.'
      : `**The noise**: the same C program under a second name came to ${low} to ${high} over the
        cases. Differences of that size mean nothing.`;
  const waited = cases.map(
    ({ results }) => results.find(({ name }) => name === REFERENCE)?.waitedShare ?? 0,
  );
  const clientWaited = cases.map(
    ({ results }) => results.find(({ name }) => name === REFERENCE)?.clientWaitedShare ?? 0,
  );
  return `${words} What disturbed: the reference was ready and had no core for
    ${percent(Math.max(0, ...waited), 1)} of the time at the worst case, its client for
    ${percent(Math.max(0, ...clientWaited), 1)}, the hypervisor took
    ${percent(stolenShare, 1)} of all time; ${wakeLatency}.`;
}

/** Ratios of all servers at all cases, the least expensive server first. */
function ratioTable(document: BenchmarkDocument, titles: Titles): string {
  const { cases } = document;
  const rows = ranking(document).map((name) => [
    titles.get(name) ?? name,
    ...cases.map((one) => ratioText(one.results.find((result) => result.name === name))),
  ]);
  const head = ['CPU per message, ratio to C epoll', ...cases.map((one) => one.case.name)];
  return markdownTable(head, rows);
}

/** All servers by the geometric mean of their ratios over the cases they have. */
export function ranking({ cases, servers }: BenchmarkDocument): string[] {
  const meanOf = (name: string): number =>
    geometricMean(
      cases.flatMap(({ results }) =>
        results.filter((result) => result.name === name).map(({ ratio }) => ratio.median),
      ),
    );
  return servers
    .map(({ name }) => ({ name, mean: meanOf(name) }))
    .filter(({ mean }) => !Number.isNaN(mean))
    .sort((a, b) => a.mean - b.mean)
    .map(({ name }) => name);
}

function ratioText(result: PeerResult | undefined): string {
  if (result === undefined) return '';
  return result.name === REFERENCE ? '1' : result.ratio.median.toFixed(2);
}

type Titles = ReadonlyMap<string, string>;

function heading({ case: what }: CaseResult): string {
  return `${what.title.slice(0, 1).toUpperCase()}${what.title.slice(1)} (\`${what.name}\`)`;
}

function caseSection(one: CaseResult, titles: Titles, unit: string): string {
  const head = [
    'server',
    `CPU per ${unit}, ratio (quartiles)`,
    'CPU, us (user + system)',
    `${unit}s/s`,
    'p50 / p99 / p99.9, us',
    `system calls per ${unit}`,
  ];
  const sorted = one.results.toSorted((a, b) => a.ratio.median - b.ratio.median);
  const rows = sorted.map((result) => caseRow(result, titles));
  const missing = one.missing.map(({ name, reason }) => {
    return `${titles.get(name) ?? name}: ${sentence(reason)}`;
  });
  const absent = missing.length === 0 ? '' : `\n\nNot in the table: ${missing.join('; ')}.`;
  return `${markdownTable(head, rows)}${absent}`;
}

function caseRow(result: PeerResult, titles: Titles): string[] {
  const { name, ratio, cpuUsPerMessage, userShare, messagesPerSecond } = result;
  const cpuUs = cpuUsPerMessage.median;
  const digits = cpuUs < 1 ? 2 : 1;
  const parts =
    userShare === null
      ? ''
      : ` (${(cpuUs * userShare).toFixed(digits)} + ${(cpuUs * (1 - userShare)).toFixed(digits)})`;
  return [
    titles.get(name) ?? name,
    name === REFERENCE
      ? '1'
      : `${ratio.median.toFixed(3)} (${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)})`,
    `${cpuUs.toFixed(2)}${parts}`,
    formatCount(messagesPerSecond.median),
    [result.p50Us, result.p99Us, result.p999Us].map(formatCount).join(' / '),
    result.callsPerMessage?.toFixed(2) ?? '',
  ];
}

function memorySection({ memory, cases }: BenchmarkDocument, titles: Titles): string[] {
  if (memory.length === 0) return [];
  const idle = cases.find((one) => one.case.idle !== undefined)?.case.idle ?? 0;
  const each = ({ bytesPerConnection: bytes }: (typeof memory)[number]): number =>
    bytes ?? Number.POSITIVE_INFINITY;
  const rows = memory
    .toSorted((a, b) => each(a) - each(b) || a.freshBytes - b.freshBytes)
    .map(({ name, freshBytes, bytesPerConnection }) => [
      titles.get(name) ?? name,
      (freshBytes / 2 ** 20).toFixed(1),
      bytesPerConnection === null ? '' : (bytesPerConnection / 1024).toFixed(2),
    ]);
  const words = paragraph(`
    Resident memory: of a process that has echoed one message, and what it grows by for each of
    ${formatCount(idle)} idle connections, every one of which has echoed a message. Connections have
    come and gone before, so that compiled code is not counted; the kernel's own memory for sockets
    is not either.`);
  const head = ['server', 'fresh process, MiB', 'per idle connection, KiB'];
  return ['## Memory', `${words}\n\n${markdownTable(head, rows)}`];
}

function serversSection({ servers, missing }: BenchmarkDocument): string {
  const rows = servers.map(({ name, title, version }) => [title, `\`${name}\``, version]);
  const table = markdownTable(['server', 'name', 'version'], rows, 3);
  if (missing.length === 0) return table;
  const absent = missing.map(({ title, reason }) => `- ${title}: ${sentence(reason)}`);
  return `${table}\n\nNot to be had here:\n\n${absent.join('\n')}`;
}

/** Words of another program on one line, with nothing that the page would take as its own. */
function sentence(words: string): string {
  return words.replaceAll(/\s+/g, ' ').replaceAll(/[|<>]/g, '').trim();
}

/** A paragraph, in lines that fit an editor. */
function paragraph(words: string): string {
  return wrapped(words.trim().replaceAll(/\s+/g, ' '), COLUMNS).join('\n');
}

/** NaN of nothing. */
function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Numbers stand to the right; the first `left` columns to the left. */
function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  left = 1,
): string {
  const rule = head.map((_, i) => (i < left ? '---' : '---:'));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [head, rule, ...rows].map(line).join('\n');
}
