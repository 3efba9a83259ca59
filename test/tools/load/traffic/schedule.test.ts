import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Random } from '#src/base/random.js';
import type { OpenLoop, Stage } from '#tools/load/plan.js';
import { RateCourse, Schedule } from '#tools/load/traffic/schedule.js';
import { planFor } from '../servers.ts';

interface Shape {
  readonly threads: number;
  readonly stages: readonly Stage[];
  readonly warmupMs: number;
  readonly rampMs: number;
  readonly seed?: number;
}

/** The due times of all messages, thread by thread. */
function dueTimes(shape: Shape, arrivals: OpenLoop['arrivals'] = 'uniform'): number[][] {
  const { threads, stages, warmupMs, rampMs, seed = 1 } = shape;
  const model: OpenLoop = { kind: 'open', arrivals, stages };
  const durationMs = stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  const plan = planFor(1, { threads, warmupMs, rampMs, durationMs, model, seed });
  return Array.from({ length: threads }, (_, thread) => {
    const schedule = new Schedule(plan, model, thread);
    const times: number[] = [];
    for (; schedule.dueMs < Number.POSITIVE_INFINITY; schedule.next()) times.push(schedule.dueMs);
    return times;
  });
}

const measured = (times: readonly number[], { warmupMs }: Shape): number[] =>
  times.filter((ms) => ms >= warmupMs);

const stage = fc.record({
  durationMs: fc.integer({ min: 1, max: 4000 }),
  ratePerSecond: fc.oneof(
    fc.double({ min: 0.2, max: 20, noNaN: true }),
    fc.integer({ min: 1, max: 3000 }),
  ),
});

const shape = fc
  .record({
    threads: fc.integer({ min: 1, max: 9 }),
    stages: fc.array(stage, { minLength: 1, maxLength: 4 }),
    warmupMs: fc.integer({ min: 0, max: 1500 }),
    ramp: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ ramp, ...rest }) => ({ ...rest, rampMs: ramp * rest.warmupMs }));

test('uniform: the measured time holds exactly rate times duration, whatever the threads', () => {
  fc.assert(
    fc.property(shape, (given) => {
      const all = measured(dueTimes(given).flat(), given);
      const expected = given.stages.reduce(
        (sum, { durationMs, ratePerSecond }) => sum + (durationMs * ratePerSecond) / 1000,
        0,
      );
      assert(Math.abs(all.length - expected) <= 0.5 + 1e-6, `${all.length} of ${expected}`);
    }),
    { numRuns: 150 },
  );
});

test('uniform: the threads together are the schedule of one, in even shares', () => {
  fc.assert(
    fc.property(shape, (given) => {
      const threads = dueTimes(given);
      const [alone = []] = dueTimes({ ...given, threads: 1 });
      const together = threads.flat().sort((a, b) => a - b);
      assert.deepEqual(together, alone);
      const sizes = threads.map(({ length }) => length);
      assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
    }),
    { numRuns: 100 },
  );
});

test('uniform: within a stage every gap is that of its rate', () => {
  fc.assert(
    fc.property(shape, (given) => {
      const all = dueTimes(given)
        .flat()
        .sort((a, b) => a - b);
      let startMs = given.warmupMs;
      for (const { durationMs, ratePerSecond } of given.stages) {
        const endMs = startMs + durationMs;
        const inside = all.filter((ms) => ms >= startMs && ms < endMs);
        for (let i = 1; i < inside.length; i += 1) {
          const gapMs = (inside[i] ?? 0) - (inside[i - 1] ?? 0);
          assert(Math.abs(gapMs - 1000 / ratePerSecond) < 1e-6, `${gapMs} at ${ratePerSecond}`);
        }
        // The boundary loses and doubles nothing: half a message on either side at most.
        const expected = (durationMs * ratePerSecond) / 1000;
        assert(Math.abs(inside.length - expected) <= 1 + 1e-6);
        startMs = endMs;
      }
    }),
    { numRuns: 100 },
  );
});

