// Goal: merge adds each figure to itself, and to no other.
// Method: runs in which no two figures are alike, added figure by figure.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadDocument } from '#tools/load/document.js';
import { distributionOf } from '#tools/load/record/distribution.js';
import { LatencyCounts } from '#tools/load/record/latency-counts.js';
import { mergeDocuments } from '#tools/load/result/merge.js';
import { loadFixture, openLoop, planFixture } from '../document-fixture.ts';

type Figures = number | { readonly [key: string]: Figures };

/** The same figures, each with a number of its own: sums of no two of them are alike. */
function distinct<Part extends object>(part: Part, next: () => number): Part {
  const entries = Object.entries(part).map(([key, value]) => [
    key,
    typeof value === 'number' ? next() : distinct(value as object, next),
  ]);
  return Object.fromEntries(entries) as Part;
}

function added(parts: readonly Figures[]): Figures {
  const [first] = parts;
  if (typeof first === 'number') return (parts as number[]).reduce((sum, one) => sum + one, 0);
  const entries = Object.keys(first ?? {}).map((key) => [
    key,
    added(parts.map((part) => (part as Record<string, Figures>)[key] ?? 0)),
  ]);
  return Object.fromEntries(entries) as Figures;
}

/** Numbers whose sums tell which they are of: cubes, which are far apart. */
function numbers(): () => number {
  let last = 10;
  return () => {
    last += 1;
    return last ** 3;
  };
}

const next = numbers();

function runOf(hostname: string): LoadDocument {
  const plan = planFixture({ model: openLoop(100) });
  const times = [
    [0.2, 0.3, 20],
    [0.4, 8],
  ] as const;
  const document = loadFixture({ plan, timesMs: times, hostname });
  return {
    ...document,
    counts: distinct(document.counts, next),
    warmup: distinct(document.warmup, next),
    intervals: document.intervals.map((interval) => ({
      ...interval,
      messages: next(),
      errors: next(),
      askedPerSecond: next(),
    })),
    heat: { ...document.heat, counts: document.heat.counts.map((row) => row.map(next)) },
    generator: {
      ...document.generator,
      threads: document.generator.threads.map((thread) => distinct(thread, next)),
      cpuUsPerMessage: next(),
      achievedPerSecond: next(),
      askedPerSecond: next(),
      throttled: { periods: next(), ms: next() },
    },
  };
}

test('merge: every figure is the sum of that figure, and of nothing else', () => {
  const runs = [runOf('one'), runOf('two'), runOf('three')];
  const merged = mergeDocuments(runs);
  const sumOf = (part: (run: LoadDocument) => object | number): Figures =>
    added(runs.map((run) => part(run) as Figures));
  assert.deepEqual(
    merged.counts,
    sumOf(({ counts }) => counts),
  );
  assert.deepEqual(
    merged.warmup,
    sumOf(({ warmup }) => warmup),
  );
  for (const [index, interval] of merged.intervals.entries()) {
    const { messages, errors, askedPerSecond } = interval;
    const expected = sumOf(({ intervals }) => {
      const own = intervals[index];
      assert.ok(own !== undefined);
      return {
        messages: own.messages,
        errors: own.errors,
        askedPerSecond: own.askedPerSecond ?? 0,
      };
    });
    assert.deepEqual({ messages, errors, askedPerSecond }, expected);
  }
  const rows = merged.heat.counts.map((row) => [...row]);
  const heats = runs.map(({ heat }) => heat.counts);
  assert.deepEqual(
    rows,
    rows.map((row, at) =>
      row.map((_, column) => heats.reduce((sum, heat) => sum + (heat[at]?.[column] ?? 0), 0)),
    ),
  );
  const { generator } = merged;
  assert.deepEqual(
    generator.threads,
    runs.flatMap((run) => run.generator.threads),
  );
  assert.equal(
    generator.achievedPerSecond,
    sumOf((run) => run.generator.achievedPerSecond),
  );
  assert.equal(
    generator.askedPerSecond,
    sumOf((run) => run.generator.askedPerSecond ?? 0),
  );
  assert.deepEqual(
    generator.throttled,
    sumOf((run) => run.generator.throttled ?? {}),
  );
  // By the messages of its threads, not by those that were counted.
  const weighed = runs.map(({ generator: own }) => {
    const messages = own.threads.reduce((sum, thread) => sum + thread.messages, 0);
    return { messages, cpuUs: messages * own.cpuUsPerMessage };
  });
  const messages = weighed.reduce((sum, one) => sum + one.messages, 0);
  const cpuUs = weighed.reduce((sum, one) => sum + one.cpuUs, 0);
  assert.ok(Math.abs(generator.cpuUsPerMessage - cpuUs / messages) < 1e-6);
});

