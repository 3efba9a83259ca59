import { counted, formatRate, formatTime } from '#src/base/number-format.js';
import type { Distribution, ErrorKind, LoadCounts, Verdict } from '../document.ts';
import type { Silence } from '../record/thread-messages.ts';
import { type GeneratorEvidence, judgeGenerator } from './verdict-generator.ts';

/** The achieved rate may differ from the requested one by this share... */
const RATE_ERROR_MAX = 0.005;

/** ...and by this many messages, in flight when the measured time began or ended. */
const MESSAGES_AT_EDGES = 2;

/** Longer waits for a connection delay messages noticeably. */
const CONNECTION_WAIT_US_MAX = 1000;

/** A silence is an outage if it is this long, and much longer than the usual reply. */
const OUTAGE_MS_MIN = 500;
const OUTAGE_REPLIES_MIN = 5;

/** Above this share of the messages, connections that were not ended set the pace of the run. */
const UNENDED_SHARE_MAX = 0.1;

/** Evidence about a run. */
interface Evidence extends GeneratorEvidence {
  readonly counts: LoadCounts;
  readonly service: Distribution;
  /** The longest time without a reply though one was awaited; null where there was none. */
  readonly silence: Silence | null;
  /** Connections still waiting for the server to close them at the end of the run. */
  readonly awaitingEnd: number;
  /** Messages that were due in the measured time, null in a closed loop. */
  readonly due: number | null;
  readonly endedEarly: boolean;
  /** Delay of the start after its planned time. */
  readonly startLateMs: number;
  /** Threads that ended with an error, in words. */
  readonly failures: readonly string[];
}

/** With a later start, the runs of several machines do not overlap enough. */
const START_LATE_MS_MAX = 100;

/** Judges whether the figures are those of the server or of this side. */
export function judge(evidence: Evidence): Verdict {
  const invalid = [...evidence.failures, ...nothing(evidence)];
  const words: string[] = [];
  if (invalid.length === 0) {
    const generator = judgeGenerator(evidence);
    const silence = outageOf(evidence);
    const unended = unendedOf(evidence, silence !== null);
    // Connections that wait for their end are silent, and no outage.
    const outage = unended.length > 0 ? null : silence;
    const explained = [...generator.flaws, ...unended];
    invalid.push(...explained);
    invalid.push(...lateConnections(evidence, silence !== null || unended.length > 0));
    invalid.push(...otherRate(evidence, outage, explained.length > 0));
    if (outage !== null) words.push(outage);
    words.push(...generator.remarks);
  }
  return {
    valid: invalid.length === 0,
    reasons: [...invalid, ...words, ...remarks(evidence)],
  };
}

function nothing(evidence: Evidence): string[] {
  if (evidence.counts.messages > 0) return [];
  return [`no message came back in the measured time (${whyNothing(evidence)})`];
}

function whyNothing({ counts, measuredMs, awaitingEnd, due }: Evidence): string {
  if (measuredMs === 0) return 'it was ended before that began';
  const errors = errorWords(counts);
  if (errors !== '') return `errors: ${errors}`;
  if (awaitingEnd > 0) return unendedWords(awaitingEnd);
  if (due === 0) return 'and none was due: let it run longer, or use a higher rate';
  return 'and nothing failed: no reply was there in time, so let it run longer than one takes';
}

function unendedWords(connections: number): string {
  const waits = connections === 1 ? 'waits' : 'wait';
  return (
    `${counted(connections, 'connection')} ${waits} for the server to end them behind its reply, ` +
    'and it does not: is --mode, or --churn, what it does?'
  );
}

/** A server that replies and then does not end the connection; `silent` if the run stood still. */
function unendedOf({ counts, awaitingEnd }: Evidence, silent: boolean): string[] {
  const { notClosed } = counts.errors;
  const isPace = notClosed > UNENDED_SHARE_MAX * counts.messages;
  if (!isPace && !(silent && awaitingEnd > 0)) return [];
  return [unendedWords(Math.max(notClosed, awaitingEnd))];
}

