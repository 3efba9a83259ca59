import type { MissingLoop } from 'sockloop';
import { printError } from '../terminal/output.ts';

/**
 * Reports the better loops that `auto` could not create for lack of memory, a limit the user can
 * raise. A loop that the kernel or a sandbox lacks is left to `doctor`.
 */
export function reportFallback(missing: readonly MissingLoop[], taken: string): void {
  for (const { name, reason, code } of missing) {
    if (code === 'ENOMEM') printError(`sockloop: ${taken} in place of ${name}: ${reason}`);
  }
}