test('merge: what has no figure on one machine is that of the others, and null on none', () => {
  const [one, two] = [runOf('one'), runOf('two')];
  const without = (run: LoadDocument): LoadDocument => ({
    ...run,
    generator: { ...run.generator, throttled: null },
  });
  assert.deepEqual(
    mergeDocuments([one, without(two)]).generator.throttled,
    one.generator.throttled,
  );
  assert.equal(mergeDocuments([without(one), without(two)]).generator.throttled, null);
});

function distributed(timesMs: readonly number[]) {
  const counts = new LatencyCounts();
  for (const ms of timesMs) counts.record(ms);
  return distributionOf(counts.read());
}

test('merge: times of machines that differ much have the spread of the whole', () => {
  const parts = [
    [1, 1.1, 1.2],
    [50, 51, 52, 53],
  ] as const;
  for (const of of ['response', 'service', 'connect'] as const) {
    const [one, two] = parts.map((times, index) => ({
      ...loadFixture({ hostname: `h${index}` }),
      [of]: distributed(times),
    }));
    assert.ok(one !== undefined && two !== undefined);
    const merged = mergeDocuments([one, two])[of];
    const whole = distributed(parts.flat());
    assert.equal(merged.count, whole.count);
    assert.deepEqual([merged.minUs, merged.maxUs], [whole.minUs, whole.maxUs]);
    assert.deepEqual(merged.percentiles, whole.percentiles);
    for (const figure of ['meanUs', 'stdDevUs'] as const) {
      assert.ok(Math.abs(merged[figure] - whole[figure]) < 1e-3 * whole[figure], `${of} ${figure}`);
    }
  }
});

test('merge: a second that one machine spent idle has the figures of the other', () => {
  const [one, two] = [runOf('one'), runOf('two')];
  const inSecond = (run: LoadDocument, index: number, messages: number): LoadDocument => ({
    ...run,
    intervals: run.intervals.map((interval, at) =>
      at === index ? { ...interval, startMs: 1000 * at + 1, durationMs: 999, messages } : interval,
    ),
  });
  const merged = mergeDocuments([inSecond(one, 1, 0), inSecond(two, 1, 7)]).intervals[1];
  const own = two.intervals[1];
  assert.ok(merged !== undefined && own !== undefined);
  assert.deepEqual([merged.messages, merged.p50Us, merged.p99Us], [7, own.p50Us, own.p99Us]);
  assert.deepEqual([merged.startMs, merged.durationMs], [1001, 999]);
  const quiet = mergeDocuments([inSecond(one, 1, 0), inSecond(two, 1, 0)]).intervals[1];
  assert.deepEqual([quiet?.messages, quiet?.p50Us, quiet?.p99Us], [0, 0, 0]);
});

test('merge: a second has nothing of the seconds beside it', () => {
  // A longest time that lies where those of the other second do: it bounds no percentile.
  const times = [
    [0.2, 0.3, 0.4, 65],
    [50, 60, 70],
  ] as const;
  const parts = ['one', 'two'].map((hostname) => loadFixture({ timesMs: times, hostname }));
  const [first, second] = mergeDocuments(parts).intervals;
  assert.ok(first !== undefined && second !== undefined);
  // The column of these times ends at 1 ms, that of the others begins at 10 ms.
  assert.ok(first.p50Us <= 1000 && first.p99Us > 10_000, `${first.p50Us}, ${first.p99Us}`);
  assert.ok(second.p50Us >= 10_000 && second.p99Us >= 10_000, `${second.p50Us}`);
  // Half of a column in which all times lie.
  assert.ok(Math.abs(second.p50Us - 55_000) < 1, `${second.p50Us}`);
});
