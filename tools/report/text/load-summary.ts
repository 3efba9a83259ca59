import {
  counted,
  formatBytes,
  formatCount,
  formatRate,
  formatShare,
  formatTime,
} from '#src/base/number-format.js';
import {
  type Distribution,
  ERROR_KINDS,
  type ErrorKind,
  LOSS_KINDS,
  type LoadDocument,
  type LoadMachine,
  type LossKind,
  type ThreadFacts,
  type Trouble,
} from '../../load/document.ts';
import { PLAN_ROWS } from '../../load/plan/table.ts';
import { formatEndpoint } from '../../load/plan/words.ts';
import type { LoadModel, LoadPlan } from '../../load/plan.ts';
import { wrapped } from './table.ts';

/** Role of a piece of text in a summary, from which its colour follows. */
export type SummaryRole = 'title' | 'label' | 'figure' | 'bar' | 'good' | 'bad';

/** Layout of a summary. */
interface SummaryStyle {
  /** Columns of the terminal. */
  readonly width: number;
  /** Gives a piece of text its colour; the same text where there is none. */
  readonly paint: (role: SummaryRole, text: string) => string;
}

const INDENT = '  ';
const LABEL_COLUMNS = 12;
const TIME_COLUMNS = 10;
/** A bar shorter than this says nothing. */
const BAR_COLUMNS_MIN = 8;
const BAR_COLUMNS_MAX = 40;
/** More threads than these share a line. */
const THREADS_LISTED_MAX = 4;

const PERCENTILES = [50, 90, 99, 99.9, 100] as const;

const ERROR_WORDS: Readonly<Record<ErrorKind, string>> = {
  refused: 'refused',
  unreachable: 'could not connect',
  connectTimeout: 'timed out connecting',
  reset: 'reset',
  shortReply: 'ended before the whole reply',
  mismatch: 'with other bytes than were sent',
  timeout: 'timed out waiting for a reply',
  resources: 'out of descriptors or ports',
  lost: 'lost with their connection',
  notClosed: 'not closed by the server',
};

const LOSS_WORDS: Readonly<Record<LossKind, string>> = {
  reset: 'reset by the server',
  closed: 'closed by the server',
  timeout: 'given up after a timeout',
  mismatch: 'given up after wrong bytes',
};

/** Renders a load run for a terminal, one string per line. */
export function loadSummary(document: LoadDocument, style: SummaryStyle): string[] {
  const { plan, generator, verdict } = document;
  const facts: [label: string, text: string][] = [
    ['load', loadWords(plan)],
    ['client', clientWords(document)],
    ...document.machines.map((machine, index): [string, string] => [
      index === 0 ? (document.machines.length === 1 ? 'machine' : 'machines') : '',
      machineWords(machine),
    ]),
    ['', ''],
    ['rate', rateWords(document)],
    ['answered', answeredWords(document)],
    ...connectionWords(document),
    ...lossWords(document),
    ['errors', errorWords(document.counts) || 'none'],
    ...warmupWords(document),
  ];
  return [
    ...wrapped(printable(titleOf(document)), style.width).map((line) => style.paint('title', line)),
    '',
    ...facts.flatMap(([label, text]) => factLines(label, text, style)),
    '',
    ...latencyLines(document, style),
    '',
    ...threadWords(generator.threads, plan.model).flatMap((text, index) =>
      factLines(index === 0 ? 'generator' : '', text, style),
    ),
    '',
    ...verdictLines(verdict.valid, verdict.reasons, style),
  ];
}

/** The verdict alone: `VALID`, or `INVALID: why`, and every further remark below it. */
function verdictLines(valid: boolean, reasons: readonly string[], style: SummaryStyle): string[] {
  const word = valid ? 'VALID' : 'INVALID';
  const [first = '', ...others] = reasons.map(printable);
  const text = first === '' ? word : `${word}: ${first}`;
  const [head = '', ...tail] = wrapped(text, style.width);
  const painted = style.paint(valid ? 'good' : 'bad', word) + head.slice(word.length);
  const more = others.flatMap((reason) => indented(reason, style.width));
  return [painted, ...tail, ...more];
}

function indented(text: string, width: number): string[] {
  return wrapped(text, width - INDENT.length).map((line) => INDENT + line);
}

