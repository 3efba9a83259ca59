// Goal: `--fail-if` judges by its condition, and a meaningless condition is refused in words.
// Method: conditions against fixture results whose figures are known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadDocument } from '#tools/load/document.js';
import { judge, parseThreshold } from '#tools/load/result/thresholds.js';
import { loadFixture, openLoop, planFixture } from '../document-fixture.ts';

/** A hundred messages of 1 to 100 ms. */
const timesMs = Array.from({ length: 100 }, (_, index) => index + 1);
const open = loadFixture({
  plan: planFixture({ model: openLoop(50) }),
  timesMs: [timesMs.slice(0, 50), timesMs.slice(50)],
  errors: { timeout: 3, reset: 1 },
});

function holds(text: string, document: LoadDocument = open): boolean {
  return judge(parseThreshold(text), document).holds;
}

test('thresholds: each relation, below, at and above the limit', () => {
  const table: [relation: string, low: boolean, same: boolean, high: boolean][] = [
    // The rate is 50 per second.
    ['>', false, false, true],
    ['>=', false, true, true],
    ['<', true, false, false],
    ['<=', true, true, false],
  ];
  for (const [relation, low, same, high] of table) {
    const answers = [51, 50, 49].map((limit) => holds(`rate${relation}${limit}`));
    assert.deepEqual(answers, [low, same, high], relation);
  }
});

test('thresholds: every metric is the one that it names', () => {
  const table: [text: string, above: string, below: string][] = [
    ['p50', '49ms', '51ms'],
    ['response.p50', '49ms', '51ms'],
    ['service.p50', '24.5ms', '25.5ms'],
    ['p99', '98ms', '100ms'],
    ['p99.9', '99ms', '101ms'],
    ['service.p99.9', '49ms', '51ms'],
    ['p25', '24ms', '26ms'],
    ['p100', '99ms', '101ms'],
    ['min', '900us', '1100us'],
    ['service.min', '400us', '600us'],
    ['mean', '50ms', '51ms'],
    ['max', '99.9ms', '100.1ms'],
    ['connect.max', '99us', '101us'],
    ['connect.p50', '99000ns', '0.0002s'],
    ['errors', '3', '5'],
    ['errors', '3.8%', '3.9%'],
    ['errors.timeout', '2', '4'],
    ['errors.reset', '0.9%', '1%'],
    ['rate', '49.5', '50.5/s'],
  ];
  for (const [metric, above, below] of table) {
    assert.equal(holds(`${metric}>${above}`), true, `${metric}>${above}`);
    assert.equal(holds(`${metric}>${below}`), false, `${metric}>${below}`);
  }
  assert.equal(holds(' p50 > 49 ms '), true, 'with blanks');
});

test('thresholds: what was measured, in words', () => {
  const table: [text: string, words: string][] = [
    ['p50>5ms', 'response time p50 is 50.0 ms, more than 5.00 ms'],
    ['p50>5s', 'response time p50 is 50.0 ms, not more than 5.00 s'],
    ['service.mean<1s', 'service time mean is 25.2 ms, less than 1.00 s'],
    ['connect.max>=1us', 'connect time max is 100 us, at least 1.00 us'],
    ['errors>0', 'there are 4 errors, more than 0 errors'],
    ['errors.reset>1', 'there is 1 reset error, not more than 1 reset error'],
    ['errors>1%', 'errors are 3.85 %, more than 1 %'],
    ['errors.timeout<=1%', 'timeout errors are 2.88 %, more than 1 %'],
    ['rate<1000', 'the rate is 50/s, less than 1,000/s'],
    ['rate<20k/s', 'the rate is 50/s, less than 20,000/s'],
    ['rate<1.5k', 'the rate is 50/s, less than 1,500/s'],
    ['p50>5\u00b5s', 'response time p50 is 50.0 ms, more than 5.00 us'],
  ];
  for (const [text, words] of table) {
    assert.equal(judge(parseThreshold(text), open).words, words, text);
  }
});

test('thresholds: a run that has measured nothing fails whatever it is asked for', () => {
  const none = loadFixture({ timesMs: [[], []] });
  for (const text of ['p99>5ms', 'p99<5ms', 'errors>0', 'rate<1', 'rate>1', 'service.max>1s']) {
    const { holds: failed, words } = judge(parseThreshold(text), none);
    assert.deepEqual([failed, words], [true, `nothing was measured to judge ${text} by`]);
  }
});

test('thresholds: what is refused, and why', () => {
  const table: [text: string, why: RegExp][] = [
    ['', /"" is not a condition: a condition is like p99>5ms/],
    ['p99', /"p99" is not a condition/],
    ['p99>', /not a condition/],
    ['>5ms', /not a condition/],
    ['p99=5ms', /not a condition/],
    ['p99=>5ms', /not a condition/],
    ['p99>-5ms', /not a condition/],
    ['p99>5ms>6ms', /not a condition/],
    ['p99>1.2.3ms', /"1.2.3" in "p99>1.2.3ms" is not a number/],
    ['p99>5', /"p99>5" needs a time with its unit: ns, us, ms or s/],
    ['p99>5%', /needs a time with its unit/],
    ['p99>5minutes', /needs a time with its unit/],
    ['p99>5k', /needs a time with its unit/],
    ['errors>5m', /compares errors with "m"/],
    ['p0>5ms', /"p0" in "p0>5ms" is not measured/],
    ['p101>5ms', /"p101" .* is not measured/],
    ['p>5ms', /"p" .* is not measured/],
    ['median>5ms', /"median" .* is not measured/],
    ['latency.p99>5ms', /"latency.p99" .* is not measured/],
    ['service.>5ms', /"service." .* is not measured/],
    ['errors.refusals>5', /"errors.refusals" .* is not measured/],
    ['constructor>5', /is not measured/],
    ['errors>5ms', /compares errors with "ms": it takes a number of errors or a percentage/],
    ['rate<5%', /compares rate with "%": it takes messages per second/],
  ];
  for (const [text, message] of table) {
    assert.throws(() => parseThreshold(text), { name: 'RangeError', message }, text);
  }
});

test('thresholds: a verdict, and connections that were lost', () => {
  const good = loadFixture();
  const bad = { ...good, verdict: { valid: false, reasons: ['it was late', 'more'] } };
  const invalid = parseThreshold('invalid');
  assert.deepEqual(judge(invalid, good), { holds: false, words: 'the run is VALID' });
  const words = 'the run is INVALID: it was late';
  assert.deepEqual(judge(invalid, bad), { holds: true, words });
  const losing = { ...good, counts: { ...good.counts, lost: { ...good.counts.lost, reset: 3 } } };
  assert.deepEqual(judge(parseThreshold('lost>2'), losing), {
    holds: true,
    words: 'there were 3 lost connections, more than 2 lost connections',
  });
  assert.equal(judge(parseThreshold('lost>0'), good).holds, false);
  assert.throws(() => parseThreshold('lost>1%'), /takes a number of connections/);
  assert.throws(() => parseThreshold('invalid>1'), /is not measured/);
});
