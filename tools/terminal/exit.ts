import { ResolveError, SysError } from 'sockloop/sys';
import { lookupsUnderWay } from '#src/net/addresses.js';
import { exitAtOnce } from '#src/sys/native.js';
import { printError } from './output.ts';

/** The exit statuses of every command but the textbook's; `invalid` is for `--fail-if` alone. */
export const EXIT = { done: 0, failed: 1, usage: 2, invalid: 3 } as const;

/** A failure that its message explains to the user: it is reported without its stack. */
export class ExpectedError extends Error {}

/** Wrong usage: the message says what was given and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What was measured says nothing of the server, and `--fail-if invalid` asked to be told. */
export class InvalidRunError extends Error {
  override readonly name = 'InvalidRunError';
}

/** A command failed, and has said why itself. */
export class AlreadyTold extends Error {
  override readonly name = 'AlreadyTold';
}

/** Where to read more about a `command`. */
export function tryHelp(command: string): string {
  return `Try '${command} --help' for more.`;
}

/**
 * Ends the process, after the listeners of `exit`, also where a look-up that nobody waits for any
 * more holds a thread: its resolver may be silent for ten seconds.
 */
export function leave(status: number): never {
  if (lookupsUnderWay() === 0) process.exit(status);
  process.exitCode = status;
  process.emit('exit', status);
  return exitAtOnce(status);
}

/** Returns `status`, unless a look-up that came too late would keep the process: then it ends. */
export function leaveIfHeld(status: number): number {
  return lookupsUnderWay() > 0 ? leave(status) : status;
}

/**
 * Reports what ended a `command` of `program` and returns its exit status. What the user can do
 * something about is one line; a defect of the program itself keeps its stack.
 */
export function report(program: string, failure: unknown, command: string = program): number {
  const error = firstError(failure);
  if (isBrokenPipe(error) || error instanceof AlreadyTold) return EXIT.failed;
  if (error instanceof UsageError) {
    printError(`${program}: ${error.message}`);
    printError(tryHelp(command));
    return EXIT.usage;
  }
  if (error instanceof InvalidRunError) {
    printError(`${program}: ${error.message}`);
    return EXIT.invalid;
  }
  const output = outputFailure(error);
  if (output !== null) {
    printError(`${program}: ${output}`);
    return EXIT.failed;
  }
  const expected =
    error instanceof SysError || error instanceof ResolveError || error instanceof ExpectedError;
  if (expected || (error instanceof Error && error.constructor === Error)) {
    printError(`${program}: ${error.message}`);
  } else {
    printError(`${program}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  return EXIT.failed;
}

/**
 * The error that came first. Where closing what is open fails as well, `using` throws an error of
 * its own, in which the first one is `suppressed`.
 */
export function firstError(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) {
    first = first.suppressed;
  }
  return first;
}

/** Why standard output takes no more: `cannot write to standard output: ENOSPC (...)`, or null. */
export function outputFailure(error: unknown): string | null {
  if (!(error instanceof Error) || error instanceof SysError) return null;
  const [, code, why] = /^(E[A-Z]+): (.*), write$/.exec(error.message) ?? [];
  return code === undefined ? null : `cannot write to standard output: ${code} (${why})`;
}

/** Whoever read our output has gone, and nobody is left to tell. */
export function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof SysError) &&
    'code' in error &&
    error.code === 'EPIPE'
  );
}
