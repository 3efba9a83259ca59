import { ReplyError } from '../echo/client.ts';
import { ResolveError, SysError } from '../sys/sys-error.ts';
import { printError } from './output.ts';

/** The exit statuses of every command but the textbook's. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** Wrong usage: the message says what was given and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A command failed, and has said why itself. */
export class AlreadyTold extends Error {
  override readonly name = 'AlreadyTold';
}

/**
 * Reports what ended a command and returns its exit status. What the user can do something about
 * is one line; a defect of the program itself keeps its stack.
 */
export function report(program: string, failure: unknown): number {
  const error = firstError(failure);
  if (isBrokenPipe(error) || error instanceof AlreadyTold) return EXIT.failed;
  if (error instanceof UsageError) {
    printError(`${program}: ${error.message}`);
    printError(`Try '${program} --help' for more.`);
    return EXIT.usage;
  }
  const expected =
    error instanceof SysError || error instanceof ResolveError || error instanceof ReplyError;
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

/** Whoever read our output has gone, and nobody is left to tell. */
export function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof SysError) &&
    'code' in error &&
    error.code === 'EPIPE'
  );
}
