import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { distributionOf } from '#tools/load/record/distribution.js';
import {
  BUCKETS,
  bucketOf,
  LatencyCounts,
  lowestOf,
  percentileNs,
  TIME_NS_MAX,
} from '#tools/load/record/latency-counts.js';

// Times in milliseconds of every size, from below a nanosecond to beyond an hour.
const times = fc.array(
  fc.oneof(
    fc.double({ min: 0, max: 0.003, noNaN: true }),
    fc.double({ min: 0, max: 10, noNaN: true }),
    fc.double({ min: 0, max: 5e6, noNaN: true }),
  ),
  { minLength: 1, maxLength: 300 },
);

function countsOf(list: readonly number[]): LatencyCounts {
  const counts = new LatencyCounts();
  for (const ms of list) counts.record(ms);
  return counts;
}

test('a bucket holds what lies between its lowest value and the next one', () => {
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    assert.equal(bucketOf(lowestOf(bucket)), bucket);
    assert.equal(bucketOf(lowestOf(bucket + 1) - 1), bucket);
    const widthNs = lowestOf(bucket + 1) - lowestOf(bucket);
    assert(widthNs === 1 || widthNs / lowestOf(bucket) <= 1 / 1000, `bucket ${bucket}`);
  }
  assert.equal(bucketOf(TIME_NS_MAX), BUCKETS - 1);
});

test('percentiles are those of the sorted list, within a thousandth', () => {
  fc.assert(
    fc.property(times, fc.double({ min: 0.001, max: 100, noNaN: true }), (list, percent) => {
      const sorted = list.map((ms) => Math.min(ms * 1e6, TIME_NS_MAX)).sort((a, b) => a - b);
      const rank = Math.max(1, Math.ceil((percent / 100) * list.length - 1e-9));
      const exact = sorted[rank - 1] ?? 0;
      const found = percentileNs(countsOf(list).read(), percent);
      assert(Math.abs(found - exact) <= Math.max(1, exact / 1000), `${found}, not ${exact}`);
    }),
  );
});

test('parts that are added are the whole, bucket by bucket', () => {
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 5 }), (parts) => {
      const sum = new LatencyCounts();
      for (const part of parts) sum.add(countsOf(part).take());
      assert.deepEqual(sum.read(), countsOf(parts.flat()).read());
    }),
  );
});

test('what was taken is gone', () => {
  const counts = countsOf([1, 2, 3]);
  assert.equal(counts.take().total, 3);
  assert.equal(counts.take().total, 0);
  counts.record(5);
  assert.deepEqual(counts.read(), countsOf([5]).read());
});

test('the encoded histogram is the same, as the package reads it', () => {
  fc.assert(
    fc.property(times, (list) => {
      const sparse = countsOf(list).read();
      const distribution = distributionOf(sparse);
      const histogram = decodeFromCompressedBase64(distribution.histogram, 64);
      assert.equal(histogram.totalCount, list.length);
      for (const { percentile, us } of distribution.percentiles) {
        const ns = histogram.getValueAtPercentile(percentile);
        // Ours ends at the longest time, the package's at the end of its bucket.
        assert(
          Math.abs(ns - us * 1e3) <= Math.max(1, ns / 1000),
          `${percentile}: ${ns}, ${us * 1e3}`,
        );
      }
      const meanUs =
        list.reduce((sum, ms) => sum + Math.min(ms * 1e3, TIME_NS_MAX / 1e3), 0) / list.length;
      assert(Math.abs(distribution.meanUs - meanUs) <= Math.max(0.001, meanUs / 1000));
      assert(
        distribution.minUs <= distribution.meanUs && distribution.meanUs <= distribution.maxUs,
      );
    }),
  );
});

test('nothing at all is a distribution of nothing', () => {
  const { count, maxUs, histogram } = distributionOf(new LatencyCounts().read());
  assert.equal(count, 0);
  assert.equal(maxUs, 0);
  assert.equal(decodeFromCompressedBase64(histogram, 64).totalCount, 0);
});

test('latency counts: a time below zero or none counts as zero, one beyond as the longest', () => {
  const counts = countsOf([-1, Number.NaN, 1e12]);
  const { buckets, counts: each, total, minNs, maxNs } = counts.take();
  assert.deepEqual([[...buckets], [...each], total], [[0, BUCKETS - 1], [2, 1], 3]);
  assert.deepEqual([minNs, maxNs], [0, TIME_NS_MAX]);
});
