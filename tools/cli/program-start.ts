import { writeSync } from 'node:fs';

/** How Node says, in an error of its own or of the linker, that there is no descriptor left. */
const NO_DESCRIPTORS = /\bE[MN]FILE\b|too many open files/i;

/**
 * Runs `main`, which imports the program, and sets the exit status to what it returns.
 *
 * Node opens the files of a program by the dozen, and ends with a stack of its own where the limit
 * of descriptors is below that, unless the imports are dynamic and somebody catches the error. So
 * this file, and whoever calls it, imports next to nothing.
 */
export async function startProgram(name: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    process.exitCode = 1;
    const remedy = 'raise the limit of descriptors (ulimit -n)';
    writeSync(2, `${name}: cannot start: too many open files (EMFILE): ${remedy}\n`);
  }
}

/** Whether a file of the program could not be opened for lack of a descriptor. */
export function isOutOfDescriptors(error: unknown): boolean {
  return NO_DESCRIPTORS.test(error instanceof Error ? error.message : String(error));
}
