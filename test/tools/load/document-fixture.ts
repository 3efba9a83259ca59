/** Small made-up results of load runs. */

import { randomUUID } from 'node:crypto';
import {
  ERROR_KINDS,
  type ErrorKind,
  type Interval,
  LOAD_SCHEMA,
  LOSS_KINDS,
  type LoadDocument,
  type ThreadFacts,
  type Trouble,
} from '#tools/load/document.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { distributionOf } from '#tools/load/record/distribution.js';
import { LatencyCounts } from '#tools/load/record/latency-counts.js';

export function planFixture(changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    endpoint: { host: '127.0.0.1', port: 7007 },
    loop: 'auto',
    threads: 2,
    connections: 50,
    idleConnections: 0,
    model: { kind: 'closed', pipeline: 1 },
    message: { kind: 'bytes', bytes: 64 },
    mode: 'echo',
    messagesPerConnection: null,
    warmupMs: 1000,
    durationMs: 2000,
    rampMs: 0,
    timeoutMs: 5000,
    sourceAddresses: [],
    sourcePorts: null,
    startAtMs: null,
    seed: 1,
    ...changes,
  };
}

/** An open loop of one rate for the plan's two seconds. */
export function openLoop(ratePerSecond: number): LoadPlan['model'] {
  return { kind: 'open', arrivals: 'uniform', stages: [{ durationMs: 2000, ratePerSecond }] };
}

/** Outcome of a fixture run. */
interface Course {
  readonly plan?: LoadPlan;
  /** The times of the first and of the second of its two seconds, in milliseconds. */
  readonly timesMs?: readonly [readonly number[], readonly number[]];
  readonly errors?: Partial<Readonly<Record<ErrorKind, number>>>;
  readonly hostname?: string;
  readonly startedAt?: string;
}

const EDGES_US = [100, 1000, 10_000, 100_000];

/** A document derived from the times: service is half of the response. */
export function loadFixture(course: Course = {}): LoadDocument {
  const {
    plan = planFixture(),
    timesMs = [
      [0.2, 0.3, 0.5],
      [0.4, 8],
    ],
    hostname = 'one',
  } = course;
  const open = plan.model.kind === 'open' ? plan.model.stages[0]?.ratePerSecond : undefined;
  const all = timesMs.flat();
  const counts = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, course.errors?.[kind] ?? 0]));
  const threads = threadsFixture(plan, all.length);
  return {
    schema: LOAD_SCHEMA,
    plan,
    machines: [
      {
        run: randomUUID(),
        hostname,
        cpu: 'Some CPU at 2 GHz',
        cores: 2,
        kernel: 'Linux 6.18.1',
        node: 'v20.20.2',
        sockloop: '0.1.0',
        loop: 'epoll',
      },
    ],
    startedAt: course.startedAt ?? '2026-01-02T03:04:05.000Z',
    measuredMs: 2000,
    endedEarly: false,
    counts: {
      messages: all.length,
      sentBytes: all.length * 64,
      receivedBytes: all.length * 64,
      connections: plan.connections,
      ...noTrouble(),
      errors: counts as Record<ErrorKind, number>,
    },
    warmup: noTrouble(),
    response: distributed(all),
    service: distributed(open === undefined ? all : all.map((ms) => ms / 2)),
    connect: distributed([0.1, 0.1]),
    intervals: timesMs.map((times, second) => intervalOf(times, second, open ?? null)),
    heat: {
      intervalMs: 1000,
      edgesUs: EDGES_US,
      counts: timesMs.map((times) =>
        EDGES_US.map((edge, column) => {
          const before = EDGES_US[column - 1] ?? 0;
          return times.filter((ms) => ms * 1000 >= before && ms * 1000 < edge).length;
        }),
      ),
    },
    generator: {
      threads,
      cpuUsPerMessage: 5.5,
      achievedPerSecond: all.length / 2,
      askedPerSecond: open ?? null,
      throttled: null,
    },
    verdict: { valid: true, reasons: [] },
  };
}

function threadsFixture({ threads, model }: LoadPlan, messages: number): ThreadFacts[] {
  const open = model.kind === 'open';
  return Array.from({ length: threads }, () => ({
    messages: messages / threads,
    cpuShare: 0.43,
    waitedShare: 0.004,
    oversleptShare: 0,
    scheduleLagP99Us: open ? 82 : 0,
    scheduleLagMaxUs: open ? 1240 : 0,
    connectionWaitP99Us: 0,
    turnMaxMs: 1.5,
  }));
}

/** Nothing went wrong. */
export function noTrouble(): Trouble {
  return {
    errors: Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as Trouble['errors'],
    lost: Object.fromEntries(LOSS_KINDS.map((kind) => [kind, 0])) as Trouble['lost'],
    replaced: 0,
  };
}

function distributed(timesMs: readonly number[]) {
  const counts = new LatencyCounts();
  for (const ms of timesMs) counts.record(ms);
  return distributionOf(counts.read());
}

function intervalOf(timesMs: readonly number[], second: number, asked: number | null): Interval {
  const { percentiles, maxUs, count } = distributed(timesMs);
  const at = (percentile: number): number =>
    percentiles.find((entry) => entry.percentile === percentile)?.us ?? 0;
  return {
    startMs: second * 1000,
    durationMs: 1000,
    messages: count,
    errors: 0,
    p50Us: at(50),
    p99Us: at(99),
    maxUs,
    askedPerSecond: asked,
  };
}
