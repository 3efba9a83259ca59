import { constants } from 'node:os';

// A child of a command ends with it, also if SIGKILL ends the command: then no code of the command
// runs, and the child has to notice.

/** Environment variable: the parent's process ID and the signal that ends the child. */
const VARIABLE = 'SOCKLOOP_PARENT';

/** Poll interval where the kernel does not report the end of the parent. */
const LOOK_MS = 500;

/** SIGTERM for a command that cleans up, SIGKILL for any other. */
type EndSignal = 'SIGTERM' | 'SIGKILL';

/** The environment of a `sockloop` command that `signal` ends when this process ends. */
export function childEnvironment(signal: EndSignal): NodeJS.ProcessEnv {
  return { ...process.env, [VARIABLE]: `${process.pid} ${signal}` };
}

/** Ends this process with its parent if it was started with {@link childEnvironment}. */
export async function endWithParent(): Promise<void> {
  const [parent, signal] = process.env[VARIABLE]?.split(' ') ?? [];
  if (parent === undefined || (signal !== 'SIGTERM' && signal !== 'SIGKILL')) return;
  // Not for the children of this process.
  delete process.env[VARIABLE];
  const { signalAtParentsEnd } = await import('#src/sys/native.js');
  const told = signalAtParentsEnd(constants.signals[signal]);
  const hasEnded = (): boolean => `${process.ppid}` !== parent;
  // The parent may have ended before the request, which then never fires.
  if (hasEnded()) process.kill(process.pid, signal);
  else if (!told) {
    const timer = setInterval(() => {
      if (!hasEnded()) return;
      clearInterval(timer);
      process.kill(process.pid, signal);
    }, LOOK_MS).unref();
  }
}
