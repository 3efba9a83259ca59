// Goal: `load --udp --fail-if` judges by its condition, by the figure that was asked for.
// Method: conditions against a result whose figures are known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDatagramCondition } from '#tools/load/datagrams/conditions.js';
import type { DatagramLoadDocument } from '#tools/load/datagrams/document.js';
import { loadFixture, openLoop, planFixture } from '../document-fixture.ts';

const counts = {
  ...{ sent: 200, answered: 180, lost: 10, late: 4, duplicates: 3, reordered: 2, corrupted: 1 },
  ...{ unsent: 7, refused: 5, droppedHere: 0 },
};

/** A hundred datagrams of 1 to 100 ms, or those of `timesMs`. */
function documentOf(
  timesMs = Array.from({ length: 100 }, (_, index) => index + 1),
): DatagramLoadDocument {
  const { response } = loadFixture({
    plan: planFixture({ model: openLoop(50) }),
    timesMs: [timesMs, []],
  });
  const rates = { sent: 100, answered: 90 };
  return { counts, rates, latency: response } as unknown as DatagramLoadDocument;
}

function judged(text: string, document = documentOf()): boolean {
  return parseDatagramCondition(text).judge(document).holds;
}

test('conditions of datagrams: every figure is the one that is named', () => {
  const table: [name: string, below: string, above: string][] = [
    ['min', '0.9ms', '1.1ms'],
    ['mean', '50ms', '51ms'],
    ['max', '99ms', '101ms'],
    ['p50', '49ms', '51ms'],
    // Percentiles that the document does not name.
    ['p97', '96ms', '98ms'],
    ['p12.5', '12ms', '14ms'],
    ['rate', '89', '91'],
    ['lost', '9', '11'],
    ['lost', '4%', '6%'],
    ['late', '3', '5'],
    ['duplicates', '2', '4'],
    ['reordered', '1', '3'],
    ['corrupted', '0', '2'],
    ['unsent', '6', '8'],
    // Of 207 that were due.
    ['unsent', '3.37%', '3.39%'],
    ['refused', '4', '6'],
  ];
  for (const [name, below, above] of table) {
    const answers = [
      `${name}>${below}`,
      `${name}<${above}`,
      `${name}>${above}`,
      `${name}<${below}`,
    ];
    assert.deepEqual(
      answers.map((text) => judged(text)),
      [true, true, false, false],
      name,
    );
  }
});

test('conditions of datagrams: a run without an answer has passed no time', () => {
  const silent = documentOf([]);
  assert.equal(judged('p99>5ms', silent), true);
  assert.equal(judged('lost>10', silent), false);
});

test('conditions of datagrams: what cannot be judged is refused in words', () => {
  for (const [text, words] of [
    ['p99>5', /needs a time with its unit/],
    ['p0>5ms', /is not measured/],
    ['p101>5ms', /is not measured/],
    ['lost>1..2', /"1\.\.2" in .* is not a number/],
    ['lost=1', /is not a condition/],
    ['other>1', /is not measured/],
  ] as const) {
    assert.throws(() => parseDatagramCondition(text), { name: 'RangeError', message: words });
  }
});