test('one a second on four threads', () => {
  const given = {
    threads: 4,
    stages: [{ durationMs: 8000, ratePerSecond: 1 }],
    warmupMs: 0,
    rampMs: 0,
  };
  assert.deepEqual(dueTimes(given), [
    [500, 4500],
    [1500, 5500],
    [2500, 6500],
    [3500, 7500],
  ]);
});

test('a ramp rises evenly from nothing to the rate', () => {
  const course = new RateCourse([{ durationMs: 1000, ratePerSecond: 1000 }], 3000, 2000);
  assert.equal(course.warmupCount, 2000);
  assert.equal(course.measuredCount, 1000);
  assert.equal(course.timeOf(-2000), 0);
  // A quarter of the ramp's messages lie in its first half.
  assert.equal(course.timeOf(-1750), 1000);
  assert.equal(course.timeOf(-1000), 2000);
  assert.equal(course.timeOf(0), 3000);
  assert.equal(course.timeOf(1000), Number.POSITIVE_INFINITY);
});

test('Poisson: the mean is the rate, the gaps are exponential, and the seed decides', () => {
  const given = {
    threads: 3,
    stages: [{ durationMs: 20_000, ratePerSecond: 1000 }],
    warmupMs: 500,
    rampMs: 250,
    seed: 99,
  };
  const threads = dueTimes(given, 'poisson');
  const all = measured(
    threads.flat().sort((a, b) => a - b),
    given,
  );
  // 20,000 messages: one standard deviation is 141. The seed is fixed.
  assert(Math.abs(all.length - 20_000) < 3 * 141, `${all.length} messages`);
  const gapsMs = all.slice(1).map((ms, index) => ms - (all[index] ?? 0));
  for (const ms of [0.1, 0.5, 1, 2, 4]) {
    const share = gapsMs.filter((gapMs) => gapMs > ms).length / gapsMs.length;
    assert(Math.abs(share - Math.exp(-ms)) < 0.015, `${share} are longer than ${ms} ms`);
  }
  assert.deepEqual(dueTimes(given, 'poisson'), threads);
  const alone = dueTimes({ ...given, threads: 1 }, 'poisson').flat();
  assert.deepEqual(
    threads.flat().sort((a, b) => a - b),
    alone,
  );
  assert.notDeepEqual(dueTimes({ ...given, seed: 100 }, 'poisson'), threads);
});

test('Poisson: every gap is that of the seed at the rate, from the beginning on', () => {
  const given = {
    threads: 1,
    stages: [
      { durationMs: 20_000, ratePerSecond: 5000 },
      { durationMs: 20_000, ratePerSecond: 20_000 },
    ],
    warmupMs: 1000,
    rampMs: 0,
    seed: 7,
  };
  const [times = []] = dueTimes(given, 'poisson');
  const random = new Random(given.seed);
  // In messages: where the rate changes, the rest of a gap is as long as the new rate says.
  const warmup = 5000;
  const slow = warmup + 100_000;
  let [place, worstMs] = [0, 0];
  for (const ms of times) {
    place += random.exponential();
    const expectedMs = place < slow ? place / 5 : slow / 5 + (place - slow) / 20;
    worstMs = Math.max(worstMs, Math.abs(ms - expectedMs));
  }
  assert(worstMs < 1e-3, `one is off by ${worstMs} ms`);
  // One standard deviation is 711 of 505,000: 1 % off is seven of them.
  assert(Math.abs(times.length - 505_000) < 3 * 711, `${times.length} messages`);
});

test('uniform: the warm-up has every message whose time lies in it, and none before', () => {
  for (const [warmupMs, first] of [
    [2.7, 0.2],
    [2.5, 0],
    [2.4, 0.9],
    [3, 0.5],
    [0.4, 0.9],
  ] as const) {
    const stages = [{ durationMs: 5, ratePerSecond: 1000 }];
    const [times = []] = dueTimes({ threads: 1, stages, warmupMs, rampMs: 0 });
    assert(Math.abs((times[0] ?? 0) - first) < 1e-9, `${times[0]} of a warm-up of ${warmupMs} ms`);
    assert.equal(times.filter((ms) => ms >= warmupMs).length, 5);
  }
});
