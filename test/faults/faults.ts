// `make faults`: every cell of cells.ts, one process at a time. FAULTS='accept4;| poll |' runs the
// cells whose names have all of these words.

import { mkdirSync, writeFileSync } from 'node:fs';
import type { Scope } from '#test/harness/command.js';
import { root } from '#test/harness/programs.js';
import { allCells, type Cell, nameOf } from './cells.ts';
import { faultsPage, type Result } from './page.ts';
import { runCells } from './run-cells.ts';

/** Ends what was started, last first. */
class Steps implements Scope {
  readonly #steps: (() => Promise<void> | void)[] = [];

  after(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  async end(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step();
  }
}

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
