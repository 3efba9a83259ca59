import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { MAIN, typed } from './demo-process.ts';
import { BOLD, paint } from './demo-style.ts';
import { printOut } from './output.ts';
import { childEnvironment } from './parent.ts';

// The last part of the demo: the loops beside each other, measured.

/** Among what is built, and not among the sources: seen from dist/cli. */
const REPORT = join(dirname(MAIN), '..', '..', 'build', 'report.html');

/** Signals that end the comparison early, which then tells what it has. */
const PASSED_ON = ['SIGINT', 'SIGTERM'] as const;

/** Runs `sockloop compare` with `flags`, which prints by itself, and returns its exit status. */
export async function runCompare(flags: readonly string[]): Promise<number> {
  const words = ['compare', '--report', relative('', REPORT), ...flags];
  printOut(paint(BOLD, typed(words)));
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: 'inherit',
    env: childEnvironment('SIGTERM'),
  });
  // Ctrl-C reaches the child as well, and what was sent to us alone is handed on.
  const passOn = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const name of PASSED_ON) process.on(name, passOn);
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return status ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  } finally {
    for (const name of PASSED_ON) process.off(name, passOn);
  }
}
