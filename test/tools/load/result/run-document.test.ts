// Goal: each figure of a document is that of the threads, and of nothing else.
// Method: threads whose figures are all different, so that each sum has one way to come about.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_KINDS, LOSS_KINDS } from '#tools/load/document.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { Collection } from '#tools/load/record/collection.js';
import { LatencyCounts, type SparseCounts } from '#tools/load/record/latency-counts.js';
import type { ThreadResult, TroubleCounts } from '#tools/load/record/thread-messages.js';
import { documentOf, loopsOf, type Outcome } from '#tools/load/result/run-document.js';
import { openLoop, planFixture } from '../document-fixture.ts';

function timesOf(...timesMs: readonly number[]): SparseCounts {
  const counts = new LatencyCounts();
  for (const ms of timesMs) counts.record(ms);
  return counts.read();
}

/** `count` times of `ms`. */
const many = (count: number, ms: number): SparseCounts =>
  timesOf(...Array.from({ length: count }, () => ms));

function troubleFrom(first: number): TroubleCounts {
  let next = first;
  const numbered = <Kind extends string>(kinds: readonly Kind[]): Record<Kind, number> =>
    Object.fromEntries(kinds.map((kind) => [kind, next++])) as Record<Kind, number>;
  return { errors: numbered(ERROR_KINDS), lost: numbered(LOSS_KINDS), replaced: next };
}

/** The figures of a thread begin with `first`. */
function resultOf(first: number, changes: Partial<ThreadResult> = {}): ThreadResult {
  return {
    messages: first + 1,
    sentBytes: first + 2,
    receivedBytes: first + 3,
    connections: first + 4,
    trouble: troubleFrom(first + 100),
    warmup: troubleFrom(first + 200),
    connect: timesOf(first / 1000),
    lag: timesOf(0.001),
    connectionWait: timesOf(),
    due: first + 5,
    repliesInTime: first + 6,
    measuredMs: 2000,
    cpuMs: 500,
    waitedMs: 2,
    oversleptMs: 1,
    turnMaxMs: 3,
    throttled: null,
    silence: { startMs: 0, durationMs: 0 },
    awaitingEnd: 0,
    ...changes,
  };
}

interface Given {
  readonly plan?: Partial<LoadPlan>;
  readonly changes?: Partial<Outcome>;
}

function documentFor(results: readonly (ThreadResult | string)[], given: Given = {}) {
  const plan = planFixture({ threads: results.length, model: openLoop(1000), ...given.plan });
  const collection = new Collection(plan);
  // As many as the verdict needs to speak of anything else.
  const response = many(2000, 1);
  const service = many(2000, 0.5);
  collection.add(0, { index: 0, messages: 2000, errors: 7, response, service });
  const outcome: Outcome = {
    plan,
    startedAt: '2026-01-02T03:04:05.000Z',
    endedEarly: false,
    startLateMs: 0,
    cpuMs: 900,
    threads: results.map((one, thread) => ({
      loop: thread === 0 ? 'epoll' : 'poll',
      result: typeof one === 'string' ? null : one,
      failure: typeof one === 'string' ? one : null,
    })),
    ...given.changes,
  };
  return documentOf(outcome, collection);
}

test('run document: threads that came to different loops are all named', () => {
  const loops = (...names: (string | null)[]) => loopsOf(names.map((loop) => ({ loop })));
  assert.equal(loops('io_uring', 'io_uring'), 'io_uring');
  assert.equal(loops('io_uring', 'epoll', null, 'io_uring'), 'io_uring, epoll');
});

