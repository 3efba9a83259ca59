// Goal: `sockloop merge` reads documents from files and pipes, and names what it cannot merge.
// Method: the command over documents of fixture runs, in this process unless it reads a pipe.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { assertOutcome, sockloop } from '#test/harness/programs.js';
import { mergeDocuments } from '#tools/load/result/merge.js';
import { loadFixture } from '../../load/document-fixture.ts';

const timeout = 60_000;

test('sockloop merge: the summary, the document and the report', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const documents = [loadFixture(), loadFixture({ hostname: 'two' })];
  const files = documents.map((document, index) => {
    const path = `${directory}/${index}.json`;
    writeFileSync(path, `${JSON.stringify(document)}\n`);
    return path;
  });
  const report = `${directory}/report.html`;
  const shown = await sockloopHere('merge', ...files, '--report', report);
  assert.deepEqual([shown.status, shown.err], [0, '']);
  assert.match(shown.out, /machines +one: .*\n(.*\n)? +two: /);
  assert.match(shown.out, /100 connections on 4 threads/);
  assert.match(readFileSync(report, 'utf8'), /^<!doctype html>/i);

  const json = await sockloopHere('merge', '--json', ...files);
  assertOutcome(json, 0, `${JSON.stringify(mergeDocuments(documents))}\n`, '');

  const failed = await sockloopHere('merge', '--fail-if', 'p50>1us', ...files);
  assert.equal(failed.status, 1);
  const words = 'response time p50 is 400 us, more than 1.00 us';
  assert.equal(failed.err, `sockloop: --fail-if p50>1us: ${words}\n`);
});

test('sockloop merge: what cannot be read is named', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const good = loadFixture();
  const write = (name: string, text: string): string => {
    writeFileSync(`${directory}/${name}`, text);
    return `${directory}/${name}`;
  };
  const one = write('one.json', JSON.stringify(good));
  const other = { ...good, plan: { ...good.plan, connections: 7 } };
  const table: [path: string, why: string][] = [
    [`${directory}/none`, 'cannot read NAME: ENOENT (no such file or directory)'],
    [directory, 'cannot read NAME: it is a directory'],
    [write('empty', ''), 'NAME is not JSON: Unexpected end of JSON input'],
    [
      write('other', JSON.stringify(other)),
      `NAME was not asked for the same as ${one}: its number of connections is 7, not 50`,
    ],
    [
      write('new', JSON.stringify({ ...good, schema: 'sockloop-load/1' })),
      'NAME has the form sockloop-load/1, and this sockloop reads sockloop-load/2',
    ],
    [
      write('foreign', '{"schema": "another"}'),
      'NAME is not a result of sockloop load --json: its schema is not sockloop-load/2',
    ],
    [write('copy', JSON.stringify(good)), `NAME is the same run as ${one}`],
  ];
  for (const [path, why] of table) {
    const outcome = await sockloopHere('merge', one, path);
    assertOutcome(outcome, 1, '', `sockloop: ${why.replace('NAME', path)}\n`);
  }
  const damaged = { ...good, response: { ...good.response, count: 6 } };
  const alone = await sockloopHere('merge', write('damaged', JSON.stringify(damaged)));
  assert.match(alone.err, /is damaged: response.count is 6, and its histogram holds 5 times$/m);
  const none = await sockloopHere('merge');
  assert.equal(none.status, 2);
  assert.match(none.err, /missing required argument 'files'/);
});

test('sockloop merge: pipes, standard input, byte-order marks', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const documents = [
    loadFixture(),
    loadFixture({ hostname: 'two' }),
    loadFixture({ hostname: 'x' }),
  ];
  const [one = '', two = '', three = ''] = documents.map((each) => JSON.stringify(each));
  const file = (name: string, bytes: Buffer): string => {
    writeFileSync(`${directory}/${name}`, bytes);
    return `${directory}/${name}`;
  };
  const marked = file('marked', Buffer.from(`\u{feff}${one}`));
  const wide = file('wide', Buffer.from(`\u{feff}${two}`, 'utf16le'));
  const swapped = file('swapped', Buffer.from(`\u{feff}${three}`, 'utf16le').swap16());
  const words = sockloop('merge', '--json')
    .map((word) => `'${word}'`)
    .join(' ');
  const pipes = `cat ${wide} | ${words} ${marked} /dev/stdin <(sleep 0.1; cat ${swapped})`;
  const outcome = await run(t, ['bash', '-c', pipes]);
  assertOutcome(outcome, 0, `${JSON.stringify(mergeDocuments(documents))}\n`, '');
});
