import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

/** Signals that are handed on to a command. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Runs Node with `words` on our own standard streams, hands signals on to it, and returns its exit
 * status: 128 and the number of the signal that ended it, as a shell counts it.
 */
export async function runChild(
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const child = spawn(process.execPath, words, { stdio: 'inherit', env });
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

/**
 * The kernel drops every signal to PID 1 of a namespace (a container) that it has no handler for,
 * and a handler of Node's does not run while a call blocks: a program that relies on the default
 * actions could not be ended. So as PID 1 it runs as a child of itself. Returns the exit status of
 * that, null where this process is not PID 1.
 */
export async function runBelowPidOne(): Promise<number | null> {
  if (process.pid !== 1) return null;
  return await runChild([...process.execArgv, ...process.argv.slice(1)]);
}
