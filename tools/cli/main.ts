#!/usr/bin/env node
import { isOutOfDescriptors, startProgram } from './program-start.ts';

// All imports but one are dynamic: see startProgram.

/** Commands that handle signals themselves, also as PID 1. */
const STOPPABLE: readonly (string | undefined)[] = ['serve', 'load', 'compare'];

/** Runs the command line and returns the exit status. */
async function main(): Promise<number> {
  await (await import('../terminal/parent.ts')).endWithParent();
  const { NAME, runCommand } = await import('./program.ts');
  const { leaveIfHeld, report } = await import('../terminal/exit.ts');
  try {
    const words = (await import('../terminal/arguments.ts')).commandWords();
    const { runBelowPidOne } = await import('./child-command.ts');
    const status = STOPPABLE.includes(words[0]) ? null : await runBelowPidOne();
    return status ?? leaveIfHeld(await runCommand(words));
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
    return report(NAME, error);
  }
}

await startProgram('sockloop', main);
