import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

/** Signals forwarded to the child. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Runs Node with `words` on our standard streams and forwards signals to it. Returns its exit
 * status: 128 plus the number of the signal that ended it.
 */
export async function runChild(
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const child = spawn(process.execPath, words, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the child too; other signals are forwarded.
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

/**
 * Runs this program as its own child if it is PID 1 of a namespace (a container), where the kernel
 * drops signals without a handler, and a handler does not run while a call blocks. Returns the exit
 * status of the child; null if this process is not PID 1.
 */
export async function runBelowPidOne(): Promise<number | null> {
  if (process.pid !== 1) return null;
  return await runChild([...process.execArgv, ...process.argv.slice(1)]);
}
