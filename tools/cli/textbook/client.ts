import { createConnection } from 'sockloop/socket';
import { ResolveError, type Sys, SysError } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { addressesWithin } from '#src/net/addresses.js';
import { EchoClient, isUnfinished, replyEndOf } from '../../echo/client.ts';
import { CHUNK_BYTES, LINE_BYTES_MAX } from '../../echo/limits.ts';
import type { ClientPlan } from '../../echo/threads/client-shared.ts';
import { parseDuration } from '../../terminal/flags.ts';
import { printOut, prompt, writeOut } from '../../terminal/output.ts';
import { readInput } from '../../terminal/standard-input.ts';
import {
  MessageCollector,
  parseClientCount,
  parseClientThreads,
  runClientThreads,
} from '../client-threads.ts';
import { Failed, parseTextbookPort, step, textbook, textbookSys, wrongUsage } from './program.ts';

// The textbook's TCP client: reads a line, sends it, prints the echo. With --threads, its second
// client: many threads that send the line, each over connections of its own.

const USAGE = 'tcpclient [--trace] [--threads N [--count M] [--timeout S]] <hostname> <port>';

const HELP = `
The textbook's echo client: asks for a line, sends it and prints what comes back.

  --threads N    send it from so many threads at once
  --count M      how often each thread sends it; 1 if left out
  --timeout S    longest wait of each call of a thread: 10, 500ms, 2m; 10 if left out
  --trace        print each system call on standard error, as strace would
  --help         print this text

sockloop send is the client with more to choose.`;

const FLAGS = ['--threads', '--count', '--timeout'] as const;
type Flag = (typeof FLAGS)[number];

/** The longest wait for a connection and for each whole reply, in seconds, unless asked for. */
const TIMEOUT_S = '10';

async function main(words: readonly string[]): Promise<void> {
  const { flags, trace, rest } = parseWords(words);
  const [host, portText] = rest;
  if (host === undefined || rest.length !== 2) wrongUsage();
  const threads = flags.get('--threads');
  // The first client has no such flags.
  if (threads === undefined && flags.size > 0) wrongUsage();
  const sys = textbookSys(trace);
  if (threads === undefined) sendOnce(host, parseTextbookPort(portText, 1), sys);
  else await sendFromThreads(host, portText, { threadsText: threads, flags, trace, sys });
}

function parseWords(words: readonly string[]) {
  const flags = new Map<Flag, string>();
  let trace = false;
  for (let at = 0; ; at += 2) {
    for (; words[at] === '--trace'; at += 1) trace = true;
    const flag = FLAGS.find((name) => name === words[at]);
    if (flag === undefined) return { flags, trace, rest: words.slice(at) };
    const value = words[at + 1];
    if (value === undefined) wrongUsage();
    flags.set(flag, value);
  }
}

/** The arguments of the threaded client. */
interface ThreadsAsked {
  readonly threadsText: string;
  readonly flags: ReadonlyMap<Flag, string>;
  readonly trace: boolean;
  readonly sys: Sys;
}

async function sendFromThreads(
  host: string,
  portText: string | undefined,
  { threadsText, flags, trace, sys }: ThreadsAsked,
): Promise<void> {
  const threads = parseClientThreads(threadsText);
  const count = parseClientCount(flags.get('--count') ?? '1');
  const timeoutMs = parseDuration(flags.get('--timeout') ?? TIMEOUT_S, '--timeout');
  const port = parseTextbookPort(portText, 1);
  const addresses = await addressesOf(host, port, timeoutMs, sys);
  const collector = new MessageCollector();
  collector.add(askForLine());
  const plan: ClientPlan = {
    addresses,
    threads,
    count,
    messages: collector.collect(),
    mode: 'line',
    // The textbook's server takes one line per connection.
    reconnects: true,
    timeoutMs,
    prints: true,
    trace,
  };
  await runClientThreads(plan, sys);
}

/** The addresses of the server, resolved once for all threads. */
async function addressesOf(host: string, port: number, timeoutMs: number, sys: Sys) {
  try {
    return await addressesWithin({ host, port }, timeoutMs, sys);
  } catch (error) {
    throw failedLookup(host, error);
  }
}

function sendOnce(host: string, port: number, sys: Sys): void {
  using socket = step('ERROR connecting', () =>
    knownHost(host, () => createConnection({ host, port }, { sys })),
  );
  const message = askForLine();
  const end = replyEndOf('line', message);
  const client = new EchoClient(socket);
  let last: number | undefined;
  const print = (piece: Uint8Array): void => {
    if (last === undefined) writeOut(Buffer.from('Echo from server: '));
    writeOut(piece);
    last = piece.at(-1);
  };
  try {
    step('ERROR talking to the server', () =>
      client.exchange(message, end, print, isUnfinished(message)),
    );
    if (last === undefined) printOut('Echo from server: ');
  } finally {
    // A partial reply ends its line before the error is printed.
    if (last !== undefined && last !== NEWLINE) printOut('');
  }
}

/** Runs `call`, which resolves a host. */
function knownHost<Result>(host: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw failedLookup(host, error);
  }
}

/** `error` in the textbook's words if the lookup failed. */
function failedLookup(host: string, error: unknown): unknown {
  const late = error instanceof SysError && error.syscall === 'getaddrinfo';
  if (!late && !(error instanceof ResolveError)) return error;
  return new Failed(`ERROR, no such host as ${host}: ${error.reason}`);
}

function askForLine(): Uint8Array {
  if (process.stdin.isTTY) prompt('Please enter msg: ');
  return readLine();
}

/** A line of standard input, or the rest before its end. */
function readLine(): Uint8Array {
  const buffer = new LineBuffer(LINE_BYTES_MAX);
  for (;;) {
    const line = buffer.takeLine();
    if (line !== null) return line;
    if (buffer.overlong) throw new Failed(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
    buffer.reserve(CHUNK_BYTES);
    const length = readInput(buffer.bytes, buffer.end, CHUNK_BYTES);
    if (length === 0) return buffer.takeRest();
    buffer.commit(length);
  }
}

/**
 * Runs the program.
 *
 * @param words - The arguments; those of this process if left out.
 * @returns The exit status.
 */
export function runClient(words?: readonly string[]): Promise<number> {
  return textbook(USAGE, HELP, main, words);
}
