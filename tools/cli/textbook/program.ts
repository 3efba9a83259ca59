import { nativeSys, ResolveError, type Sys, SysError, TracingSys } from 'sockloop/sys';
import { ReplyError } from '../../echo/client.ts';
import { commandWords } from '../../terminal/arguments.ts';
import {
  AlreadyReported,
  EXIT,
  firstError,
  isBrokenPipe,
  leaveIfHeld,
  outputFailure,
  UsageError,
} from '../../terminal/exit.ts';
import { printError, printOut } from '../../terminal/output.ts';
import { runBelowPidOne } from '../child-command.ts';

// The textbook's programs fail as perror(3) has it: the step, the reason, status 1.

/** A failed step of a textbook program. */
export class Failed extends Error {
  override readonly name = 'Failed';
  /** The name of the errno if a system call failed. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }

  print(): void {
    printError(this.message);
  }
}

/** A usage error: the usage line is its message. */
class WrongUsage extends Error {}

/** Runs `call`. Its error becomes such as `ERROR on binding: Address already in use`. */
export function step<Result>(label: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError || error instanceof ResolveError) {
      throw new Failed(`${label}: ${upperFirst(error.reason)}`, error.code);
    }
    if (error instanceof ReplyError) throw new Failed(`${label}: ${upperFirst(error.message)}`);
    throw error;
  }
}

function upperFirst(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The port argument, from `min` on. Wrong usage if it is missing. */
export function parseTextbookPort(text: string | undefined, min: 0 | 1): number {
  if (text === undefined) throw new WrongUsage();
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= min && port <= 65535) return port;
  throw new Failed(`ERROR, "${text}" is not a port: a number from ${min} to 65535`);
}

/** Throws the usage error of a program that parses its own arguments. */
export function wrongUsage(): never {
  throw new WrongUsage();
}

/** The Sys of a textbook program, which prints its calls with --trace. */
export function textbookSys(trace: boolean): Sys {
  return trace ? new TracingSys(nativeSys(), printError) : nativeSys();
}

/**
 * Runs a textbook program.
 *
 * @param usage - The line behind `usage:`.
 * @param help - What `--help` and `-h` print behind it.
 * @param main - The program itself.
 * @param given - The arguments; those of this process if left out.
 * @returns The exit status: 1 for wrong usage and for a failed step.
 */
export async function textbook(
  usage: string,
  help: string,
  main: (words: readonly string[]) => void | Promise<void>,
  given?: readonly string[],
): Promise<number> {
  const status = await runBelowPidOne();
  if (status !== null) return status;
  try {
    const words = given ?? commandWords();
    if (words.some((word) => word === '--help' || word === '-h')) {
      printOut(`usage: ${usage}\n${help}`);
    } else {
      await main(words);
    }
  } catch (error) {
    report(usage, firstError(error));
    return leaveIfHeld(EXIT.failed);
  }
  return leaveIfHeld(EXIT.done);
}

function report(usage: string, error: unknown): void {
  if (error instanceof WrongUsage) printError(`usage: ${usage}`);
  else if (error instanceof UsageError) printError(`ERROR, ${error.message}`);
  else if (error instanceof Failed) error.print();
  else if (outputFailure(error) !== null && !isBrokenPipe(error)) {
    printError(`ERROR, ${outputFailure(error)}`);
  } else if (!isBrokenPipe(error) && !(error instanceof AlreadyReported)) throw error;
}
