import { counted, formatBytes, formatRate } from '#src/base/number-format.js';
import type { LoadModel, LoadPlan } from '../plan.ts';

// What the runs of several machines must have in common, and their plans as one.

/** A part of what each machine was asked for. */
interface CommonPart {
  /** As the subject of a sentence. */
  readonly what: string;
  /** What is compared, of one machine of so many. */
  readonly of: (plan: LoadPlan, machines: number) => unknown;
  /** The same in words. */
  readonly words: (plan: LoadPlan, machines: number) => string;
}

/** Compared by its words. */
function plain(what: string, words: CommonPart['words']): CommonPart {
  return { what, of: words, words };
}

const seconds = (ms: number): string => `${ms / 1000} s`;

const COMMON: readonly CommonPart[] = [
  plain('model is', ({ model }) => model.kind),
  plain('pipeline is', ({ model }) => (model.kind === 'closed' ? `${model.pipeline}` : '')),
  {
    what: 'rate is',
    of: ({ model }, machines) => stagesOf(model, machines),
    words: ({ model }, machines) => rateWords(model, machines),
  },
  plain('arrivals are', ({ model }) => (model.kind === 'open' ? model.arrivals : '')),
  plain('number of connections is', ({ connections }, machines) => `${connections / machines}`),
  plain('number of idle connections is', ({ idleConnections: idle }, machines) => {
    return `${idle / machines}`;
  }),
  {
    what: 'message is',
    of: ({ message }) => (message.kind === 'given' ? message.base64 : message.bytes),
    words: ({ message }) => messageWords(message),
  },
  plain('mode is', ({ mode }) => mode),
  plain('share of a connection is', ({ messagesPerConnection: churn }) =>
    churn === null ? 'the whole run' : counted(churn, 'message'),
  ),
  plain('warm-up is', ({ warmupMs }) => seconds(warmupMs)),
  plain('duration is', ({ durationMs }) => seconds(durationMs)),
  plain('ramp is', ({ rampMs }) => seconds(rampMs)),
  plain('timeout is', ({ timeoutMs }) => seconds(timeoutMs)),
];

function stagesOf(model: LoadModel, machines: number): string {
  if (model.kind === 'closed') return '';
  // Nine digits: a rate that was added up and divided again may be off by the last bit.
  return model.stages
    .map(({ durationMs, ratePerSecond }) => {
      return `${durationMs} ${(ratePerSecond / machines).toPrecision(9)}`;
    })
    .join();
}

function rateWords(model: LoadModel, machines: number): string {
  if (model.kind === 'closed') return '';
  return model.stages
    .map(({ durationMs, ratePerSecond }) => {
      return `${formatRate(ratePerSecond / machines)} for ${seconds(durationMs)}`;
    })
    .join(', then ');
}

/** The same bytes may come from files of different names, and others from one of the same. */
function messageWords(message: LoadPlan['message']): string {
  if (message.kind === 'bytes') return `${formatBytes(message.bytes)} that differ each time`;
  return `${formatBytes(Buffer.byteLength(message.base64, 'base64'))} from ${message.source}`;
}

/** A plan, for how many machines it is, and the name of its document. */
interface NamedPlan {
  readonly plan: LoadPlan;
  readonly machines: number;
  readonly name: string;
}

/** Throws an Error that says, in a sentence, in what two plans differ that must be equal. */
export function refuseOtherPlan(first: NamedPlan, other: NamedPlan): void {
  for (const { what, of, words } of COMMON) {
    if (of(first.plan, first.machines) === of(other.plan, other.machines)) continue;
    const is = words(other.plan, other.machines);
    const was = words(first.plan, first.machines);
    const not = is === was ? 'another one of the same name' : `not ${was}`;
    throw new Error(
      `${other.name} was not asked for the same as ${first.name}: its ${what} ${is}, ${not}`,
    );
  }
}

/** The plans of machines that were asked for the same, as one. */
export function addPlans(first: LoadPlan, plans: readonly LoadPlan[]): LoadPlan {
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
