import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram } from '#src/base/histogram.js';

test('histogram: quantiles and counts agree with a sorted list, to a sixteenth', () => {
  const values = fc.array(fc.oneof(fc.nat(50), fc.nat(100_000), fc.nat(2 ** 31 - 1)), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
      const histogram = new Histogram();
      for (const value of list) histogram.record(value);
      const sorted = list.toSorted((one, two) => one - two);
      const exact = sorted[Math.max(1, Math.ceil(share * list.length)) - 1] ?? 0;
      const quantile = histogram.quantile(share);
      assert.ok(quantile >= exact && quantile <= exact + exact / 16, `${quantile} for ${exact}`);
      assert.equal(histogram.count, list.length);
      assert.equal(
        histogram.sum,
        list.reduce((sum, value) => sum + value, 0),
      );
      assert.equal(histogram.max, sorted.at(-1));
      const atMost = histogram.countAtMost(exact);
      assert.ok(atMost <= list.filter((value) => value <= exact).length);
      assert.ok(atMost >= list.filter((value) => value < exact - exact / 16).length);
    }),
  );
});

test('histogram: what exceeds the highest bucket is counted in it', () => {
  const histogram = new Histogram();
  histogram.record(2 ** 40);
  assert.equal(histogram.quantile(1), 2 ** 31 - 1);
  assert.equal(histogram.max, 2 ** 40);
  assert.equal(histogram.countAtMost(2 ** 31), 1);
  assert.equal(new Histogram().quantile(0.5), 0);
});

test('histogram: a value alone is its own quantile, at each edge of a bucket', () => {
  for (let value = 0; value < 600; value += 1) {
    const histogram = new Histogram();
    histogram.record(value);
    assert.equal(histogram.quantile(0.5), value);
    assert.equal(histogram.countAtMost(value + value / 16), 1);
  }
});
