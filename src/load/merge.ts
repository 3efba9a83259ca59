import type {
  GeneratorFacts,
  HeatMap,
  Interval,
  LoadCounts,
  LoadDocument,
  Verdict,
} from './document.ts';
import { ERROR_KINDS, LOAD_SCHEMA } from './document.ts';
import { addDistributions } from './histograms.ts';
import type { LoadModel, LoadPlan } from './plan.ts';

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
  names: readonly string[] = documents.map((_, index) => `document ${index + 1}`),
): LoadDocument {
  const [first] = documents;
  if (first === undefined) throw new Error('there is nothing to merge');
  if (documents.length === 1) return first;
  for (const [index, document] of documents.entries()) {
    refuseOther(first, document, names[0] ?? '', names[index] ?? '');
    const earlier = documents.slice(0, index).findIndex((other) => isSameRun(other, document));
    if (earlier >= 0) throw new Error(`${names[index]} is the same run as ${names[earlier]}`);
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
    response: distribution('response'),
    service: distribution('service'),
    connect: distribution('connect'),
    intervals: addIntervals(documents, heat),
    heat,
    generator: addGenerators(documents.map(({ generator }) => generator)),
    verdict: verdictOf(documents),
  };
}

/** What each machine was asked for, where all must have been asked for the same. */
const MUST_BE_EQUAL: readonly [what: string, of: (plan: LoadPlan, machines: number) => unknown][] =
  [
    ['model', ({ model }) => model.kind],
    ['pipeline', ({ model }) => (model.kind === 'closed' ? model.pipeline : null)],
    ['arrivals', ({ model }) => (model.kind === 'open' ? model.arrivals : null)],
    ['rate or stages', ({ model }, machines) => stagesOf(model, machines)],
    ['connections', ({ connections }, machines) => connections / machines],
    ['idle connections', ({ idleConnections }, machines) => idleConnections / machines],
    ['message', ({ message }) => messageOf(message)],
    ['mode', ({ mode }) => mode],
    ['messages per connection', ({ messagesPerConnection }) => messagesPerConnection],
    ['warm-up', ({ warmupMs }) => warmupMs],
    ['duration', ({ durationMs }) => durationMs],
    ['ramp', ({ rampMs }) => rampMs],
    ['timeout', ({ timeoutMs }) => timeoutMs],
  ];

function stagesOf(model: LoadModel, machines: number): unknown {
  if (model.kind === 'closed') return null;
  // Nine digits: a rate that was added up and divided again may be off by the last bit.
  return model.stages.map(({ durationMs, ratePerSecond }) => [
    durationMs,
    (ratePerSecond / machines).toPrecision(9),
  ]);
}

/** The same bytes may come from files of different names. */
function messageOf(message: LoadPlan['message']): unknown {
  return message.kind === 'given' ? message.base64 : message.bytes;
}

function refuseOther(
  first: LoadDocument,
  other: LoadDocument,
  firstName: string,
  name: string,
): void {
  for (const [what, of] of MUST_BE_EQUAL) {
    const one = JSON.stringify(of(first.plan, first.machines.length));
    const two = JSON.stringify(of(other.plan, other.machines.length));
    if (one !== two) {
      const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
      throw new Error(
        `${name} was not asked for the same as ${firstName}: its ${what} is ${cut(two)}, ` +
          `not ${cut(one)}`,
      );
    }
  }
  if (
    JSON.stringify(other.heat.edgesUs) === JSON.stringify(first.heat.edgesUs) &&
    other.heat.intervalMs === first.heat.intervalMs
  )
    return;
  throw new Error(`${name} has another heat map than ${firstName}: it cannot be added`);
}

function isSameRun(one: LoadDocument, two: LoadDocument): boolean {
  return (
    one.startedAt === two.startedAt &&
    one.machines[0]?.hostname === two.machines[0]?.hostname &&
    one.response.histogram === two.response.histogram
  );
}

function addPlans(first: LoadPlan, plans: readonly LoadPlan[]): LoadPlan {
  const same = plans.every(({ startAtMs }) => startAtMs === first.startAtMs);
  return {
    ...first,
    threads: sum(plans.map(({ threads }) => threads)),
    connections: sum(plans.map(({ connections }) => connections)),
    idleConnections: sum(plans.map(({ idleConnections }) => idleConnections)),
    model: addModels(first.model, plans),
    startAtMs: same ? first.startAtMs : null,
  };
}

/** The rates of the machines together; what a closed loop keeps in flight is by connection. */
function addModels(first: LoadModel, plans: readonly LoadPlan[]): LoadModel {
  if (first.kind === 'closed') return first;
  const stages = first.stages.map(({ durationMs }, index) => ({
    durationMs,
    ratePerSecond: sum(
      plans.map(
        ({ model }) => (model.kind === 'open' ? model.stages[index]?.ratePerSecond : 0) ?? 0,
      ),
    ),
  }));
  return { ...first, stages };
}

function addCounts(parts: readonly LoadCounts[]): LoadCounts {
  const errors = ERROR_KINDS.map((kind) => [kind, sum(parts.map((part) => part.errors[kind]))]);
  return {
    messages: sum(parts.map(({ messages }) => messages)),
    sentBytes: sum(parts.map(({ sentBytes }) => sentBytes)),
    receivedBytes: sum(parts.map(({ receivedBytes }) => receivedBytes)),
    connections: sum(parts.map(({ connections }) => connections)),
    errors: Object.fromEntries(errors) as LoadCounts['errors'],
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
  };
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
