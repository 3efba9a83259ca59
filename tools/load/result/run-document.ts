import { randomUUID } from 'node:crypto';
import { machineFacts } from '../../measure/machine.ts';
import { sockloopVersion } from '../../measure/versions.ts';
import {
  ERROR_KINDS,
  type GeneratorFacts,
  LOAD_SCHEMA,
  LOSS_KINDS,
  type LoadCounts,
  type LoadDocument,
  type LoadMachine,
  type ThreadFacts,
  type Throttled,
  type Trouble,
} from '../document.ts';
import type { LoadPlan } from '../plan.ts';
import type { Collection } from '../record/collection.ts';
import { distributionOf } from '../record/distribution.ts';
import { LatencyCounts, percentileNs, type SparseCounts } from '../record/latency-counts.ts';
import { silenceOf } from '../record/silences.ts';
import type { ThreadResult, TroubleCounts } from '../record/thread-messages.ts';
import { judge } from './verdict.ts';

/** Raw outcome of a run, input to {@link documentOf}. */
export interface Outcome {
  readonly plan: LoadPlan;
  readonly startedAt: string;
  readonly endedEarly: boolean;
  readonly startLateMs: number;
  /** CPU time of the process over the measured time. */
  readonly cpuMs: number;
  /** Result of each thread, or the reason why there is none. */
  readonly threads: readonly ThreadOutcome[];
}

interface ThreadOutcome {
  /** Null where the thread failed before it had one. */
  readonly loop: string | null;
  readonly result: ThreadResult | null;
  readonly failure: string | null;
}

/** Makes the document of a run in which at least one thread has a result. */
export function documentOf(outcome: Outcome, collection: Collection): LoadDocument {
  const { plan, startedAt, endedEarly, startLateMs } = outcome;
  const results = outcome.threads.flatMap(({ result }) => result ?? []);
  const failures = outcome.threads.flatMap(({ failure }, thread) =>
    failure === null ? [] : [`thread ${thread + 1} failed: ${failure}`],
  );
  const measuredMs = Math.max(...results.map((result) => result.measuredMs));
  const { response, service, heat } = collection;
  const counts = countsOf(results, response.count);
  const intervals = collection.intervals(measuredMs);
  const generator = generatorOf(outcome, results, measuredMs);
  const machine = machineOf(loopsOf(outcome.threads));
  const verdict = judge({
    plan,
    counts,
    response,
    service,
    generator,
    silence: silenceOf(results.map(({ silence }) => silence)),
    awaitingEnd: sumOf(results, ({ awaitingEnd }) => awaitingEnd),
    measuredMs,
    cores: machine.cores,
    due: plan.model.kind === 'closed' ? null : sumOf(results, ({ due }) => due),
    endedEarly,
    startLateMs,
    failures,
  });
  return {
    schema: LOAD_SCHEMA,
    plan,
    machines: [machine],
    startedAt,
    measuredMs,
    endedEarly,
    counts,
    warmup: troubleOf(results, ({ warmup }) => warmup),
    response,
    service,
    connect: distributionOf(together(results, ({ connect }) => connect)),
    intervals,
    heat,
    generator,
    verdict,
  };
}

/** `messages` counts those reported second by second: a failed thread reported some. */
function countsOf(results: readonly ThreadResult[], messages: number): LoadCounts {
  return {
    messages,
    sentBytes: sumOf(results, ({ sentBytes }) => sentBytes),
    receivedBytes: sumOf(results, ({ receivedBytes }) => receivedBytes),
    connections: sumOf(results, ({ connections }) => connections),
    ...troubleOf(results, ({ trouble }) => trouble),
  };
}

function troubleOf(
  results: readonly ThreadResult[],
  of: (result: ThreadResult) => TroubleCounts,
): Trouble {
  const errors = ERROR_KINDS.map((kind) => [kind, sumOf(results, (one) => of(one).errors[kind])]);
  const lost = LOSS_KINDS.map((kind) => [kind, sumOf(results, (one) => of(one).lost[kind])]);
  return {
    errors: Object.fromEntries(errors) as Trouble['errors'],
    lost: Object.fromEntries(lost) as Trouble['lost'],
    replaced: sumOf(results, (one) => of(one).replaced),
  };
}

function generatorOf(
  { plan, cpuMs }: Outcome,
  results: readonly ThreadResult[],
  measuredMs: number,
): GeneratorFacts {
  const messages = sumOf(results, (result) => result.messages);
  const perSecond = (count: number): number => (measuredMs > 0 ? (count / measuredMs) * 1000 : 0);
  const replies = sumOf(results, ({ repliesInTime }) => repliesInTime);
  return {
    threads: results.map((result) => threadOf(result, cpuMs / results.length)),
    cpuUsPerMessage: messages === 0 ? 0 : (cpuMs * 1e3) / messages,
    achievedPerSecond: perSecond(replies),
    askedPerSecond: askedPerSecond(plan),
    throttled: mostThrottled(results),
  };
}

/** Each thread reads the whole control group: the largest reading covers all. */
function mostThrottled(results: readonly ThreadResult[]): Throttled | null {
  const seen = results.flatMap(({ throttled }) => throttled ?? []);
  return seen.toSorted((one, two) => two.periods - one.periods)[0] ?? null;
}

/** `cpuShareMs` is an even share of the process's CPU time, used if the thread's own is unknown. */
function threadOf(result: ThreadResult, cpuShareMs: number): ThreadFacts {
  const { messages, measuredMs, lag, turnMaxMs, waitedMs, oversleptMs } = result;
  const share = (ms: number): number => (measuredMs > 0 ? Math.min(1, ms / measuredMs) : 0);
  return {
    messages,
    cpuShare: share(result.cpuMs ?? cpuShareMs),
    waitedShare: waitedMs === null ? null : share(waitedMs),
    oversleptShare: share(oversleptMs),
    scheduleLagP99Us: percentileNs(lag, 99) / 1e3,
    scheduleLagMaxUs: lag.maxNs / 1e3,
    connectionWaitP99Us: connectionWaitP99Ns(result) / 1e3,
    turnMaxMs,
  };
}

/** Only messages that waited are recorded; the others count as 0 ns. */
function connectionWaitP99Ns({ connectionWait, lag }: ThreadResult): number {
  const rank = connectionWait.total - 0.01 * Math.max(lag.total, connectionWait.total);
  return rank <= 0 ? 0 : percentileNs(connectionWait, (100 * rank) / connectionWait.total);
}

/** On average over all stages. */
function askedPerSecond({ model, durationMs }: LoadPlan): number | null {
  if (model.kind === 'closed') return null;
  const messages = model.stages.map((stage) => stage.durationMs * stage.ratePerSecond);
  return messages.reduce((sum, count) => sum + count, 0) / durationMs;
}

/** `epoll`, or `io_uring, epoll` if threads use different loops. */
export function loopsOf(threads: readonly Pick<ThreadOutcome, 'loop'>[]): string {
  const loops = threads.flatMap(({ loop }) => loop ?? []);
  return [...new Set(loops)].join(', ');
}

function machineOf(loop: string): LoadMachine {
  return {
    run: randomUUID(),
    ...machineFacts(),
    node: process.versions.node,
    sockloop: sockloopVersion(),
    loop,
  };
}

function together(
  results: readonly ThreadResult[],
  of: (result: ThreadResult) => SparseCounts,
): SparseCounts {
  const counts = new LatencyCounts();
  for (const result of results) counts.add(of(result));
  return counts.read();
}

function sumOf(results: readonly ThreadResult[], of: (result: ThreadResult) => number): number {
  return results.reduce((sum, result) => sum + of(result), 0);
}
