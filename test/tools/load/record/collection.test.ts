// Goal: the seconds of a run are those of its threads, in whatever order these tell them.
// Method: random seconds of three threads, each told in order, against a plain sum.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Collection } from '#tools/load/record/collection.js';
import { LatencyCounts, percentileNs } from '#tools/load/record/latency-counts.js';
import { openLoop, planFixture } from '../document-fixture.ts';

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
