import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { takeMemoryFaults } from '#test/harness/memory/known-memory.js';
import { cases as allCases } from './cases/all.ts';
import { matrixPage, type Row } from './matrix.ts';
import { targets as allTargets } from './targets.ts';

// Every case runs over every backend, or is skipped with a reason. The page of the matrix shows
// the results. CONFORMANCE_LOOP=epoll runs the cases of one backend, CONFORMANCE_LAW=D those of the
// laws that begin so.

const only = process.env['CONFORMANCE_LOOP'];
const targets = allTargets.filter(({ name }) => only === undefined || name === only);
if (targets.length === 0) throw new Error(`CONFORMANCE_LOOP: there is no ${only}`);
const law = process.env['CONFORMANCE_LAW'] ?? '';
const cases = allCases.filter(
  ({ laws }) => law === '' || laws.some((one) => String(one).startsWith(law)),
);

const rows: Row[] = cases.map((one) => ({ name: one.name, laws: one.laws, cells: new Map() }));

for (const target of targets) {
  suite(`conformance: ${target.name}`, () => {
    for (const [index, one] of cases.entries()) {
      const cells = rows[index]?.cells;
      const missing = target.available === true ? null : target.available.reason;
      const reason = missing ?? one.skip?.(target) ?? null;
      cells?.set(target.name, reason === null ? 'fail' : { skip: reason });
      test(`${target.name}: ${one.name}`, {
        skip: reason ?? false,
        timeout: 60_000,
      }, async (t) => {
        leakCheck(t);
        await one.run((options) => target.create(options));
        assert.deepEqual(takeMemoryFaults(), [], 'the calls leave their memory');
        cells?.set(target.name, 'pass');
      });
    }
  });
}

// `make docs` names the file to write; otherwise the page is compared with the committed one.
const writeTo = process.env['CONFORMANCE_PAGE'];
const committed = readFileSync(new URL('../../../docs/conformance.md', import.meta.url), 'utf8');

/** Why the matrix of this machine differs from the committed one, or false. */
function otherMachine(): string | false {
  if (law !== '') return `the page was made from all laws, not from ${law} alone`;
  if (only !== undefined) return `the page was made from all loops, not from ${only} alone`;
  for (const { name, available } of targets) {
    if (available !== true && !committed.includes(available.reason)) {
      return `the page was made where ${name} is: here, ${available.reason}`;
    }
  }
  return false;
}

test('conformance: docs/conformance.md is what was seen; `make docs` writes it', {
  skip: otherMachine(),
}, () => {
  const { text, markdown } = matrixPage(targets, rows);
  process.stdout.write(`${text}\n`);
  if (writeTo === undefined) assert.equal(markdown, committed);
  else writeFileSync(writeTo, markdown);
});
