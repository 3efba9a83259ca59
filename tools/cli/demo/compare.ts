import { dirname, join, relative } from 'node:path';
import { printOut } from '../../terminal/output.ts';
import { childEnvironment } from '../../terminal/parent.ts';
import { MAIN } from '../../terminal/program.ts';
import { BOLD, paint } from '../../terminal/style.ts';
import { runChild } from '../child-command.ts';
import { typed } from '../command-line.ts';

// The last part of the demo: the loops compared.

/** In build/, seen from dist/tools/cli. */
const REPORT = join(dirname(MAIN), '..', '..', '..', 'build', 'report.html');

/** Runs `sockloop compare` with `flags` and returns its exit status. A signal ends it early. */
export async function runCompare(flags: readonly string[]): Promise<number> {
  const words = ['compare', '--report', relative('', REPORT), ...flags];
  printOut(paint(BOLD, typed(words)));
  return await runChild([MAIN, ...words], childEnvironment('SIGTERM'));
}
