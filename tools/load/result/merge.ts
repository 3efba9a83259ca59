import type {
  GeneratorFacts,
  HeatMap,
  Interval,
  LoadCounts,
  LoadDocument,
  Throttled,
  Trouble,
  Verdict,
} from '../document.ts';
import { ERROR_KINDS, LOAD_SCHEMA, LOSS_KINDS } from '../document.ts';
import { addPlans, refuseOtherPlan } from '../plan/merge.ts';
import { addDistributions } from '../record/histograms.ts';

/** What the documents are called in a message. */
type Names = readonly string[];

/** Runs that overlap for less than this share of the time they measured were no load together. */
const OVERLAP_MIN = 0.9;

/**
 * Adds the runs of several machines into one: their messages, errors, rates and times.
 *
 * Each must have been asked for the same, machine by machine: the same model, rate or stages,
 * connections, idle connections, message, mode, messages per connection, times and timeout. The
 * endpoint, loop, threads, source addresses and ports, seed and start may differ. What was measured
 * of all of them is exact but for the percentiles of single intervals, which are read from the heat
 * map. `names` are for the messages: the files, in the order of `documents`.
 *
 * Throws an Error where there is no document, where two differ in what must be equal, or where one
 * run is there twice.
 */
export function mergeDocuments(
  documents: readonly LoadDocument[],
  names: Names = documents.map((_, index) => `document ${index + 1}`),
): LoadDocument {
  const [first] = documents;
  if (first === undefined) throw new Error('there is nothing to merge');
  if (documents.length === 1) return first;
  for (const [index, document] of documents.entries()) {
    const [firstName, name] = [names[0] ?? '', names[index] ?? ''];
    refuseOtherPlan(
      { plan: first.plan, machines: first.machines.length, name: firstName },
      { plan: document.plan, machines: document.machines.length, name },
    );
    refuseSameRun(index, documents, names);
    refuseOtherHeat(first.heat, document.heat, firstName, name);
  }
  const distribution = (of: 'response' | 'service' | 'connect') =>
    addDistributions(
      documents.map((document, index) => ({
        distribution: document[of],
        source: `${names[index]}: ${of}`,
      })),
    );
  const heat = addHeat(
    first.heat,
    documents.map((document) => document.heat),
  );
  return {
    schema: LOAD_SCHEMA,
    plan: addPlans(
      first.plan,
      documents.map(({ plan }) => plan),
    ),
    machines: documents.flatMap(({ machines }) => machines),
    startedAt: documents.map(({ startedAt }) => startedAt).reduce(earlierOf),
    measuredMs: Math.max(...documents.map(({ measuredMs }) => measuredMs)),
    endedEarly: documents.some(({ endedEarly }) => endedEarly),
    counts: addCounts(documents.map(({ counts }) => counts)),
    warmup: addTrouble(documents.map(({ warmup }) => warmup)),
    response: distribution('response'),
    service: distribution('service'),
    connect: distribution('connect'),
    intervals: addIntervals(documents, heat),
    heat,
    generator: addGenerators(documents.map(({ generator }) => generator)),
    verdict: verdictOf(documents),
  };
}

function refuseOtherHeat(first: HeatMap, other: HeatMap, firstName: string, name: string): void {
  const sameEdges = JSON.stringify(other.edgesUs) === JSON.stringify(first.edgesUs);
  if (sameEdges && other.intervalMs === first.intervalMs) return;
  throw new Error(`${name} has another heat map than ${firstName}: it cannot be added`);
}

/** Throws an Error where a run of the document is in one of the earlier ones, alone or merged. */
function refuseSameRun(index: number, documents: readonly LoadDocument[], names: Names): void {
  for (const { run, hostname } of documents[index]?.machines ?? []) {
    const earlier = documents
      .slice(0, index)
      .findIndex(({ machines }) => machines.some((machine) => machine.run === run));
    if (earlier < 0) continue;
    const [name, other] = [names[index], names[earlier]];
    const alone = [index, earlier].every((at) => documents[at]?.machines.length === 1);
    throw new Error(
      alone
        ? `${name} is the same run as ${other}`
        : `${name} holds a run that ${other} holds too, that on ${hostname}: it counts once`,
    );
  }
}

function addCounts(parts: readonly LoadCounts[]): LoadCounts {
  return {
    messages: sum(parts.map(({ messages }) => messages)),
    sentBytes: sum(parts.map(({ sentBytes }) => sentBytes)),
    receivedBytes: sum(parts.map(({ receivedBytes }) => receivedBytes)),
    connections: sum(parts.map(({ connections }) => connections)),
    ...addTrouble(parts),
  };
}

function addTrouble(parts: readonly Trouble[]): Trouble {
  const errors = ERROR_KINDS.map((kind) => [kind, sum(parts.map((part) => part.errors[kind]))]);
  const lost = LOSS_KINDS.map((kind) => [kind, sum(parts.map((part) => part.lost[kind]))]);
  return {
    errors: Object.fromEntries(errors) as Trouble['errors'],
    lost: Object.fromEntries(lost) as Trouble['lost'],
    replaced: sum(parts.map(({ replaced }) => replaced)),
  };
}

