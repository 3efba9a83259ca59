import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { UsageError } from './exit.ts';

/** What Node puts in the place of bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

/**
 * The arguments of this process. Throws a UsageError for one that is not UTF-8: Node has replaced
 * bytes of it, so that another text would be sent, or another file written.
 */
export function commandWords(): string[] {
  const words = process.argv.slice(2);
  const altered = words.find((word) => word.includes(REPLACEMENT));
  if (altered !== undefined && !areUtf8()) {
    throw new UsageError(`an argument is not UTF-8, and would be taken for "${altered}"`);
  }
  return words;
}

/** Whether the arguments are UTF-8; false where the system does not tell. */
function areUtf8(): boolean {
  try {
    return isUtf8(readFileSync('/proc/self/cmdline'));
  } catch {
    // Not Linux: the sign itself may have been typed, and nobody can know.
    return false;
  }
}
