import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { UsageError } from './exit.ts';

/** Node's replacement for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/**
 * The arguments of this process. Throws a UsageError for an argument that is not UTF-8: Node has
 * replaced some of its bytes, and the command would send another text or write another file.
 */
export function commandWords(): string[] {
  const words = process.argv.slice(2);
  const altered = words.find((word) => word.includes(REPLACEMENT));
  if (altered !== undefined && !areUtf8()) {
    throw new UsageError(`an argument is not UTF-8, and would be taken for "${altered}"`);
  }
  return words;
}

/** True if the arguments are UTF-8; false if the platform cannot tell. */
function areUtf8(): boolean {
  try {
    return isUtf8(readFileSync('/proc/self/cmdline'));
  } catch {
    // Not Linux. U+FFFD may have been typed as such, which cannot be told apart.
    return false;
  }
}
