import { constants } from 'node:os';
import { leave } from './exit.ts';

/** What ends a command from outside. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

interface StopSignalOptions {
  /** Signals that are told to `first`; SIGINT and SIGTERM if left out. */
  readonly names?: readonly StopSignal[];
  /** Signals that are as good as a second one. */
  readonly atOnce?: readonly StopSignal[];
  /** Tidies up before a second signal ends the process. */
  readonly tidy?: () => void;
}

const NAMES: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];

/**
 * Calls `first` with the first signal that asks the command to stop. A second one ends the process
 * at once, with 128 and its number as the exit status, as a shell counts it. Disposing of the
 * result brings the default behaviour back.
 *
 * Without anything to tidy up the second signal finds the default action of the kernel, which works
 * while a call blocks too. PID 1 of a namespace (a container) has no default actions, so there the
 * process ends itself.
 */
export function onStopSignals(
  first: (signal: StopSignal) => void,
  { names = NAMES, atOnce = [], tidy }: StopSignalOptions = {},
): Disposable {
  let stopping = false;
  const ignore = (): void => {
    for (const name of names) process.off(name, stop);
  };
  const stop = (signal: NodeJS.Signals): void => {
    const name = names.find((each) => each === signal) ?? 'SIGTERM';
    if (stopping || atOnce.includes(name)) {
      tidy?.();
      leave(128 + constants.signals[name]);
    }
    stopping = true;
    if (tidy === undefined && process.pid !== 1) ignore();
    first(name);
  };
  for (const name of names) process.on(name, stop);
  return { [Symbol.dispose]: ignore };
}
