// Goal: the runs of several machines add up exactly, and runs of different plans are refused.
// Method: fixture runs whose times are known, against one run that has them all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LoadDocument } from '#tools/load/document.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { mergeDocuments } from '#tools/load/result/merge.js';
import { loadFixture, openLoop, planFixture } from '../document-fixture.ts';

/** Times from 1 us to 99 ms: what the heat map of a fixture has columns for. */
const timesMs = fc.array(
  fc.integer({ min: 1000, max: 99_000_000 }).map((ns) => ns / 1e6),
  { maxLength: 200 },
);
const seconds = fc.tuple(timesMs, timesMs);

/** The figures that do not depend on the spread of the times over machines. */
function facts({ response, service, counts, heat, intervals, generator }: LoadDocument) {
  return {
    count: response.count,
    minUs: response.minUs,
    maxUs: response.maxUs,
    percentiles: [response, service].map((all) => all.percentiles),
    messages: counts.messages,
    receivedBytes: counts.receivedBytes,
    heat,
    intervals: intervals.map(({ messages, maxUs, startMs }) => [startMs, messages, maxUs]),
    rate: generator.achievedPerSecond,
  };
}

/** As near as the buckets of a histogram are wide: the mean of one time is that time. */
function assertNear(actual: number, expected: number, what: string): void {
  const difference = Math.abs(actual - expected);
  assert.ok(difference <= 1e-3 * expected + 1, `${what}: ${actual}, not ${expected}`);
}

test('merge: three machines are as one that has all their messages', () => {
  fc.assert(
    fc.property(seconds, seconds, seconds, (one, two, three) => {
      const plan = planFixture({ model: openLoop(100) });
      const parts = [one, two, three].map((timesMs, index) =>
        loadFixture({ plan, timesMs, hostname: `h${index}` }),
      );
      const whole = loadFixture({
        plan,
        timesMs: [
          [...one[0], ...two[0], ...three[0]],
          [...one[1], ...two[1], ...three[1]],
        ],
      });
      const merged = mergeDocuments(parts);
      assert.deepEqual(facts(merged), facts(whole));
      assertNear(merged.response.meanUs, whole.response.meanUs, 'mean');
      assertNear(merged.response.stdDevUs, whole.response.stdDevUs, 'standard deviation');
      // Merging one by one has the same result.
      const [first, second, third] = parts;
      assert.ok(first !== undefined && second !== undefined && third !== undefined);
      const stepwise = mergeDocuments([mergeDocuments([first, second]), third]);
      assert.deepEqual(facts(stepwise), facts(merged));
    }),
    { numRuns: 50 },
  );
});

test('merge: a second of two machines has percentiles between its columns', () => {
  const [two, three] = [
    [[0.2, 0.3], []],
    [[0.5, 50], [0.7]],
  ] as const;
  const merged = mergeDocuments([
    loadFixture({ timesMs: two, hostname: 'one' }),
    loadFixture({ timesMs: three, hostname: 'two' }),
  ]);
  const [first, second] = merged.intervals;
  assert.ok(first !== undefined && second !== undefined);
  // Three of four times lie in the column from 100 us to 1 ms, one in the last.
  assert.ok(first.p50Us > 100 && first.p50Us <= 1000, `${first.p50Us}`);
  assert.ok(first.p99Us > 10_000 && first.p99Us <= first.maxUs, `${first.p99Us}`);
  // If only one machine had messages, the figures are its own.
  assert.ok(Math.abs(second.p50Us - 700) < 1, `${second.p50Us}`);
});

test('merge: plans, counts and generators are added up', () => {
  const plan = planFixture({ model: openLoop(100), idleConnections: 10, startAtMs: 5 });
  const one = loadFixture({ plan, errors: { reset: 1 }, startedAt: '2026-01-02T03:04:05.100Z' });
  const two = loadFixture({
    plan: { ...plan, threads: 3, startAtMs: 6, seed: 9, endpoint: { path: '/tmp/a' } },
    errors: { reset: 2, timeout: 5 },
    hostname: 'two',
    startedAt: '2026-01-02T03:04:05.000Z',
  });
  const merged = mergeDocuments([one, { ...two, endedEarly: true, measuredMs: 2001 }]);
  assert.deepEqual(merged.plan, {
    ...plan,
    threads: 5,
    connections: 100,
    idleConnections: 20,
    model: openLoop(200),
    startAtMs: null,
  });
  assert.deepEqual(
    merged.machines.map(({ hostname }) => hostname),
    ['one', 'two'],
  );
  assert.equal(merged.startedAt, '2026-01-02T03:04:05.000Z');
  assert.deepEqual([merged.measuredMs, merged.endedEarly], [2001, true]);
  const { reset, timeout: timedOut, refused } = merged.counts.errors;
  assert.deepEqual([reset, timedOut, refused], [3, 5, 0]);
  assert.deepEqual([merged.counts.connections, merged.counts.messages], [100, 10]);
  const { threads, askedPerSecond, cpuUsPerMessage } = merged.generator;
  assert.deepEqual([threads.length, askedPerSecond, cpuUsPerMessage], [5, 200, 5.5]);
  assert.equal(merged.intervals[0]?.askedPerSecond, 200);
  assert.deepEqual(merged.verdict, { valid: true, reasons: [] });
});

test('merge: one that is invalid makes all invalid, and says where', () => {
  const bad = loadFixture({ hostname: 'slow' });
  const merged = mergeDocuments([
    loadFixture({ timesMs: [[1], [1]] }),
    { ...bad, verdict: { valid: false, reasons: ['thread 1 was 99 % busy'] } },
  ]);
  assert.deepEqual(merged.verdict, { valid: false, reasons: ['slow: thread 1 was 99 % busy'] });
});

