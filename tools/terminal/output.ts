import { LogStream } from './log-stream.ts';
import { STDERR, STDOUT, writeAll } from './standard-streams.ts';

// Results block until they are written (a pager may be slow), log lines do not: see LogStream.

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

/** Writes bytes to standard output. Blocks until they are written. */
export function writeOut(bytes: Uint8Array): void {
  write(STDOUT, bytes);
}

/** Writes a line to standard output. Blocks until it is written. */
export function printOut(line: string): void {
  writeOut(Buffer.from(`${line}\n`));
}

/** Writes a log line to standard output. Never blocks; see LogStream. */
export function logOut(line: string): void {
  logTextOut(`${line}\n`);
}

/** Writes log text without a newline, such as a prompt, to standard output. Never blocks. */
export function logTextOut(text: string): void {
  log(STDOUT, text);
}

/** Sets the line that reports dropped lines on standard output. */
export function setDroppedWords(droppedWords: (lines: number) => string): void {
  logOf(STDOUT).droppedWords = droppedWords;
}

/** Writes a log line to standard error. Never blocks. */
export function printError(line: string): void {
  log(STDERR, `${line}\n`);
}

/** Writes text without a newline to standard error. Never blocks. */
export function prompt(text: string): void {
  log(STDERR, text);
}

/** Writes a line of a trace to standard error. Blocks until it is written. */
export function printTrace(line: string): void {
  write(STDERR, Buffer.from(`${line}\n`));
}

/** Flushes both logs. Returns true if lines still wait for a reader. */
export function logsWait(): boolean {
  for (const stream of logs) stream?.flush();
  return logs.some((stream) => stream?.pending === true);
}

/** Flushes both logs before a signal ends the process. Blocks for a bounded time. */
export function finishLogs(): void {
  for (const stream of logs) stream?.finish();
}
