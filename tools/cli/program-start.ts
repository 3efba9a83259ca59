import { writeSync } from 'node:fs';

/** EMFILE or ENFILE in an error message of Node or the dynamic linker. */
const NO_DESCRIPTORS = /\bE[MN]FILE\b|too many open files/i;

/**
 * Runs `main`, which imports the program, and sets the exit status to its result.
 *
 * Node opens a dozen files at a time for static imports and dies with a stack trace if the limit of
 * descriptors is lower. Dynamic imports can be caught, so the entry files import nothing else.
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

/** True if a file of the program could not be opened for lack of a descriptor. */
export function isOutOfDescriptors(error: unknown): boolean {
  return NO_DESCRIPTORS.test(error instanceof Error ? error.message : String(error));
}