function factLines(label: string, text: string, { width, paint }: SummaryStyle): string[] {
  if (label === '' && text === '') return [''];
  const lines = wrapped(printable(text), width - INDENT.length - LABEL_COLUMNS);
  return lines.map((line, index) => {
    const front = (index === 0 ? label : '').padEnd(LABEL_COLUMNS);
    return INDENT + paint('label', front) + line;
  });
}

/** A document may come from elsewhere: its texts are not to drive the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

function titleOf({ plan, measuredMs, endedEarly }: LoadDocument): string {
  const early = endedEarly ? `, ended early after ${secondsWords(measuredMs)}` : '';
  return (
    `${plan.model.kind} loop against ${formatEndpoint(plan.endpoint)}, ` +
    `${secondsWords(plan.durationMs)}${early}`
  );
}

function secondsWords(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`;
}

function loadWords(plan: LoadPlan): string {
  const parts = PLAN_ROWS.map(([field, { brief }]) => brief?.(plan[field]) ?? '');
  return parts.filter((part) => part !== '').join(', ');
}

function clientWords({ plan, machines }: LoadDocument): string {
  const idle = plan.idleConnections === 0 ? '' : ` and ${formatCount(plan.idleConnections)} idle`;
  const loops = [...new Set(machines.map(({ loop }) => loop))].join(', ');
  const connections = `${counted(plan.connections, 'connection')}${idle}`;
  return `${connections} on ${counted(plan.threads, 'thread')}, ${loops}`;
}

function machineWords({ hostname, cpu, cores, kernel, node, sockloop }: LoadMachine): string {
  const system = `${counted(cores, 'core')}, ${kernel}, node ${node.replace(/^v/, '')}`;
  return `${hostname}: ${cpu}, ${system}, sockloop ${sockloop}`;
}

function rateWords({ generator }: LoadDocument): string {
  const { achievedPerSecond, askedPerSecond, cpuUsPerMessage } = generator;
  const cpu = `, ${formatTime(cpuUsPerMessage)} of CPU per message`;
  if (askedPerSecond === null) return formatRate(achievedPerSecond) + cpu;
  // Rounded down: 99.99 % is not all of it.
  const percent = Math.floor((achievedPerSecond / askedPerSecond) * 1e4) / 100;
  const asked = `of ${formatRate(askedPerSecond)} asked (${percent} %)`;
  return `${formatRate(achievedPerSecond)} ${asked}${cpu}`;
}

function answeredWords({ counts, measuredMs }: LoadDocument): string {
  const { messages, sentBytes, receivedBytes } = counts;
  const bytes = `${formatBytes(sentBytes)} out, ${formatBytes(receivedBytes)} in`;
  return `${counted(messages, 'message')} in ${secondsWords(measuredMs)}, ${bytes}`;
}

/** Connections are worth a line where there is more than one for each place. */
function connectionWords({ plan, connect, measuredMs }: LoadDocument): [string, string][] {
  const churns = plan.messagesPerConnection !== null || plan.mode === 'once';
  if (!churns || connect.count === 0 || measuredMs === 0) return [];
  const rate = formatRate((connect.count * 1000) / measuredMs);
  const times = `p50 ${timeAt(connect, 50)}, p99 ${timeAt(connect, 99)} to connect`;
  return [['connected', `${rate}, ${times}`]];
}

function errorWords({ errors }: Trouble): string {
  return ERROR_KINDS.filter((kind) => errors[kind] > 0)
    .map((kind) => `${formatCount(errors[kind])} ${ERROR_WORDS[kind]}`)
    .join(', ');
}

/** Connections that did not last: a line where there were any. */
function lossWords({ counts, plan }: LoadDocument): [string, string][] {
  const words = lostWords(counts);
  if (words === '') return [];
  const places = counted(plan.connections + plan.idleConnections, 'place');
  return [['connections', `${words}; ${formatCount(counts.connections)} in all for ${places}`]];
}

/** `296 reset by the server, 296 replaced`, or nothing. */
function lostWords({ lost, replaced }: Trouble): string {
  const words = LOSS_KINDS.filter((kind) => lost[kind] > 0).map(
    (kind) => `${formatCount(lost[kind])} ${LOSS_WORDS[kind]}`,
  );
  return words.length === 0 ? '' : `${words.join(', ')}, ${formatCount(replaced)} replaced`;
}

