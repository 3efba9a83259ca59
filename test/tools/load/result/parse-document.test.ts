// Goal: a document is complete, or refused with the path of the broken field.
// Method: every field of a real document, removed and replaced, one at a time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocument } from '#tools/load/result/parse-document.js';
import { loadFixture, openLoop, planFixture } from '../document-fixture.ts';

const documents = [
  loadFixture({ errors: { reset: 2 } }),
  loadFixture({
    plan: planFixture({
      model: openLoop(100),
      endpoint: { path: '/tmp/a' },
      message: { kind: 'given', base64: 'AAAA', source: 'a' },
      messagesPerConnection: 3,
      sourceAddresses: ['127.0.0.2'],
      sourcePorts: [1, 2],
      startAtMs: 5,
    }),
  }),
  loadFixture({ timesMs: [[], []] }),
];

type Path = readonly (string | number)[];

/** The paths of all values within `value`. */
function* pathsOf(value: unknown, path: Path = []): Iterable<Path> {
  if (path.length > 0) yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield* pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

/** A copy of `value` in which `path` leads to `replacement`, or nowhere where that is undefined. */
function changed(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string | number,
    unknown
  >;
  copy[key] = changed(copy[key], rest, replacement);
  return copy;
}

function shown(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .slice(1);
}

test('parse document: what was written is read again', () => {
  for (const document of documents) {
    assert.deepEqual(parseDocument(JSON.stringify(document), 'a.json'), document);
  }
});

test('parse document: every field is needed, and needed to be what it is', () => {
  for (const document of documents) {
    for (const path of pathsOf(document)) {
      if (path[0] === 'schema') continue;
      for (const replacement of [undefined, { strange: true }]) {
        const text = JSON.stringify(changed(document, path, replacement));
        assert.throws(
          () => parseDocument(text, 'a.json'),
          ({ message }: Error) =>
            message.startsWith(`a.json is damaged: ${shown(path).slice(0, 8)}`),
          `${shown(path)} as ${JSON.stringify(replacement)}`,
        );
      }
    }
  }
});

test('parse document: values of the right type that mean nothing', () => {
  const [document] = documents;
  const table: [path: Path, replacement: unknown, why: string][] = [
    [['plan', 'mode'], 'shout', 'plan.mode is not one of echo, line, once'],
    [['plan', 'model', 'kind'], 'constructor', 'plan.model.kind is not one of closed, open'],
    [['plan', 'connections'], -1, 'plan.connections is not a number from 0 on'],
    [['startedAt'], 'yesterday', 'startedAt is not a time'],
    [['response', 'percentiles', 0, 'us'], null, 'response.percentiles[0].us is not a number'],
    [['verdict', 'valid'], 1, 'verdict.valid is not true or false'],
    [['machines'], { length: 0 }, 'machines is not a list'],
    [['machines'], [], 'machines is empty'],
  ];
  for (const [path, replacement, why] of table) {
    const text = JSON.stringify(changed(document, path, replacement));
    assert.throws(
      () => parseDocument(text, 'a.json'),
      ({ message }: Error) => message.startsWith(`a.json is damaged: ${why}`),
      why,
    );
  }
  const text = JSON.stringify(document).replace('"measuredMs":2000', '"measuredMs":1e999');
  assert.throws(() => parseDocument(text, 'a.json'), /measuredMs is not a number from 0 on/);
});

test('parse document: what is none at all', () => {
  const table: [text: string, why: RegExp][] = [
    ['', /^a.json is not JSON: /],
    ['{', /^a.json is not JSON: /],
    ['null', /^a.json is not a result of sockloop load --json/],
    ['[]', /is not a result/],
    ['"sockloop-load\\/1"', /is not a result/],
    ['{}', /is not a result/],
    ['{"schema":"sockloop-compare/1"}', /is not a result/],
    ['{"schema":"sockloop-load/2"}', /^a.json is damaged: plan is missing$/],
    ['{"schema":"sockloop-load/17"}', /^a.json has the form sockloop-load\/17, and this sockloop/],
  ];
  for (const [text, message] of table) {
    assert.throws(() => parseDocument(text, 'a.json'), { name: 'Error', message }, text);
  }
});
