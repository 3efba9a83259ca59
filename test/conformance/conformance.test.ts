import { mkdirSync, writeFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '#test/harness/leaks.js';
import { cases } from './cases/all.ts';
import { matrixPage, type Row } from './matrix.ts';
import { subjects } from './targets.ts';

// Every case over every backend. What a backend leaves out says why, and the page of the matrix
// is written from what was seen.

const rows: Row[] = cases.map((one) => ({ name: one.name, laws: one.laws, cells: new Map() }));

for (const subject of subjects) {
  suite(`conformance: ${subject.name}`, () => {
    for (const [index, one] of cases.entries()) {
      const cells = rows[index]?.cells;
      const missing = subject.available === true ? null : subject.available.reason;
      const reason = missing ?? one.skip?.(subject) ?? null;
      cells?.set(subject.name, reason === null ? 'fail' : { skip: reason });
      test(`${subject.name}: ${one.name}`, {
        skip: reason ?? false,
        timeout: 60_000,
      }, async (t) => {
        leakCheck(t);
        await one.run((options) => subject.create(options));
        cells?.set(subject.name, 'pass');
      });
    }
  });
}

process.on('exit', () => {
  const page = matrixPage(subjects, rows);
  process.stdout.write(`${page.text}\n`);
  const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
  mkdirSync(docs, { recursive: true });
  writeFileSync(`${docs}conformance.md`, page.markdown);
});