function errorWords({ errors }: LoadCounts): string {
  return Object.entries(errors)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}

/** Describes an outage of the server or of the network; null if there was none. */
function outageOf({ silence, service, generator }: Evidence): string | null {
  if (silence === null || silence.durationMs < OUTAGE_MS_MIN) return null;
  const { startMs, durationMs } = silence;
  const usualUs = service.percentiles.find(({ percentile }) => percentile === 50)?.us ?? 0;
  if (durationMs * 1e3 < OUTAGE_REPLIES_MIN * usualUs) return null;
  // A generator that was held up may have missed replies.
  if (generator.threads.some(({ turnMaxMs }) => turnMaxMs > durationMs / 2)) return null;
  const at = (ms: number): string => `${(ms / 1e3).toFixed(1)} s`;
  return (
    `the server, or the way to it, was out for ${formatTime(durationMs * 1e3)}: no reply came ` +
    `from ${at(startMs)} to ${at(startMs + durationMs)} of the measured time`
  );
}

/** Messages that waited for a connection though the server was up. */
function lateConnections({ plan, counts, generator }: Evidence, outage: boolean): string[] {
  const { messagesPerConnection: churn, mode } = plan;
  const failed = Object.values(counts.lost).some((count) => count > 0);
  if (outage || failed || (churn === null && mode !== 'once')) return [];
  const waits = generator.threads.map(({ connectionWaitP99Us }) => connectionWaitP99Us);
  const waitUs = Math.max(0, ...waits);
  if (waitUs <= CONNECTION_WAIT_US_MAX) return [];
  const each = mode === 'once' ? 1 : churn;
  return [
    `messages waited ${formatTime(waitUs)} for a connection at the 99th percentile, of which ` +
      `each carries ${counted(each ?? 1, 'message')}: use more connections`,
  ];
}

function otherRate(evidence: Evidence, outage: string | null, generatorWasLate: boolean): string[] {
  const { due, measuredMs, generator, counts } = evidence;
  if (due === null) return [];
  const { achievedPerSecond } = generator;
  const replies = (achievedPerSecond * measuredMs) / 1000;
  const missing = due - replies;
  const allowed = RATE_ERROR_MAX * due + MESSAGES_AT_EDGES;
  if (Math.abs(missing) <= allowed) return [];
  const asked = (due / measuredMs) * 1000;
  const apart = `${formatRate(asked)} were due and ${formatRate(achievedPerSecond)} came back`;
  if (missing < 0) {
    return [
      `${apart}: replies to the warm-up came in the measured time, for the server was behind ` +
        'when that began: use a longer warm-up, and a lower rate if that does not help',
    ];
  }
  if (generatorWasLate) return [`${apart}, more than 0.5 % apart: see above`];
  if (outage !== null) return [`${apart}, for the server was not there all the time: see below`];
  const failed = sumOf(counts.errors);
  if (failed >= missing - allowed) {
    return [`${apart}, for ${counted(failed, 'message')} failed (${errorWords(counts)})`];
  }
  return [
    `${apart}, more than 0.5 % apart: the server, or the way to it, does not keep up with that ` +
      'rate: use a lower one',
  ];
}

function sumOf(counts: Readonly<Record<ErrorKind, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function remarks({ counts, endedEarly, startLateMs }: Evidence): string[] {
  const words: string[] = [];
  if (endedEarly) words.push('it was ended before its time');
  if (counts.errors.resources > 0) {
    words.push(
      `connections failed ${counted(counts.errors.resources, 'time')} for lack of descriptors ` +
        'or local ports: raise the limit (ulimit -n), or give more --source-addresses',
    );
  }
  if (startLateMs > START_LATE_MS_MAX) {
    words.push(`it began ${formatTime(startLateMs * 1e3)} later than it was to`);
  }
  return words;
}
