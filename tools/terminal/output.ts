import { LogStream } from './log-stream.ts';
import { STDERR, STDOUT, writeAll } from './standard-streams.ts';

// Results wait for their reader (a pager may take its time), log lines do not: see LogStream.

const logs: (LogStream | undefined)[] = [];

function logOf(fd: typeof STDOUT | typeof STDERR): LogStream {
  const known = logs[fd];
  if (known !== undefined) return known;
  const log = new LogStream(fd);
  logs[fd] = log;
  process.on('exit', () => log.finish());
  return log;
}

/** Bytes to standard output, as they are. Blocks until they are written. */
export function writeOut(bytes: Uint8Array): void {
  logs[STDOUT]?.finish();
  writeAll(STDOUT, bytes);
}

/** A line to standard output. Blocks until it is written. */
export function printOut(line: string): void {
  writeOut(Buffer.from(`${line}\n`));
}

/** A line of a log to standard output: dropped where nobody reads. */
export function logOut(line: string): void {
  logTextOut(`${line}\n`);
}

/** Text of a log to standard output without a newline: a prompt. */
export function logTextOut(text: string): void {
  logOf(STDOUT).write(Buffer.from(text));
}

/** What stands in the log on standard output for `lines` that were dropped. */
export function setDroppedWords(droppedWords: (lines: number) => string): void {
  logOf(STDOUT).droppedWords = droppedWords;
}

/** A line to standard error: dropped where nobody reads. */
export function printError(line: string): void {
  logOf(STDERR).write(Buffer.from(`${line}\n`));
}

/** Text to standard error without a newline: dropped where nobody reads. */
export function prompt(text: string): void {
  logOf(STDERR).write(Buffer.from(text));
}

/** A line to standard error that is part of what a client shows. Blocks until it is written. */
export function printTrace(line: string): void {
  logs[STDERR]?.finish();
  writeAll(STDERR, Buffer.from(`${line}\n`));
}

/** Whether log lines wait for a reader, once they were tried again. */
export function logsWait(): boolean {
  for (const log of logs) log?.flush();
  return logs.some((log) => log?.pending === true);
}

/** Writes what a reader still takes, where a signal is about to end the process. Blocks shortly. */
export function finishLogs(): void {
  for (const log of logs) log?.finish();
}
