import * as v from 'valibot';
import { counted, formatCount, formatRate } from '#src/base/number-format.js';
import { DURATION_MS_MAX, PIPELINE_MAX, RATE_MAX } from '../limits.ts';
import type { LoadModel, Stage } from '../plan.ts';
import { aboveZero, anything, type PlanField, sum, whole } from './field.ts';
import { count, filledList, oneOf, record, tagged } from './forms.ts';
import { formatSeconds } from './words.ts';

/** More stages than these are counted. */
const STAGES_LISTED_MAX = 4;

/** How messages follow one another. */
export const MODEL = {
  form: tagged('kind', [
    record({ kind: v.literal('closed'), pipeline: count }),
    record({
      kind: v.literal('open'),
      arrivals: oneOf(['uniform', 'poisson']),
      stages: filledList(record({ durationMs: count, ratePerSecond: count })),
    }),
  ]),
  asked: v.variant('kind', [
    v.object({
      kind: v.literal('closed'),
      pipeline: whole('the number of messages in flight', 1, PIPELINE_MAX),
    }),
    v.object({
      kind: v.literal('open'),
      arrivals: anything,
      stages: v.array(
        v.object({
          durationMs: aboveZero('the duration of a stage', DURATION_MS_MAX),
          ratePerSecond: aboveZero('a rate', RATE_MAX, 'messages per second'),
        }),
      ),
    }),
  ]),
  flags: {
    pipeline: {
      group: 'closed',
      value: '<n>',
      help: 'messages in flight on each connection; 1 if left out',
    },
    rate: {
      group: 'open',
      value: '<n>',
      help: 'messages per second, over all connections: 500, 20k',
    },
    stages: {
      group: 'open',
      value: '<list>',
      help: "rates that follow one another: '10s@1000,20s@5000'",
    },
    arrivals: {
      group: 'open',
      value: '<name>',
      help: 'uniform, or poisson: at random; uniform if left out',
    },
  },
  merge: {
    equal: [
      { what: 'model is', words: ({ kind }) => kind },
      { what: 'pipeline is', words: (model) => `${model.kind === 'closed' ? model.pipeline : ''}` },
      {
        what: 'rate is',
        words: (model, machines) => stageWords(stagesOf(model), machines),
        // Nine digits: a rate that was added up and divided again may be off by the last bit.
        of: (model, machines) =>
          stagesOf(model)
            .map(({ durationMs, ratePerSecond }) => {
              return `${durationMs} ${(ratePerSecond / machines).toPrecision(9)}`;
            })
            .join(),
      },
      { what: 'arrivals are', words: (model) => (model.kind === 'open' ? model.arrivals : '') },
    ],
    together: (first, models): LoadModel => {
      if (first.kind === 'closed') return first;
      const stages = first.stages.map(({ durationMs }, at) => ({
        durationMs,
        ratePerSecond: sum(models.map((model) => stagesOf(model)[at]?.ratePerSecond ?? 0)),
      }));
      return { ...first, stages };
    },
  },
  facts: (model) => [
    ['how messages follow', modelWords(model)],
    ...(stagesOf(model).length > 1 ? stagesOf(model) : []).map(
      ({ durationMs, ratePerSecond }, at) =>
        [
          `stage ${at + 1}`,
          `${counted(ratePerSecond, 'message')} per second for ${formatSeconds(durationMs)}`,
        ] as const,
    ),
  ],
  brief: (model) => {
    if (model.kind === 'open') return `${briefStages(model.stages)}, ${model.arrivals} arrivals`;
    const { pipeline } = model;
    return `${pipeline === 1 ? 'one message' : `${pipeline} messages`} in flight per connection`;
  },
} as const satisfies PlanField<LoadModel>;

/** `open loop, 5,000 messages per second, uniform arrivals`. */
export function modelWords(model: LoadModel): string {
  if (model.kind === 'closed') return `closed loop, ${model.pipeline} in flight on each connection`;
  const rates = [...new Set(model.stages.map(({ ratePerSecond }) => formatCount(ratePerSecond)))];
  const rate = rates.length > 2 ? `${rates[0]} to ${rates.at(-1)}` : rates.join(' and ');
  const noun = rate === '1' ? 'message' : 'messages';
  return `open loop, ${rate} ${noun} per second, ${model.arrivals} arrivals`;
}

function stagesOf(model: LoadModel): readonly Stage[] {
  return model.kind === 'open' ? model.stages : [];
}

/** `1,000/s for 10 s, then 5,000/s for 20 s`, for each of so many machines. */
function stageWords(stages: readonly Stage[], machines = 1): string {
  return stages
    .map(({ durationMs, ratePerSecond }) => {
      return `${formatRate(ratePerSecond / machines)} for ${formatSeconds(durationMs)}`;
    })
    .join(', then ');
}

function briefStages(stages: readonly Stage[]): string {
  const rates = stages.map(({ ratePerSecond }) => ratePerSecond);
  if (stages.length === 1) return formatRate(rates[0] ?? 0);
  if (stages.length <= STAGES_LISTED_MAX) return stageWords(stages);
  const range = `${formatRate(Math.min(...rates))} to ${formatRate(Math.max(...rates))}`;
  return `${stages.length} stages of ${range}`;
}
