// Goal: the seconds of a run are those of its threads, in whatever order these tell them.
// Method: random seconds of three threads, each told in order, against a plain sum.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Collection } from '#tools/load/record/collection.js';
import { hdrLog } from '#tools/load/record/hdr-log.js';
import { HeatCounts } from '#tools/load/record/heat.js';
import { LatencyCounts, percentileNs } from '#tools/load/record/latency-counts.js';
import { openLoop, planFixture } from '../document-fixture.ts';

const STARTED_AT = '2026-11-28T12:00:00.000Z';
const THREADS = 3;
const SECONDS = 5;

function countsOf(timesMs: readonly number[]) {
  const counts = new LatencyCounts();
  for (const ms of timesMs) counts.record(ms);
  return counts.read();
}

const second = fc.record({
  timesMs: fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 5 }),
  errors: fc.nat(3),
});
const thread = fc.array(second, { minLength: SECONDS, maxLength: SECONDS });
const threads = fc.array(thread, { minLength: THREADS, maxLength: THREADS });

test('collection: every second is the sum of its threads, whoever is ahead', () => {
  fc.assert(
    fc.property(threads, fc.array(fc.nat(THREADS - 1), { maxLength: 40 }), (given, order) => {
      const plan = planFixture({ threads: THREADS, durationMs: SECONDS * 1000 });
      const collection = new Collection({ ...plan, model: openLoop(100) });
      const told = given.map(() => 0);
      const tell = (who: number): void => {
        const index = told[who] ?? 0;
        const one = given[who]?.[index];
        if (one === undefined) return;
        told[who] = index + 1;
        const { timesMs, errors } = one;
        // A second of nothing is not told.
        if (timesMs.length === 0 && errors === 0) return;
        const response = countsOf(timesMs);
        collection.add(who, { index, messages: timesMs.length, errors, response, service: null });
      };
      for (const who of order) tell(who);
      for (let rest = 0; rest < SECONDS; rest += 1) for (const who of given.keys()) tell(who);
      const intervals = collection.intervals(SECONDS * 1000);
      assert.equal(intervals.length, SECONDS);
      for (const [index, interval] of intervals.entries()) {
        const parts = given.flatMap((all) => all[index] ?? []);
        const times = countsOf(parts.flatMap(({ timesMs }) => timesMs));
        const { startMs, messages, errors, p50Us, p99Us, maxUs } = interval;
        assert.deepEqual(
          [startMs, messages, errors],
          [1000 * index, times.total, parts.reduce((sum, one) => sum + one.errors, 0)],
        );
        assert.deepEqual(
          [p50Us, p99Us, maxUs],
          [percentileNs(times, 50) / 1e3, percentileNs(times, 99) / 1e3, times.maxNs / 1e3],
        );
      }
      const all = given.flat().flatMap(({ timesMs }) => timesMs);
      assert.equal(collection.response.count, all.length);
      assert.equal(collection.service.count, all.length);
      const heat = collection.heat.counts.flat().reduce((sum, one) => sum + one, 0);
      assert.equal(heat, all.length);
    }),
    { numRuns: 60 },
  );
});

test('collection: a last second that is short, or without a reply, is one of the run', () => {
  const plan = planFixture({ threads: 1, durationMs: 3000 });
  const stages = [10, 20, 30].map((ratePerSecond) => ({ ratePerSecond, durationMs: 1000 }));
  const collection = new Collection({
    ...plan,
    model: { kind: 'open', arrivals: 'uniform', stages },
  });
  const none = countsOf([]);
  collection.add(0, { index: 0, messages: 1, errors: 0, response: countsOf([5]), service: null });
  collection.add(0, { index: 1, messages: 0, errors: 2, response: none, service: null });
  const intervals = collection.intervals(2500);
  assert.deepEqual(
    intervals.map(({ startMs, durationMs, messages, errors, askedPerSecond }) => {
      return [startMs, durationMs, messages, errors, askedPerSecond];
    }),
    [
      [0, 1000, 1, 0, 10],
      [1000, 1000, 0, 2, 20],
      [2000, 500, 0, 0, 30],
    ],
  );
  const histograms = collection.histograms;
  assert.deepEqual(
    histograms.map(({ startMs }) => startMs),
    [0],
    'a second without a reply has no times',
  );
  const log = hdrLog([{ ...(histograms[0] as (typeof histograms)[0]), startMs: 4000 }], STARTED_AT);
  assert.match(log, /^4\.000,1\.000,/m);
});

test('heat: a time at an edge lies above it', () => {
  const heat = new HeatCounts(1000);
  // In microseconds: the first edge is 1.
  heat.add(0, countsOf([0.000_999]));
  heat.add(0, countsOf([0.001]));
  const { edgesUs, counts } = heat.map;
  assert.equal(edgesUs[0], 1);
  assert.deepEqual(counts[0]?.slice(0, 2), [1, 1]);
});
