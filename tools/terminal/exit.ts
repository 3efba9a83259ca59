import { ResolveError, SysError } from 'sockloop/sys';
import { lookupsUnderWay } from '#src/net/addresses.js';
import { exitAtOnce } from '#src/sys/native.js';
import { printError } from './output.ts';

/** The exit statuses of every command but the textbook's; `invalid` is for `--fail-if` alone. */
export const EXIT = { done: 0, failed: 1, usage: 2, invalid: 3 } as const;

/** A failure that its message explains: reported without a stack. */
export class ExpectedError extends Error {}

/** Wrong usage: the message names the value and what is accepted. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The measurement is invalid, and `--fail-if invalid` was given. */
export class InvalidRunError extends Error {
  override readonly name = 'InvalidRunError';
}

/** A command failed and has reported why. */
export class AlreadyReported extends Error {
  override readonly name = 'AlreadyReported';
}

/** The hint below a usage error of `command`. */
export function tryHelp(command: string): string {
  return `Try '${command} --help' for more.`;
}

/**
 * Ends the process after the `exit` listeners ran. An abandoned name lookup, which may block its
 * thread for ten seconds, does not delay the end.
 */
export function leave(status: number): never {
  if (lookupsUnderWay() === 0) process.exit(status);
  process.exitCode = status;
  process.emit('exit', status);
  return exitAtOnce(status);
}

/** Returns `status`; ends the process if an abandoned lookup would keep it alive. */
export function leaveIfHeld(status: number): number {
  return lookupsUnderWay() > 0 ? leave(status) : status;
}

/**
 * Reports the error that ended a `command` of `program` and returns the exit status. An expected
 * failure is one line; a defect of the program keeps its stack.
 */
export function report(program: string, failure: unknown, command: string = program): number {
  const error = firstError(failure);
  if (isBrokenPipe(error) || error instanceof AlreadyReported) return EXIT.failed;
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
  const permission = deniedPermission(error);
  if (permission !== null) {
    printError(`${program}: the permission model of Node.js denies ${permission}`);
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
 * The first error. If disposal fails too, `using` throws a SuppressedError, whose `suppressed` is
 * the error before.
 */
export function firstError(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) {
    first = first.suppressed;
  }
  return first;
}

/** `cannot write to standard output: ENOSPC (...)` if `error` is of such a write; else null. */
export function outputFailure(error: unknown): string | null {
  if (!(error instanceof Error) || error instanceof SysError) return null;
  const [, code, why] = /^(E[A-Z]+): (.*), write$/.exec(error.message) ?? [];
  return code === undefined ? null : `cannot write to standard output: ${code} (${why})`;
}

/** What `--permission` of Node.js has denied: `WorkerThreads`; null for another error. */
function deniedPermission(error: unknown): string | null {
  if (!(error instanceof Error && 'code' in error && error.code === 'ERR_ACCESS_DENIED')) {
    return null;
  }
  const permission = 'permission' in error ? String(error.permission) : 'access';
  const resource = 'resource' in error ? String(error.resource) : '';
  return resource === '' ? permission : `${permission} of ${resource}`;
}

/** True if the reader of our output has closed its end. */
export function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof SysError) &&
    'code' in error &&
    error.code === 'EPIPE'
  );
}
