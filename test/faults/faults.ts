// `make faults`: every cell of cells.ts, one process at a time. FAULTS='accept4;| poll |' runs the
// cells whose names have all of these words.

import { mkdirSync, writeFileSync } from 'node:fs';
import { named } from '#test/harness/asked.js';
import { root } from '#test/harness/programs.js';
import { Steps } from '#test/harness/steps.js';
import { allCells, nameOf } from './cells.ts';
import { faultsPage, type Result } from './page.ts';
import { runCells } from './run-cells.ts';

const results: Result[] = [];
const steps = new Steps();
try {
  await runCells(steps, named('FAULTS', allCells(), nameOf), (result) => {
    const { cell, outcome } = result;
    results.push(result);
    const mark = outcome.forbidden ? '!!' : '  ';
    const detail = outcome.detail === '' ? '' : ` (${outcome.detail})`;
    process.stdout.write(`${mark} ${nameOf(cell)}: ${outcome.word}${detail}\n`);
  });
} finally {
  await steps.end();
}
const directory = `${root}build/faults`;
mkdirSync(directory, { recursive: true });
writeFileSync(`${directory}/faults.md`, faultsPage(results, new Date()));
const bad = results.filter(({ outcome }) => outcome.forbidden).length;
process.stdout.write(`${results.length} cells, ${bad} forbidden: build/faults/faults.md\n`);
process.exitCode = bad === 0 ? 0 : 1;
