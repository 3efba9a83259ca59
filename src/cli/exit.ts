import { ReplyError } from '../echo/client.ts';
import { ResolveError, SysError } from '../sys/sys-error.ts';
import { printError } from './output.ts';

/** The exit statuses of every command but the textbook's; `invalid` is for `--fail-if` alone. */
export const EXIT = { done: 0, failed: 1, usage: 2, invalid: 3 } as const;

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

/**
 * Reports what ended a command and returns its exit status. What the user can do something about
 * is one line; a defect of the program itself keeps its stack.
 */
export function report(program: string, error: unknown): number {
  if (isBrokenPipe(error) || error instanceof AlreadyTold) return EXIT.failed;
  if (error instanceof UsageError) {
    printError(`${program}: ${error.message}`);
    printError(`Try '${program} --help' for more.`);
    return EXIT.usage;
  }
  if (error instanceof InvalidRunError) {
    printError(`${program}: ${error.message}`);
    return EXIT.invalid;
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

/** Whoever read our output has gone, and nobody is left to tell. */
export function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof SysError) &&
    'code' in error &&
    error.code === 'EPIPE'
  );
}
