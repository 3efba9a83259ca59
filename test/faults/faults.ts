// `make faults`: every cell of cells.ts, one process at a time. FAULTS='accept4;| poll |' runs the
// cells whose names have all of these words.

import { mkdirSync, writeFileSync } from 'node:fs';
import { root } from '#test/harness/programs.js';
import { Steps } from '#test/harness/steps.js';
import { allCells, type Cell, nameOf } from './cells.ts';
import { faultsPage, type Result } from './page.ts';
import { runCells } from './run-cells.ts';

function chosen(): readonly Cell[] {
  const words = (process.env['FAULTS'] ?? '').split(';').filter((word) => word !== '');
  return allCells().filter((cell) => words.every((word) => nameOf(cell).includes(word)));
}

const results: Result[] = [];
const steps = new Steps();
try {
  await runCells(steps, chosen(), (result) => {
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
