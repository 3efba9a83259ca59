import type { Distribution, LoadCounts, ThreadFacts, Verdict } from './document.ts';
import { counted, formatRate, formatShare, formatTime } from './figures.ts';

/** Above this share of its time on a CPU, a thread of a closed loop is what sets the pace. */
const CPU_SHARE_MAX = 0.9;

/** The rate that was achieved may differ from the one that was asked for by this share... */
const RATE_ERROR_MAX = 0.005;

/** ...and by so many messages, which were under way when the measured time began or ended. */
const MESSAGES_AT_EDGES = 2;

/** Messages that were sent later than this say something about the generator. */
const LAG_US_MAX = 1000;
const LAG_SHARE_MAX = 0.1;

/** A turn that took longer made everything that came in it late. */
const TURN_MS_MAX = 50;

/** What there is to judge by. */
interface Evidence {
  readonly counts: LoadCounts;
  readonly response: Distribution;
  readonly threads: readonly ThreadFacts[];
  readonly measuredMs: number;
  /** Messages that were due in the measured time, null in a closed loop. */
  readonly due: number | null;
  readonly achievedPerSecond: number;
  readonly endedEarly: boolean;
  /** How much later than it was told to the run began. */
  readonly startLateMs: number;
  /** Threads that ended with an error, in words. */
  readonly failures: readonly string[];
}

/** Starting later than this makes a run of several machines one of fewer. */
const START_LATE_MS_MAX = 100;

/** Whether the figures are those of the server, or of this side. */
export function judge(evidence: Evidence): Verdict {
  const invalid = [...evidence.failures, ...nothing(evidence)];
  if (invalid.length === 0) {
    invalid.push(...slowTurns(evidence));
    invalid.push(...(evidence.due === null ? busyThreads(evidence) : lateSends(evidence)));
    invalid.push(...otherRate(evidence));
  }
  return { valid: invalid.length === 0, reasons: [...invalid, ...remarks(evidence)] };
}

function nothing({ counts }: Evidence): string[] {
  if (counts.messages > 0) return [];
  const kinds = Object.entries(counts.errors).filter(([, count]) => count > 0);
  const errors = kinds.map(([kind, count]) => `${kind} ${count}`).join(', ');
  const why = errors === '' ? 'and nothing failed: let it run longer' : `errors: ${errors}`;
  return [`no message came back in the measured time (${why})`];
}

function busyThreads({ threads }: Evidence): string[] {
  const busy = threads.filter(({ cpuShare }) => cpuShare > CPU_SHARE_MAX);
  if (busy.length === 0) return [];
  const most = Math.max(...busy.map(({ cpuShare }) => cpuShare));
  return [
    `${counted(busy.length, 'thread')} of the generator had no time left (on a CPU ` +
      `${formatShare(most)} of the time), so the rate may be the generator's and not the ` +
      "server's: use more threads and cores, or another machine",
  ];
}

function lateSends({ threads, response }: Evidence): string[] {
  const lagUs = Math.max(...threads.map(({ scheduleLagP99Us }) => scheduleLagP99Us));
  const p99Us = response.percentiles.find(({ percentile }) => percentile === 99)?.us ?? 0;
  const late = 'messages were sent later than due by';
  if (lagUs > LAG_US_MAX) {
    return [
      `${late} ${formatTime(lagUs)} at the 99th percentile, more than ${formatTime(LAG_US_MAX)}: ` +
        'use more connections, more threads or cores, or a lower rate',
    ];
  }
  if (lagUs <= LAG_SHARE_MAX * p99Us) return [];
  return [
    `${late} ${formatTime(lagUs)} at the 99th percentile, which is more than a tenth of the ` +
      `response time (${formatTime(p99Us)}): use more threads or cores, or a lower rate`,
  ];
}

function slowTurns({ threads }: Evidence): string[] {
  const turnMs = Math.max(...threads.map(({ turnMaxMs }) => turnMaxMs));
  if (turnMs <= TURN_MS_MAX) return [];
  return [
    `the generator was held up for ${formatTime(turnMs * 1e3)} (the machine gave it no CPU, or ` +
      'garbage was collected), which replies of that time include: run it on a quieter machine',
  ];
}

function otherRate({ due, measuredMs, achievedPerSecond }: Evidence): string[] {
  if (due === null) return [];
  const replies = (achievedPerSecond * measuredMs) / 1000;
  if (Math.abs(replies - due) <= RATE_ERROR_MAX * due + MESSAGES_AT_EDGES) return [];
  const asked = (due / measuredMs) * 1000;
  return [
    `${formatRate(asked)} were due and ${formatRate(achievedPerSecond)} came back, more than ` +
      '0.5 % apart: the server, or this machine, does not keep up with that rate',
  ];
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
