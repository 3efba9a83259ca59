import type { Command } from 'commander';
import { COMPARED_LOOPS } from '../../compare/plan.ts';
import { type CompareFlags, REPORT } from './flags.ts';

/** Adds `sockloop compare` to the program. */
export function addCompare(program: Command): void {
  program
    .command('compare')
    .description(
      'compare the loops: an echo server on each, loaded in turns on this machine.\n' +
        'Shows what a message costs the server, and what idle connections add to that.',
    )
    .option('--loops <list>', `of ${COMPARED_LOOPS.join(', ')}; all that are here if left out`)
    .option('--connections <list>', 'numbers of connections that all carry messages', '1,50,1000')
    .option(
      '--idle <list>',
      'numbers of idle connections beside 10 busy ones, or none',
      '0,100,1000,5000',
    )
    .option('--duration <time>', 'length of a slice, one loop in one round: 0.1, 100ms', '0.1')
    .option('--rounds <n>', 'slices of each loop at each number of connections', '5')
    .option('--size <size>', 'length of a message: 64, 4k, 1M', '64')
    .option('--threads <n>', 'event loops of each server, or max: one per core', '1')
    .option('--seed <n>', 'of the order within the rounds', '1')
    .option('--report <file>', `where the report goes; ${REPORT} if left out, none with --json`)
    .option('--no-report', 'write no report')
    .option('--udp', 'datagrams: --connections is how many are under way, 1,64 if left out')
    .option('--json', 'print one JSON document instead of the table')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: CompareFlags, command: Command) => {
      // Loaded at need, as load is.
      if (flags.udp === true) {
        const { compareUdp } = await import('./datagrams.ts');
        return compareUdp(flags, command);
      }
      const { compare } = await import('./run.ts');
      await compare(flags);
    });
}

const EXAMPLES = `
Examples:
  $ sockloop compare
      all loops of this machine: half a minute
  $ sockloop compare --loops poll,epoll --connections 50 --idle none --rounds 30
      two of them at one number of connections, and a spread to rely on

Exit status: 0 measured, 1 failed, also in part, 2 wrong usage.`;
