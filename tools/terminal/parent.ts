import { constants } from 'node:os';

// A process that a command has started ends with that command, however the command ends: nothing
// of its own runs where SIGKILL ends it.

/** The process that wants this one to end with it, and the signal that is to do so. */
const VARIABLE = 'SOCKLOOP_PARENT';

/** How soon the end of the parent is noticed where the kernel does not tell. */
const LOOK_MS = 500;

/** SIGTERM for a command that has something to tidy up, SIGKILL for any other. */
type EndSignal = 'SIGTERM' | 'SIGKILL';

/** The environment of a `sockloop` command that `signal` is to end once this process has ended. */
export function childEnvironment(signal: EndSignal): NodeJS.ProcessEnv {
  return { ...process.env, [VARIABLE]: `${process.pid} ${signal}` };
}

/** Ends this process with its parent, where that asked for it by {@link childEnvironment}. */
export async function endWithParent(): Promise<void> {
  const [parent, signal] = process.env[VARIABLE]?.split(' ') ?? [];
  if (parent === undefined || (signal !== 'SIGTERM' && signal !== 'SIGKILL')) return;
  // It is meant for this process, and not for what this one starts.
  delete process.env[VARIABLE];
  const { signalAtParentsEnd } = await import('#src/sys/native.js');
  const told = signalAtParentsEnd(constants.signals[signal]);
  const hasEnded = (): boolean => `${process.ppid}` !== parent;
  // It may have ended before the kernel was asked to tell, which then never tells.
  if (hasEnded()) process.kill(process.pid, signal);
  else if (!told) {
    const timer = setInterval(() => {
      if (!hasEnded()) return;
      clearInterval(timer);
      process.kill(process.pid, signal);
    }, LOOK_MS).unref();
  }
}