test('run document: every count is the sum of that count of the threads', () => {
  const { counts, warmup, machines, measuredMs, startedAt, endedEarly } = documentFor([
    resultOf(1000, { measuredMs: 1999 }),
    resultOf(20_000, { measuredMs: 2000.5 }),
  ]);
  const { errors, lost, replaced, ...others } = counts;
  // The messages are those of the seconds: a thread that failed has told some.
  assert.deepEqual(others, {
    messages: 2000,
    sentBytes: 21_004,
    receivedBytes: 21_006,
    connections: 21_008,
  });
  const twice = (first: number) => {
    const [one, two] = [troubleFrom(1000 + first), troubleFrom(20_000 + first)];
    const sums = (a: Record<string, number>, b: Record<string, number>) =>
      Object.fromEntries(Object.keys(a).map((kind) => [kind, (a[kind] ?? 0) + (b[kind] ?? 0)]));
    return {
      errors: sums(one.errors, two.errors),
      lost: sums(one.lost, two.lost),
      replaced: one.replaced + two.replaced,
    };
  };
  assert.deepEqual({ errors, lost, replaced }, twice(100));
  assert.deepEqual(warmup, twice(200));
  assert.deepEqual(
    [measuredMs, startedAt, endedEarly],
    [2000.5, '2026-01-02T03:04:05.000Z', false],
  );
  assert.deepEqual(
    machines.map(({ loop }) => loop),
    ['epoll, poll'],
  );
});

test('run document: times, seconds and the rate are those that were collected', () => {
  const { response, service, connect, intervals, heat, generator } = documentFor([
    resultOf(1000),
    resultOf(3000),
  ]);
  const [first, second] = intervals;
  assert.deepEqual([response.count, response.maxUs, service.maxUs], [2000, 1000, 500]);
  assert.deepEqual([connect.count, connect.minUs, connect.maxUs], [2, 1000, 3000]);
  assert.deepEqual(
    [intervals.length, first?.messages, first?.errors, second?.messages],
    [2, 2000, 7, 0],
  );
  assert.equal(
    heat.counts.flat().reduce((sum, count) => sum + count, 0),
    2000,
  );
  // Replies that came in time, whenever they were due.
  assert.equal(generator.achievedPerSecond, ((1006 + 3006) / 2000) * 1000);
  assert.equal(generator.askedPerSecond, 1000);
  assert.equal(generator.cpuUsPerMessage, 900_000 / (1001 + 3001));
});

test('run document: the rate of stages is their mean over the time', () => {
  const stages = [
    { durationMs: 500, ratePerSecond: 100 },
    { durationMs: 1500, ratePerSecond: 900 },
  ];
  const plan = { model: { kind: 'open', arrivals: 'uniform', stages } } as const;
  assert.equal(documentFor([resultOf(1)], { plan }).generator.askedPerSecond, 700);
  const closed = { model: { kind: 'closed', pipeline: 1 } } as const;
  assert.equal(documentFor([resultOf(1)], { plan: closed }).generator.askedPerSecond, null);
});

test('run document: the shares of a thread are those of its measured time', () => {
  const lag = timesOf(...Array.from({ length: 98 }, () => 0.1), 5, 9);
  const figures = { cpuMs: 400, waitedMs: 100, oversleptMs: 20, turnMaxMs: 7, lag };
  const { generator } = documentFor([
    resultOf(1, figures),
    resultOf(1, { cpuMs: null, waitedMs: null, oversleptMs: 1e6, measuredMs: 1000 }),
    resultOf(1, { measuredMs: 0 }),
  ]);
  const [first, second, third] = generator.threads;
  assert.deepEqual(
    [first?.messages, first?.cpuShare, first?.waitedShare, first?.oversleptShare],
    [2, 0.2, 0.05, 0.01],
  );
  assert.deepEqual([first?.scheduleLagMaxUs, first?.turnMaxMs], [9000, 7]);
  assert.ok(Math.abs((first?.scheduleLagP99Us ?? 0) - 5000) < 10);
  // An even share of the whole process where the thread's own is not known; and never above 1.
  assert.deepEqual([second?.cpuShare, second?.waitedShare, second?.oversleptShare], [0.3, null, 1]);
  assert.deepEqual([third?.cpuShare, third?.waitedShare, third?.oversleptShare], [0, 0, 0]);
});