test('merge: runs that were not under way together are invalid', () => {
  const merged = (startedAt: string) =>
    mergeDocuments([
      loadFixture({ startedAt: '2026-01-02T03:04:05.000Z' }),
      loadFixture({ startedAt, hostname: 'two' }),
    ]).verdict;
  assert.equal(merged('2026-01-02T03:04:05.200Z').valid, true);
  const { valid, reasons } = merged('2026-01-02T03:04:05.500Z');
  assert.deepEqual([valid, reasons.length], [false, 1]);
  assert.match(reasons[0] ?? '', /under way together for 1.5 s of 2.0 s: .* --start-at$/);
  assert.match(merged('2026-01-03T03:04:05.000Z').reasons[0] ?? '', /for 0.0 s of 2.0 s/);
});

test('merge: one document is itself, none is nothing', () => {
  const one = loadFixture();
  assert.equal(mergeDocuments([one]), one);
  assert.throws(() => mergeDocuments([]), { message: 'there is nothing to merge' });
});

test('merge: plans that differ are refused by name', () => {
  const open = planFixture({ model: openLoop(100) });
  const table: [plan: LoadPlan, changes: Partial<LoadPlan>, why: string][] = [
    [open, { model: openLoop(200) }, 'rate is 200/s for 2 s, not 100/s for 2 s'],
    [
      open,
      {
        model: {
          kind: 'open',
          arrivals: 'uniform',
          stages: [
            { durationMs: 500, ratePerSecond: 400 },
            { durationMs: 1500, ratePerSecond: 4000 },
          ],
        },
      },
      'rate is 400/s for 0.5 s, then 4,000/s for 1.5 s, not 100/s for 2 s',
    ],
    [open, { model: { kind: 'closed', pipeline: 1 } }, 'model is closed, not open'],
    [
      open,
      { model: { ...openLoop(100), arrivals: 'poisson' } as LoadPlan['model'] },
      'arrivals are poisson, not uniform',
    ],
    [planFixture(), { model: { kind: 'closed', pipeline: 2 } }, 'pipeline is 2, not 1'],
    [planFixture(), { connections: 51 }, 'number of connections is 51, not 50'],
    [planFixture(), { idleConnections: 1 }, 'number of idle connections is 1, not 0'],
    [
      planFixture(),
      { message: { kind: 'bytes', bytes: 65 } },
      'message is 65 bytes that differ each time, not 64 bytes that differ each time',
    ],
    [
      planFixture(),
      { message: { kind: 'given', base64: 'A'.repeat(100), source: 'f' } },
      'message is 75 bytes from f, not 64 bytes that differ each time',
    ],
    [
      planFixture({ message: { kind: 'given', base64: 'AAAA', source: 'f' } }),
      { message: { kind: 'given', base64: 'AAAB', source: 'f' } },
      'message is 3 bytes from f, another one of the same name',
    ],
    [planFixture(), { mode: 'line' }, 'mode is line, not echo'],
    [
      planFixture(),
      { messagesPerConnection: 1 },
      'share of a connection is 1 message, not the whole run',
    ],
    [planFixture(), { warmupMs: 1 }, 'warm-up is 0.001 s, not 1 s'],
    [planFixture(), { durationMs: 1 }, 'duration is 0.001 s, not 2 s'],
    [planFixture(), { rampMs: 1 }, 'ramp is 0.001 s, not 0 s'],
    [planFixture(), { timeoutMs: 1 }, 'timeout is 0.001 s, not 5 s'],
  ];
  for (const [plan, changes, why] of table) {
    const documents = [plan, { ...plan, ...changes }].map((each) => loadFixture({ plan: each }));
    assert.throws(
      () => mergeDocuments(documents, ['a.json', 'b.json']),
      { message: `b.json was not asked for the same as a.json: its ${why}` },
      why,
    );
  }
});

test('merge: what may differ does', () => {
  const table: Partial<LoadPlan>[] = [
    { endpoint: { host: '127.0.0.2', port: 7 } },
    { loop: 'poll' },
    { threads: 1 },
    { sourceAddresses: ['127.0.0.2'] },
    { sourcePorts: [1, 2] },
    { startAtMs: 1 },
    { seed: 2 },
  ];
  for (const changes of table) {
    const one = loadFixture({ timesMs: [[1], [1]] });
    const two = loadFixture({ plan: planFixture(changes) });
    assert.equal(mergeDocuments([one, two]).counts.messages, 7, JSON.stringify(changes));
  }
});

test('merge: the same run twice, a damaged histogram, another heat map', () => {
  const one = loadFixture();
  const names = ['a', 'b', 'c'];
  const other = loadFixture({ hostname: 'two' });
  const cases: [LoadDocument[], RegExp][] = [
    [[one, other, one], /^c is the same run as a$/],
    [
      [mergeDocuments([one, other]), one],
      /^b holds a run that a holds too, that on one: it counts once$/,
    ],
    [[other, mergeDocuments([one, other])], /^b holds a run that a holds too, that on two: /],
    [
      [one, { ...other, connect: { ...other.connect, count: 0 } }],
      /^b: connect: its histogram holds 2 times, not 0$/,
    ],
    [
      [one, { ...other, response: { ...other.response, histogram: 'AAAA' } }],
      /^b: response: its histogram cannot be read: /,
    ],
    [
      [one, { ...other, service: { ...other.service, count: 6 } }],
      /^b: service: its histogram holds 5 times, not 6$/,
    ],
    [
      [one, { ...other, heat: { ...other.heat, edgesUs: [1] } }],
      /^b has another heat map than a: it cannot be added$/,
    ],
  ];
  for (const [documents, message] of cases) {
    assert.throws(() => mergeDocuments(documents, names), { name: 'Error', message });
  }
});
