import { LogStream } from './log-stream.ts';
import { STDERR, STDOUT, writeAll } from './standard-streams.ts';

// Results wait for their reader (a pager may take its time), log lines do not: see LogStream.

type StandardFd = typeof STDOUT | typeof STDERR;

/** Takes what is printed, instead of a standard stream. */
type OutputSink = (fd: StandardFd, bytes: Uint8Array) => void;

const logs: (LogStream | undefined)[] = [];

let sink: OutputSink | null = null;

/** Hands everything that is printed to `instead`, until the result is disposed of. */
export function redirectOutput(instead: OutputSink): Disposable {
  const before = sink;
  sink = instead;
  return {
    [Symbol.dispose]: () => {
      sink = before;
    },
  };
}

/** Writes bytes in order with the log lines before them. Blocks until they are written. */
function write(fd: StandardFd, bytes: Uint8Array): void {
  if (sink !== null) {
    sink(fd, bytes);
    return;
  }
  logs[fd]?.finish();
  writeAll(fd, bytes);
}

/** Writes text to a log. Never blocks. */
function log(fd: StandardFd, text: string): void {
  const bytes = Buffer.from(text);
  if (sink === null) logOf(fd).write(bytes);
  else sink(fd, bytes);
}

function logOf(fd: StandardFd): LogStream {
  const known = logs[fd];
  if (known !== undefined) return known;
  const stream = new LogStream(fd);
  logs[fd] = stream;
  process.on('exit', () => stream.finish());
  return stream;
}

/** Bytes to standard output, as they are. Blocks until they are written. */
export function writeOut(bytes: Uint8Array): void {
  write(STDOUT, bytes);
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
  log(STDOUT, text);
}

/** What stands in the log on standard output for `lines` that were dropped. */
export function setDroppedWords(droppedWords: (lines: number) => string): void {
  logOf(STDOUT).droppedWords = droppedWords;
}

/** A line to standard error: dropped where nobody reads. */
export function printError(line: string): void {
  log(STDERR, `${line}\n`);
}

/** Text to standard error without a newline: dropped where nobody reads. */
export function prompt(text: string): void {
  log(STDERR, text);
}

/** A line to standard error that is part of what a client shows. Blocks until it is written. */
export function printTrace(line: string): void {
  write(STDERR, Buffer.from(`${line}\n`));
}

/** Whether log lines wait for a reader, once they were tried again. */
export function logsWait(): boolean {
  for (const stream of logs) stream?.flush();
  return logs.some((stream) => stream?.pending === true);
}

/** Writes what a reader still takes, where a signal is about to end the process. Blocks shortly. */
export function finishLogs(): void {
  for (const stream of logs) stream?.finish();
}