/** What went wrong before it counted: a line where anything did. */
function warmupWords({ warmup }: LoadDocument): [string, string][] {
  const lost = lostWords(warmup);
  const words = [errorWords(warmup), lost === '' ? '' : `connections ${lost}`].filter(Boolean);
  return words.length === 0 ? [] : [['warm-up', words.join('; ')]];
}

function latencyLines(document: LoadDocument, style: SummaryStyle): string[] {
  const { plan, response, service } = document;
  const open = plan.model.kind === 'open';
  const columns: [title: string, of: Distribution][] = open
    ? [
        ['response', response],
        ['service', service],
      ]
    : [['service', service]];
  if (service.count === 0) return factLines('latency', 'no reply, so none was measured', style);
  const used = INDENT.length + LABEL_COLUMNS + columns.length * (TIME_COLUMNS + 1) + 2;
  const bar = Math.min(BAR_COLUMNS_MAX, style.width - used);
  const titles = columns.map(([title]) => title.padStart(TIME_COLUMNS)).join(' ');
  const head = INDENT + style.paint('label', `${'time'.padEnd(LABEL_COLUMNS)}${titles}`);
  const shown = columns[0]?.[1] ?? service;
  return [
    head,
    ...PERCENTILES.map((percentile) => {
      const label = percentile === 100 ? 'max' : `p${percentile}`;
      const cells = columns.map(([, of]) => timeAt(of, percentile).padStart(TIME_COLUMNS));
      const share = usAt(shown, percentile) / shown.maxUs;
      const length = bar < BAR_COLUMNS_MIN ? 0 : Math.max(1, Math.round(share * bar));
      const front = INDENT + style.paint('label', label.padEnd(LABEL_COLUMNS));
      const drawn = length === 0 ? '' : `  ${style.paint('bar', '='.repeat(length))}`;
      return front + style.paint('figure', cells.join(' ')) + drawn;
    }),
  ];
}

function usAt(distribution: Distribution, percentile: number): number {
  if (percentile === 100) return distribution.maxUs;
  return distribution.percentiles.find((entry) => entry.percentile === percentile)?.us ?? 0;
}

function timeAt(distribution: Distribution, percentile: number): string {
  return formatTime(usAt(distribution, percentile));
}

function threadWords(threads: readonly ThreadFacts[], model: LoadModel): string[] {
  if (threads.length <= THREADS_LISTED_MAX) {
    return threads.map((thread, index) => {
      const name = threads.length === 1 ? '' : `thread ${index + 1}: `;
      return name + loadOf(thread, model);
    });
  }
  const shares = threads.map(({ cpuShare }) => cpuShare);
  const range = `${formatShare(Math.min(...shares))} to ${formatShare(Math.max(...shares))}`;
  const lagUs = Math.max(...threads.map(({ scheduleLagP99Us }) => scheduleLagP99Us));
  const lag = model.kind === 'open' ? `, p99 of the lag up to ${formatTime(lagUs)}` : '';
  return [`${threads.length} threads, each ${range} busy${deniedWords(threads)}${lag}`];
}

function loadOf(thread: ThreadFacts, model: LoadModel): string {
  const { cpuShare, scheduleLagP99Us, scheduleLagMaxUs } = thread;
  const busy = `${formatShare(cpuShare)} busy${deniedWords([thread])}`;
  if (model.kind === 'closed') return busy;
  const lag = `p99 ${formatTime(scheduleLagP99Us)}, max ${formatTime(scheduleLagMaxUs)}`;
  return `${busy}, sent later than due: ${lag}`;
}

/** A share of its time that a thread was denied is worth a word from 1 % on. */
const DENIED_SHARE_MIN = 0.01;

/** What threads were denied at the most. */
function deniedWords(threads: readonly ThreadFacts[]): string {
  const most = (of: (thread: ThreadFacts) => number): number => Math.max(0, ...threads.map(of));
  const waited = most(({ waitedShare }) => waitedShare ?? 0);
  const overslept = most(({ oversleptShare }) => oversleptShare);
  return (
    (waited < DENIED_SHARE_MIN ? '' : `, waiting for a CPU ${formatShare(waited)}`) +
    (overslept < DENIED_SHARE_MIN ? '' : `, asleep too long ${formatShare(overslept)}`)
  );
}
