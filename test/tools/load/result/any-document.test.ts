// Goal: whatever `sockloop merge` is given, it is merged, or refused with the name of its file.
// Method: real documents in which random values are replaced, removed or added, and random text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeDocuments } from '#tools/load/result/merge.js';
import { parseDocument } from '#tools/load/result/parse-document.js';
import { loadReport } from '#tools/report/html/load/report.js';
import { loadSummary } from '#tools/report/text/load-summary.js';
import { loadFixture } from '../document-fixture.ts';

const NAME = 'a.json';

/** Values that are of no use, or of the right type and strange. */
const strange = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1, 0.5, 1e21, 2 ** 53, -0, '', '__proto__', [], {}),
  fc.string({ maxLength: 8 }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** What happens to one value of a document: the path to it by numbers, and what takes its place. */
const changes = fc.array(
  fc.tuple(
    fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 5 }),
    fc.constantFrom('replace', 'remove', 'add', 'repeat'),
    strange,
  ),
  { minLength: 1, maxLength: 3 },
);

type Change = readonly [at: number[], how: string, value: unknown];

/** Changes a value somewhere within `value`, as far as the path leads. */
function change(value: unknown, [at, how, replacement]: Change): void {
  let inside = value as Record<string, unknown>;
  for (const [depth, number] of at.entries()) {
    const keys = Object.keys(inside);
    const key = keys[number % keys.length];
    if (key === undefined) return;
    const inner = inside[key];
    if (depth < at.length - 1 && typeof inner === 'object' && inner !== null) {
      inside = inner as Record<string, unknown>;
      continue;
    }
    if (how === 'replace') inside[key] = replacement;
    else if (how === 'add') inside[`${key}x`] = replacement;
    else if (how === 'remove') delete inside[key];
    else if (Array.isArray(inside)) inside.push(inner);
    return;
  }
}

/** Runs what `merge` runs. An error has to name the file, or to be a sentence on the plans. */
function digest(texts: readonly string[]): boolean {
  try {
    const documents = texts.map((text) => parseDocument(text, NAME));
    const merged = mergeDocuments(
      documents,
      texts.map(() => NAME),
    );
    assert.ok(loadSummary(merged, { width: 80, paint: (_, text) => text }).length > 0);
    assert.ok(loadReport(merged).length > 0);
    return true;
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'Error', error.stack);
    assert.ok(error.message.includes(NAME), error.message);
    return false;
  }
}

const documents = [
  loadFixture({ errors: { reset: 2 } }),
  loadFixture({ timesMs: [[1, 2, 3], [4]] }),
  loadFixture({ timesMs: [[], []] }),
].map((document) => JSON.stringify(document));

/** An example: a kind of error that nobody knows, and whose count is no number. */
function withUnknownKind(text: string): [string, [number[], 'add', unknown][], boolean] {
  return [text, [[[6, 25, 0], 'add', []]], false];
}

test('any document: one with strange values is merged or refused', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom(...documents), changes, fc.boolean(), (text, list, twice) => {
      const value: unknown = JSON.parse(text);
      for (const one of list) change(value, one);
      const changed = JSON.stringify(value);
      const other = text.replace(/"run":"[^"]*"/, '"run":"other"');
      if (digest(twice ? [changed, other] : [changed])) taken += 1;
    }),
    { numRuns: 600, examples: documents.map(withUnknownKind) },
  );
  assert.ok(taken > 0, 'no change is harmless');
});

test('any document: a file that is cut, or has a byte changed, is merged or refused', () => {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.constantFrom(...documents),
      place,
      fc.string({ maxLength: 2 }),
      (text, at, by) => {
        const index = Math.floor(at * text.length);
        digest([text.slice(0, index)]);
        digest([text.slice(0, index) + by + text.slice(index + by.length)]);
      },
    ),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.equal(digest([text]), false);
    }),
    { numRuns: 200 },
  );
});
