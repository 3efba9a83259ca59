import type { Command } from 'commander';
import { collected } from '../load/flags.ts';
import type { ResultFlags } from '../load/results.ts';

/** Adds `sockloop merge` to the program. */
export function addMerge(program: Command): void {
  program
    .command('merge')
    .description('add the results of several machines, as sockloop load --json printed them')
    .argument('<files...>', 'their JSON documents; one alone is shown as it is')
    .option('--report <file>', 'write a report to look at, one HTML file')
    .option('--json', 'print one JSON document instead of the summary')
    .option(
      '--fail-if <condition>',
      'end with status 1 (3 if invalid) if this holds (see load); any number of times',
      collected,
    )
    .addHelpText('after', EXAMPLE)
    .action(async (files: string[], flags: ResultFlags) => {
      // Loaded at need, as load is.
      const { merge } = await import('./run.ts');
      merge(files, flags);
    });
}

const EXAMPLE = `
The runs must have been asked for the same on each machine: model, rate or stages, connections,
message, mode, times and timeout. Endpoint, loop, threads, sources, seed and start may differ.

Example:
  on one    $ sockloop load 192.0.2.7 7007 --rate 20000 --start-at 14:00 --json > one.json
  on two    $ sockloop load 192.0.2.7 7007 --rate 20000 --start-at 14:00 --json > two.json
  together  $ sockloop merge one.json two.json --report load.html`;