/** Row by row: the third second of one run to the third of the other. */
function addHeat(first: HeatMap, parts: readonly HeatMap[]): HeatMap {
  const rows = Math.max(...parts.map(({ counts }) => counts.length));
  const counts = Array.from({ length: rows }, (_, row) =>
    first.edgesUs.map((_edge, column) => sum(parts.map((part) => part.counts[row]?.[column] ?? 0))),
  );
  return { ...first, counts };
}

function addIntervals(documents: readonly LoadDocument[], heat: HeatMap): Interval[] {
  const length = Math.max(...documents.map(({ intervals }) => intervals.length));
  return Array.from({ length }, (_, index) => {
    const parts = documents.flatMap(({ intervals }) => intervals[index] ?? []);
    return addInterval(parts, heat);
  });
}

function addInterval(parts: readonly Interval[], heat: HeatMap): Interval {
  const startMs = Math.min(...parts.map((part) => part.startMs));
  const durationMs = Math.max(...parts.map((part) => part.durationMs));
  const maxUs = Math.max(...parts.map((part) => part.maxUs));
  const busy = parts.filter(({ messages }) => messages > 0);
  const row = columnsOf(heat, startMs, durationMs);
  const percentile = (share: number, own: 'p50Us' | 'p99Us'): number =>
    // A machine that was alone has said it itself, and more exactly.
    busy.length < 2 ? (busy[0]?.[own] ?? 0) : Math.min(maxUs, quantile(heat.edgesUs, row, share));
  return {
    startMs,
    durationMs,
    messages: sum(parts.map(({ messages }) => messages)),
    errors: sum(parts.map(({ errors }) => errors)),
    p50Us: percentile(0.5, 'p50Us'),
    p99Us: percentile(0.99, 'p99Us'),
    maxUs,
    askedPerSecond: sumOrNull(parts.map(({ askedPerSecond }) => askedPerSecond)),
  };
}

/** The rows of the heat map that an interval touches, added up. */
function columnsOf({ intervalMs, edgesUs, counts }: HeatMap, startMs: number, durationMs: number) {
  const first = Math.floor(startMs / intervalMs);
  const last = Math.max(first + 1, Math.round((startMs + durationMs) / intervalMs));
  const rows = counts.slice(first, last);
  return edgesUs.map((_, column) => sum(rows.map((row) => row[column] ?? 0)));
}

/** The time below which `share` of the counts lie, taken as even within a column. */
function quantile(edgesUs: readonly number[], counts: readonly number[], share: number): number {
  let left = share * sum(counts);
  for (const [column, count] of counts.entries()) {
    const edge = edgesUs[column] ?? 0;
    const before = edgesUs[column - 1] ?? 0;
    if (count > 0 && left <= count) return before + (edge - before) * (left / count);
    left -= count;
  }
  return edgesUs.at(-1) ?? 0;
}

function addGenerators(parts: readonly GeneratorFacts[]): GeneratorFacts {
  const threads = parts.flatMap((part) => part.threads);
  const messages = sum(threads.map((thread) => thread.messages));
  const cpuUs = parts.map(
    (part) => part.cpuUsPerMessage * sum(part.threads.map((thread) => thread.messages)),
  );
  return {
    threads,
    cpuUsPerMessage: messages === 0 ? 0 : sum(cpuUs) / messages,
    achievedPerSecond: sum(parts.map(({ achievedPerSecond }) => achievedPerSecond)),
    askedPerSecond: sumOrNull(parts.map(({ askedPerSecond }) => askedPerSecond)),
    throttled: addThrottled(parts.flatMap(({ throttled }) => throttled ?? [])),
  };
}

function addThrottled(parts: readonly Throttled[]): Throttled | null {
  if (parts.length === 0) return null;
  return { periods: sum(parts.map(({ periods }) => periods)), ms: sum(parts.map(({ ms }) => ms)) };
}

function verdictOf(documents: readonly LoadDocument[]): Verdict {
  const reasons = documents.flatMap(({ machines, verdict }) => {
    const where = machines.map(({ hostname }) => hostname).join(' and ');
    return verdict.reasons.map((reason) => `${where}: ${reason}`);
  });
  const starts = documents.map(({ startedAt }) => Date.parse(startedAt));
  const ends = documents.map(({ measuredMs }, index) => (starts[index] ?? 0) + measuredMs);
  const togetherMs = Math.max(0, Math.min(...ends) - Math.max(...starts));
  const longestMs = Math.max(...documents.map(({ measuredMs }) => measuredMs));
  const apart = togetherMs < OVERLAP_MIN * longestMs;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const words =
    `the runs were under way together for ${seconds(togetherMs)} of ${seconds(longestMs)}: ` +
    'their rates do not add up; begin them with the same --start-at';
  return {
    valid: !apart && documents.every(({ verdict }) => verdict.valid),
    reasons: apart ? [words, ...reasons] : reasons,
  };
}

function earlierOf(one: string, two: string): string {
  return Date.parse(two) < Date.parse(one) ? two : one;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function sumOrNull(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : sum(known);
}
