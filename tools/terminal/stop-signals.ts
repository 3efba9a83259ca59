import { constants } from 'node:os';
import { leave } from './exit.ts';

/** The signals that ask a command to stop. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

interface StopSignalOptions {
  /** The signals to handle; SIGINT and SIGTERM if left out. */
  readonly names?: readonly StopSignal[];
  /** Signals that count as a second one. */
  readonly atOnce?: readonly StopSignal[];
  /** Cleans up before a second signal ends the process. */
  readonly tidy?: () => void;
}

const NAMES: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];

/** Other signals that end a process, except for PID 1. */
const ENDING = ['SIGHUP', 'SIGQUIT'] as const;

/**
 * Calls `first` at the first stop signal. A second signal ends the process at once; a shell sees
 * exit status 128 plus its number. Disposing of the result restores the default actions.
 *
 * Without `tidy` the second signal meets the default action of the kernel, which also works while a
 * call blocks. PID 1 of a namespace (a container) has no default actions and ends itself.
 */
export function onStopSignals(
  first: (signal: StopSignal) => void,
  { names = NAMES, atOnce = [], tidy }: StopSignalOptions = {},
): Disposable {
  let stopping = false;
  const isPidOne = process.pid === 1;
  const end = (name: NodeJS.Signals): void => {
    tidy?.();
    leave(128 + constants.signals[name]);
  };
  const ending = isPidOne
    ? ENDING.filter((name) => name === 'SIGQUIT' || !names.includes(name))
    : [];
  const ignore = (): void => {
    for (const name of names) process.off(name, stop);
    for (const name of ending) process.off(name, end);
  };
  const stop = (signal: NodeJS.Signals): void => {
    const name = names.find((each) => each === signal) ?? 'SIGTERM';
    if (stopping || atOnce.includes(name)) end(name);
    stopping = true;
    if (tidy === undefined && !isPidOne) ignore();
    first(name);
  };
  for (const name of names) process.on(name, stop);
  for (const name of ending) process.on(name, end);
  return { [Symbol.dispose]: ignore };
}
