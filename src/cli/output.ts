import { STDERR, STDOUT, writeAll } from '../echo/standard-streams.ts';

/** Bytes to standard output, as they are. */
export function writeOut(bytes: Uint8Array): void {
  writeAll(STDOUT, bytes);
}

/** A line to standard output. */
export function printOut(line: string): void {
  writeAll(STDOUT, Buffer.from(`${line}\n`));
}

/** A line to standard error. */
export function printError(line: string): void {
  writeAll(STDERR, Buffer.from(`${line}\n`));
}

/** Text to standard error without a newline: a prompt. */
export function prompt(text: string): void {
  writeAll(STDERR, Buffer.from(text));
}
