import type { MissingLoop } from 'sockloop';
import { printError } from '../terminal/output.ts';

/**
 * Says which better loops `auto` could not have for lack of memory, which whoever runs the program
 * can change. That a kernel or a sandbox has none is nothing new at every start: `doctor` tells.
 */
export function tellOfFallback(missing: readonly MissingLoop[], taken: string): void {
  for (const { name, reason, code } of missing) {
    if (code === 'ENOMEM') printError(`sockloop: ${taken} in place of ${name}: ${reason}`);
  }
}
