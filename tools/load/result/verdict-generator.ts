import { counted, formatRate, formatShare, formatTime } from '#src/base/number-format.js';
import type { Distribution, GeneratorFacts, ThreadFacts } from '../document.ts';
import type { LoadPlan } from '../plan.ts';

// Judges by the generator's own figures whether it ran when it was runnable.

/** Above this share of time on a CPU, a thread of a closed loop is the bottleneck. */
const CPU_SHARE_MAX = 0.9;

/** Above this share, the time that a thread was denied affects every figure... */
const DENIED_SHARE_MAX = 0.1;

/** ...and above this at least the highest percentiles. */
const DENIED_SHARE_TOLD = 0.02;

/** The same for a CPU quota, which stops a thread for whole periods. */
const THROTTLED_SHARE_MAX = 0.02;

/** Send delays above this are the generator's fault. */
const LAG_US_MAX = 1000;
const LAG_SHARE_MAX = 0.1;

/** A longer turn makes everything that arrives in it late. */
const TURN_MS_MAX = 50;

/** Below this rate a late thread is not busy but woken late. */
const BUSY_RATE_MIN = 1000;
const BUSY_SHARE_MIN = 0.8;

/** Evidence about the generator. */
export interface GeneratorEvidence {
  readonly plan: LoadPlan;
  readonly generator: GeneratorFacts;
  readonly response: Distribution;
  readonly measuredMs: number;
  /** CPUs that the process may use. */
  readonly cores: number;
}

/** Flaws make the run invalid; remarks do not. */
interface GeneratorJudgement {
  readonly flaws: readonly string[];
  readonly remarks: readonly string[];
}

export function judgeGenerator(evidence: GeneratorEvidence): GeneratorJudgement {
  const flaws: string[] = [];
  const remarks: string[] = [];
  // The quota comes first: the kernel counts time stopped by it as waiting too.
  for (const words of [throttled(evidence), waited(evidence), overslept(evidence)]) {
    if (words !== null) (words.invalid ? flaws : remarks).push(words.text);
  }
  flaws.push(...heldUp(evidence));
  const isOpen = evidence.plan.model.kind === 'open';
  flaws.push(
    ...(isOpen ? lateSends(evidence, flaws.length + remarks.length > 0) : busyThreads(evidence)),
  );
  return { flaws, remarks };
}

/** A finding, and whether it is more than a remark. */
interface Finding {
  readonly text: string;
  readonly invalid: boolean;
}

/** Runnable without a CPU. */
function waited({ generator, cores }: GeneratorEvidence): Finding | null {
  const { threads } = generator;
  const share = most(threads, ({ waitedShare }) => waitedShare ?? 0);
  if (share <= DENIED_SHARE_TOLD) return null;
  const crowded = threads.length > cores;
  const whose = crowded
    ? `${threads.length} threads share ${counted(cores, 'core')}`
    : 'other programs, or the server itself, had it';
  const waitedWords = `the generator waited ${formatShare(share)} of the time for a CPU (${whose})`;
  if (share <= DENIED_SHARE_MAX) {
    return { text: `${waitedWords}: the longest times may be its own`, invalid: false };
  }
  const remedy = crowded ? 'use fewer threads' : 'give it a core of its own, or a quieter machine';
  return { text: `${waitedWords}, which its rate and times include: ${remedy}`, invalid: true };
}

/** Stopped by a CPU quota. */
function throttled({ generator, measuredMs }: GeneratorEvidence): Finding | null {
  const { periods = 0, ms = 0 } = generator.throttled ?? {};
  if (periods === 0) return null;
  const text =
    `the CPU quota of its control group was used up ${counted(periods, 'time')}, which stopped ` +
    `its threads for ${formatTime(ms * 1e3)} in all: raise the quota (cpu.max, or ` +
    'cpu.cfs_quota_us), or ask for less';
  return { text, invalid: ms > THROTTLED_SHARE_MAX * measuredMs };
}

/** Woken late, or stopped: overruns that waiting for a CPU does not explain. */
function overslept({ generator }: GeneratorEvidence): Finding | null {
  const share = most(generator.threads, ({ oversleptShare, waitedShare }) => {
    return oversleptShare - (waitedShare ?? 0);
  });
  if (share <= DENIED_SHARE_TOLD) return null;
  const text =
    `the generator slept on for ${formatShare(share)} of the time (it was stopped, or woken ` +
    'late), which its times include: run it on a quieter machine';
  return { text, invalid: share > DENIED_SHARE_MAX };
}

function heldUp({ generator }: GeneratorEvidence): string[] {
  const turnMs = most(generator.threads, ({ turnMaxMs }) => turnMaxMs);
  if (turnMs <= TURN_MS_MAX) return [];
  return [
    `the generator was held up for ${formatTime(turnMs * 1e3)} at a time (it was stopped, the ` +
      'machine gave it no CPU, or garbage was collected), which replies of that time include: ' +
      'run it again, on a quieter machine',
  ];
}

function busyThreads({ generator }: GeneratorEvidence): string[] {
  const busy = generator.threads.filter(({ cpuShare }) => cpuShare > CPU_SHARE_MAX);
  if (busy.length === 0) return [];
  const share = most(busy, ({ cpuShare }) => cpuShare);
  return [
    `${counted(busy.length, 'thread')} of the generator had no time left (on a CPU ` +
      `${formatShare(share)} of the time), so the rate may be the generator's and not the ` +
      "server's: use more threads and cores, or another machine",
  ];
}

/** Messages sent late; `explained` if another finding gives the reason. */
function lateSends(
  { generator, response, measuredMs }: GeneratorEvidence,
  explained: boolean,
): string[] {
  const { threads } = generator;
  const lagUs = most(threads, ({ scheduleLagP99Us }) => scheduleLagP99Us);
  const p99Us = response.percentiles.find(({ percentile }) => percentile === 99)?.us ?? 0;
  if (lagUs <= LAG_US_MAX && lagUs <= LAG_SHARE_MAX * p99Us) return [];
  const late = `messages were sent later than due by ${formatTime(lagUs)} at the 99th percentile`;
  const than =
    lagUs > LAG_US_MAX
      ? `more than ${formatTime(LAG_US_MAX)}`
      : `which is more than a tenth of the response time (${formatTime(p99Us)})`;
  if (explained) return [`${late}, ${than}`];
  return [`${late}, ${than}: ${remedyOf(threads, measuredMs)}`];
}

/** A thread that spins towards the next message is busy too: the rate must be one that fills it. */
function remedyOf(threads: readonly ThreadFacts[], measuredMs: number): string {
  const perSecond = most(threads, ({ messages }) => (1000 * messages) / measuredMs);
  const busy = most(threads, ({ cpuShare }) => cpuShare) > BUSY_SHARE_MIN;
  if (busy && perSecond > BUSY_RATE_MIN) {
    return `${formatRate(perSecond)} are much for a thread: use more threads, or a lower rate`;
  }
  return 'the machine wakes the generator late, whatever the rate: use a quieter one';
}

function most(threads: readonly ThreadFacts[], of: (thread: ThreadFacts) => number): number {
  return threads.reduce((max, thread) => Math.max(max, of(thread)), 0);
}
