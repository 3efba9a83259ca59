import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endReasonOf, newEndCounts, type ServerFigures } from '#tools/echo/figures.js';
import { Exposition } from '#tools/metrics/exposition.js';
import { parseExposition } from '#tools/metrics/scraped.js';
import { serverMetrics } from '#tools/metrics/server-metrics.js';

test('exposition: what is written is read again, whatever is in the labels', () => {
  const sample = fc.record({
    labels: fc.dictionary(fc.constantFrom('a', 'b_1', 'reason'), fc.string({ unit: 'binary' })),
    value: fc.oneof(fc.integer(), fc.double({ noNaN: true, min: 0 })),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
      const page = new Exposition();
      page.metric('gauge', 'some_metric', 'Words.');
      for (const { labels, value } of samples) page.sample('some_metric', labels, value);
      const read = parseExposition(page.text).get('some_metric');
      const expected = samples.map(({ labels, value }) => ({ labels: { ...labels }, value }));
      assert.deepEqual(
        read?.map(({ labels, value }) => ({ labels: { ...labels }, value: value + 0 })),
        expected.map(({ labels, value }) => ({ labels, value: value + 0 })),
      );
    }),
  );
  assert.deepEqual([...parseExposition('# HELP x y\nnonsense\n\nx{ 1\n').keys()], []);
});

const lag = {
  count: 3,
  sumUs: 2_500_000,
  maxUs: 2_000_000,
  p50Us: 1,
  p90Us: 1,
  p99Us: 1,
  atMost: [
    { us: 100, count: 1 },
    { us: 1000, count: 2 },
  ],
};
const loop = {
  turns: 9,
  waits: 8,
  reports: 7,
  stale: 0,
  accepted: 3,
  shed: 0,
  eagain: 0,
  interrupted: 0,
  partialSends: 0,
  outOfBuffers: 0,
  overflows: 0,
  connections: 2,
  queuedBytes: 77,
  lag,
};
const figures: ServerFigures = {
  loop,
  open: 2,
  accepted: 3,
  shed: 4,
  exhausted: 1,
  ended: { ...newEndCounts(), reset: 1 },
  receivedBytes: 100,
  sentBytes: 90,
};

test('exposition: a thread that has not answered has no samples', () => {
  const use = {
    cpuSeconds: 1.5,
    residentBytes: 4096,
    openDescriptors: null,
    descriptorsMax: Number.POSITIVE_INFINITY,
    startSeconds: 1.25,
  };
  const facts = { version: '1', loop: 'epoll', mode: 'echo', draining: true };
  const text = serverMetrics({ ...facts, threads: [null, figures] }, use);
  const read = parseExposition(text);
  const ofThread = { thread: '1' };
  assert.deepEqual(read.get('sockloop_connections_open'), [{ labels: ofThread, value: 2 }]);
  assert.equal(read.get('sockloop_threads')?.[0]?.value, 2);
  assert.equal(read.get('sockloop_draining')?.[0]?.value, 1);
  assert.equal(read.get('process_max_fds')?.[0]?.value, Number.POSITIVE_INFINITY);
  assert.equal(read.has('process_open_fds'), false);
  const buckets = read.get('sockloop_loop_lag_seconds_bucket');
  assert.deepEqual(
    buckets?.map(({ labels, value }) => [labels['le'], value]),
    [
      ['0.0001', 1],
      ['0.001', 2],
      ['+Inf', 3],
    ],
  );
  assert.equal(read.get('sockloop_loop_lag_seconds_sum')?.[0]?.value, 2.5);
  // Each name has its help and its type once, ahead of its samples.
  const names = [...text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm)];
  assert.equal(new Set(names.map(([, name]) => name)).size, names.length);
  for (const [, name = '', type] of names) {
    assert.equal(name.endsWith('_total'), type === 'counter', name);
  }
});

test('the reason of an end is told by the code of its error', () => {
  const coded = (code: string): Error => Object.assign(new Error('broken'), { code });
  const errors = [null, coded('EPIPE'), coded('ECONNRESET'), coded('ETIMEDOUT'), coded('ENOBUFS')];
  const reasons = [...errors, new RangeError('too long')].map(endReasonOf);
  assert.deepEqual(reasons, ['done', 'reset', 'reset', 'timeout', 'error', 'refused']);
});