test('run document: the wait for a connection counts those that did not wait as well', () => {
  const p99Us = (waits: SparseCounts, all: number): number => {
    const result = resultOf(1, { connectionWait: waits, lag: many(all, 0.01) });
    return documentFor([result]).generator.threads[0]?.connectionWaitP99Us ?? -1;
  };
  const near = (us: number, wanted: number): void => assert.ok(Math.abs(us / wanted - 1) < 2e-3);
  // One in a hundred waited: the 99th percentile did not. Of two it is the shorter one.
  assert.equal(p99Us(timesOf(5), 100), 0);
  near(p99Us(timesOf(5, 8), 100), 5000);
  near(p99Us(timesOf(5, 6, 8), 100), 6000);
  near(p99Us(timesOf(5, 8), 2), 8000);
  assert.equal(p99Us(timesOf(), 100), 0);
});

test('run document: the largest reading of the quota covers all threads', () => {
  const of = (...periods: (number | null)[]) =>
    documentFor(
      periods.map((one) =>
        resultOf(1, { throttled: one === null ? null : { periods: one, ms: one } }),
      ),
    ).generator.throttled;
  assert.deepEqual(of(2, null, 5, 3), { periods: 5, ms: 5 });
  assert.equal(of(null), null);
});

test('run document: the verdict hears of every thread', () => {
  const reasons = (results: readonly (ThreadResult | string)[], given: Given = {}): string =>
    documentFor(results, given).verdict.reasons.join('; ');
  const right = { messages: 1000, due: 1000, repliesInTime: 1000, trouble: noTroubleCounts() };
  const good = resultOf(0, right);
  assert.equal(reasons([good, good]), '');
  assert.match(reasons([good, { ...good, due: 2000 }]), /1,500\/s were due and 1,000\/s came back/);
  assert.match(reasons([good, { ...good, repliesInTime: 500 }]), /1,000\/s were due and 750\/s/);
  assert.match(reasons([good, 'out of memory']), /^thread 2 failed: out of memory$/);
  assert.match(reasons([good, good], { changes: { endedEarly: true } }), /ended before its time/);
  assert.match(reasons([good, good], { changes: { startLateMs: 150 } }), /began 150 ms later/);
  const out = (startMs: number, durationMs: number): ThreadResult => ({
    ...good,
    silence: { startMs, durationMs },
  });
  const closed = { plan: { model: { kind: 'closed', pipeline: 1 } } } as const;
  // It is one where all were silent.
  assert.match(
    reasons([out(0, 1500), out(500, 1500)], closed),
    /was out for 1.00 s: .* 0.5 s to 1.5/,
  );
  assert.equal(reasons([out(0, 900), out(500, 1500)], closed), '');
  const waiting = { ...out(0, 1000), awaitingEnd: 2 };
  assert.match(reasons([waiting, { ...waiting, awaitingEnd: 3 }], closed), /^5 connections wait/);
  assert.match(reasons([{ ...good, turnMaxMs: 51 }, good]), /held up for 51.0 ms/);
});

test('run document: a run that was ended before it was measured has no rate', () => {
  const empty = resultOf(0, { measuredMs: 0, messages: 0, repliesInTime: 0 });
  const plan = planFixture({ threads: 1 });
  const outcome = {
    plan,
    startedAt: '2026-01-02T03:04:05.000Z',
    endedEarly: true,
    startLateMs: 0,
    cpuMs: 5,
    threads: [{ loop: 'epoll', result: empty, failure: null }],
  };
  const { generator, counts, intervals, verdict } = documentOf(outcome, new Collection(plan));
  assert.deepEqual([generator.achievedPerSecond, generator.cpuUsPerMessage], [0, 0]);
  assert.deepEqual([counts.messages, intervals.length, verdict.valid], [0, 0, false]);
  assert.match(verdict.reasons[0] ?? '', /it was ended before that began/);
});

function noTroubleCounts(): TroubleCounts {
  const none = <Kind extends string>(kinds: readonly Kind[]): Record<Kind, number> =>
    Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
  return { errors: none(ERROR_KINDS), lost: none(LOSS_KINDS), replaced: 0 };
}
