import { dirname, join, relative } from 'node:path';
import { printOut } from '../../terminal/output.ts';
import { childEnvironment } from '../../terminal/parent.ts';
import { MAIN } from '../../terminal/program.ts';
import { BOLD, paint } from '../../terminal/style.ts';
import { runChild } from '../child-command.ts';
import { typed } from '../command-line.ts';

// The last part of the demo: the loops beside each other, measured.

/** Among what is built, and not among the sources: seen from dist/tools/cli. */
const REPORT = join(dirname(MAIN), '..', '..', '..', 'build', 'report.html');

/**
 * Runs `sockloop compare` with `flags`, which prints by itself, and returns its exit status.
 * Signals end it early, and it tells what it has.
 */
export async function runCompare(flags: readonly string[]): Promise<number> {
  const words = ['compare', '--report', relative('', REPORT), ...flags];
  printOut(paint(BOLD, typed(words)));
  return await runChild([MAIN, ...words], childEnvironment('SIGTERM'));
}
