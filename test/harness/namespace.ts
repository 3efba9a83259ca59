/** Commands in network and mount namespaces of their own: Linux, where users may have them. */

import { spawnSync } from 'node:child_process';
import { reasonWithoutProc } from './other-programs.ts';

/** Brings the loopback interface up and runs `setup` before the command. */
export function inNamespace(setup: string, words: readonly string[]): string[] {
  return ['unshare', '-rnm', 'sh', '-ec', `ip link set lo up; ${setup}; exec "$@"`, 'sh', ...words];
}

/** Why a test that needs a namespace is left out, or false. In CI it never is. */
export const reasonWithoutNamespaces = reasonWithoutProc || refusal();

function refusal(): string | false {
  const [command = '', ...words] = inNamespace(':', ['true']);
  if (spawnSync(command, words).status === 0 || process.env['CI'] !== undefined) return false;
  return 'unshare(1) and ip(8) cannot make a network namespace here';
}
