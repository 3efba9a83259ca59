/** A made-up load run, with everything that a report can show. */

import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { Random } from '#src/base/random.js';
import {
  type Distribution,
  ERROR_KINDS,
  type Interval,
  type LoadDocument,
  type Trouble,
} from '#tools/load/document.js';
import type { LoadModel } from '#tools/load/plan.js';

const SECONDS = 30;
const ASKED_PER_SECOND = 20_000;
const EDGES_PER_DECADE = 10;
const EDGES_US = Array.from({ length: 97 }, (_, index) => {
  return Number((10 ** (index / EDGES_PER_DECADE)).toPrecision(3));
});
/** The number of sampled messages. */
const SAMPLES = 1500;

const MACHINE = {
  run: 'a8b0f1de-5c1c-4d29-8b3a-0d5d6c4f7e11',
  hostname: 'bench-1',
  cpu: 'AMD EPYC 9R14',
  cores: 8,
  kernel: 'Linux 6.18.5',
  node: 'v22.14.0',
  sockloop: '0.1.0',
  loop: 'epoll',
};

/** A server that falls behind for three seconds, and a pause that few messages met. */
export function loadFixture(model: 'open' | 'closed' = 'open'): LoadDocument {
  const random = new Random(7);
  const seconds = Array.from({ length: SECONDS }, (_, second) => secondFixture(second, random));
  const service = distribution(seconds.flatMap(({ serviceUs }) => serviceUs));
  const response = distribution(seconds.flatMap(({ responseUs }) => responseUs));
  const intervals = seconds.map(({ interval }) => {
    return model === 'open' ? interval : { ...interval, askedPerSecond: null, errors: 0 };
  });
  const messages = intervals.reduce((sum, interval) => sum + interval.messages, 0);
  const asked = model === 'open' ? ASKED_PER_SECOND : null;
  return {
    schema: 'sockloop-load/2',
    plan: planFixture(model),
    machines: [MACHINE],
    startedAt: '2026-01-31T12:00:05.250Z',
    measuredMs: SECONDS * 1000,
    endedEarly: false,
    counts: {
      messages,
      sentBytes: messages * 64,
      receivedBytes: messages * 64,
      connections: 61,
      ...troubleFixture({
        reset: model === 'open' ? 9 : 0,
        timeout: model === 'open' ? 2 : 0,
      }),
    },
    warmup: troubleFixture({}),
    response: model === 'open' ? response : service,
    service,
    connect: distribution(Array.from({ length: 61 }, () => 60 + 50 * random.fraction())),
    intervals,
    heat: {
      intervalMs: 1000,
      edgesUs: EDGES_US,
      counts: seconds.map(({ responseUs, interval }) => spread(responseUs, interval.messages)),
    },
    generator: {
      threads: [0, 1].map((thread) => ({
        messages: Math.floor(messages / 2) + thread * (messages % 2),
        cpuShare: 0.412 + thread * 0.031,
        waitedShare: 0.013,
        oversleptShare: 0,
        scheduleLagP99Us: model === 'open' ? 38.5 + thread : 0,
        scheduleLagMaxUs: model === 'open' ? 812.25 : 0,
        connectionWaitP99Us: 0,
        turnMaxMs: 1.875,
      })),
      cpuUsPerMessage: 21.4375,
      achievedPerSecond: messages / SECONDS,
      askedPerSecond: asked,
      throttled: null,
    },
    verdict:
      model === 'open'
        ? {
            valid: false,
            reasons: [
              'the server answered 2.1 % fewer messages than were asked for: lower --rate, or ' +
                'read the times as those of an overloaded server',
            ],
          }
        : { valid: true, reasons: [] },
  };
}

function troubleFixture(errors: Partial<Trouble['errors']>): Trouble {
  const none = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as Trouble['errors'];
  const { reset = 0, timeout = 0 } = errors;
  const lost = { reset, closed: 0, timeout, mismatch: 0 };
  return { errors: { ...none, ...errors }, lost, replaced: reset + timeout };
}

function planFixture(kind: 'open' | 'closed'): LoadDocument['plan'] {
  const stages = [{ durationMs: SECONDS * 1000, ratePerSecond: ASKED_PER_SECOND }];
  const model: LoadModel =
    kind === 'open' ? { kind, arrivals: 'poisson', stages } : { kind, pipeline: 1 };
  return {
    endpoint: { host: '127.0.0.1', port: 7007 },
    loop: 'auto',
    threads: 2,
    connections: 50,
    idleConnections: 1000,
    model,
    message: { kind: 'bytes', bytes: 64 },
    mode: 'echo',
    messagesPerConnection: null,
    warmupMs: 2000,
    durationMs: SECONDS * 1000,
    rampMs: 500,
    timeoutMs: 5000,
    sourceAddresses: [],
    sourcePorts: null,
    startAtMs: null,
    seed: 1,
  };
}

interface SecondFixture {
  readonly interval: Interval;
  readonly serviceUs: readonly number[];
  readonly responseUs: readonly number[];
}

function secondFixture(second: number, random: Random): SecondFixture {
  const behind = second >= 20 && second < 23;
  const paused = second === 11;
  const capacity = behind ? 0.82 : second === 23 ? 1.3 : 1;
  const messages = Math.round(ASKED_PER_SECOND * capacity * (1 + (random.fraction() - 0.5) * 0.01));
  const serviceUs = Array.from({ length: SAMPLES }, () => {
    const usual = 92 * Math.exp(0.28 * normal(random)) * (behind ? 1.6 : 1);
    return random.fraction() < 0.004 ? usual * (3 + 20 * random.fraction()) : usual;
  });
  const responseUs = serviceUs.map((us) => {
    if (paused && random.fraction() < 0.02) return us + 24_000 * random.fraction();
    const queued = behind ? (second - 19) * 55_000 : second === 23 ? 120_000 : 0;
    return us + 14 * random.fraction() + queued * (0.6 + 0.4 * random.fraction());
  });
  const sorted = responseUs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * SAMPLES) - 1] ?? 0;
  const interval = {
    startMs: second * 1000,
    durationMs: 1000,
    messages,
    errors: behind ? 3 + (second % 2) : 0,
    p50Us: at(0.5),
    p99Us: at(0.99),
    maxUs: at(1),
    askedPerSecond: ASKED_PER_SECOND,
  };
  return { interval, serviceUs, responseUs };
}

/** Of the normal distribution, by Box and Muller. */
function normal(random: Random): number {
  return (
    Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction())
  );
}

/** `messages` over the rows of the heat map, as the samples are. */
function spread(timesUs: readonly number[], messages: number): number[] {
  const counts = EDGES_US.map(() => 0);
  for (const us of timesUs) {
    const row = EDGES_US.findIndex((edge) => us < edge);
    counts[row] = (counts[row] ?? 0) + 1;
  }
  return counts.map((count) => Math.round((count * messages) / timesUs.length));
}

function distribution(timesUs: readonly number[]): Distribution {
  const histogram = build({ bitBucketSize: 64, numberOfSignificantValueDigits: 3 });
  for (const us of timesUs) histogram.recordValue(Math.round(us * 1000));
  return {
    count: histogram.totalCount,
    minUs: histogram.minNonZeroValue / 1000,
    meanUs: histogram.mean / 1000,
    maxUs: histogram.maxValue / 1000,
    stdDevUs: histogram.stdDeviation / 1000,
    percentiles: [50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100].map((percentile) => ({
      percentile,
      us: histogram.getValueAtPercentile(percentile) / 1000,
    })),
    histogram: encodeIntoCompressedBase64(histogram),
  };
}
