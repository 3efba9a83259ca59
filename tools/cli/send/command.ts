import type { Command } from 'commander';
import type { Endpoint, Socket } from 'sockloop/socket';
import { formatAddress, nativeSys, type SocketAddress, type Sys, TracingSys } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { addressesWithin, isNumeric } from '#src/net/addresses.js';
import { connectToFirst } from '#src/socket/create.js';
import { EchoClient, isUnfinished, replyEndOf } from '../../echo/client.ts';
import { CLIENT_COUNT_MAX, CLIENT_THREADS_MAX, LINE_BYTES_MAX } from '../../echo/limits.ts';
import { parseMode } from '../../echo/mode.ts';
import type { EchoMode } from '../../echo/session.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseDuration, parsePort } from '../../terminal/flags.ts';
import { printOut, printTrace, writeOut } from '../../terminal/output.ts';
import { linesOf, standardInput } from '../../terminal/standard-input.ts';
import {
  MessageCollector,
  parseClientCount,
  parseClientThreads,
  runClientThreads,
} from '../client-threads.ts';
import type { DatagramKindFlags } from '../datagram-kind.ts';
import { unixPath } from '../unix-flag.ts';
import { addDatagramFlags, sendDatagrams, sentKindOf } from './datagrams.ts';
import { asText } from './reply-text.ts';

interface SendFlags extends DatagramKindFlags {
  readonly unix?: string;
  readonly mode: string;
  readonly timeout: string;
  readonly threads?: string;
  readonly count?: string;
  readonly trace?: true;
  readonly json?: true;
}

/** One message in the document of `--json`. */
interface Exchange {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly roundTripMs: number;
  /** The reply if it is UTF-8; else `replyBase64` is present. */
  readonly reply?: string;
  readonly replyBase64?: string;
}

/** Adds `sockloop send` to the program. */
export function addSend(program: Command): void {
  const sendCommand = program
    .command('send')
    .description('send lines to an echo server and print what comes back')
    .usage(
      '[options] HOST PORT [MESSAGE...]\n       sockloop send [options] --unix PATH [MESSAGE...]',
    )
    .argument('[arguments...]', 'host, port and messages; lines of standard input if none is given')
    .option('--unix <path>', 'connect to a UNIX socket instead; @name is an abstract name')
    .option('--mode <mode>', 'what the server answers: echo, line or once (see serve)', 'line')
    .option(
      '--timeout <time>',
      'longest wait for a connection, and for each whole reply: 10, 500ms, 2m',
      '10',
    )
    .option('--threads <n>', `send from so many threads at once, ${CLIENT_THREADS_MAX} at the most`)
    .option(
      '--count <m>',
      `with --threads: how often each sends all messages, ${CLIENT_COUNT_MAX} at the most`,
    )
    .option('--trace', 'print each system call on standard error, as strace would')
    .option('--json', 'print one JSON document');
  addDatagramFlags(sendCommand).action((words: string[], flags: SendFlags, command: Command) => {
    const kind = sentKindOf(flags, command);
    if (kind === null) return send(words, flags);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const json = flags.json === true;
    return sendDatagrams(kind, { ...target(words, flags), timeoutMs, json, sys: sysOf(flags) });
  });
}

function send(words: readonly string[], flags: SendFlags): Promise<void> {
  if (flags.threads !== undefined) return sendFromThreads(words, flags, flags.threads);
  if (flags.count !== undefined) throw new UsageError('--count goes with --threads');
  return sendFromHere(words, flags);
}

async function sendFromThreads(
  words: readonly string[],
  flags: SendFlags,
  threadsText: string,
): Promise<void> {
  const { endpoint, messages } = target(words, flags);
  const mode = parseMode(flags.mode);
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const threads = parseClientThreads(threadsText);
  const count = parseClientCount(flags.count ?? '1');
  const sys = sysOf(flags);
  const addresses = await addressesWithin(endpoint, timeoutMs, sys);
  const collector = new MessageCollector();
  for (const message of messages) collector.add(Buffer.from(`${message}\n`));
  if (messages.length === 0) {
    for await (const line of linesOf(standardInput(), LINE_BYTES_MAX)) collector.add(line);
  }
  const plan = {
    addresses,
    threads,
    count,
    messages: collector.collect(),
    mode,
    reconnects: false,
    timeoutMs,
    prints: flags.json !== true,
    trace: flags.trace === true,
  };
  await runClientThreads(plan, sys);
}

async function sendFromHere(words: readonly string[], flags: SendFlags): Promise<void> {
  const { endpoint, messages } = target(words, flags);
  const mode = parseMode(flags.mode);
  const timeoutMs = parseDuration(flags.timeout, '--timeout');
  const sys = sysOf(flags);
  using sender = new Sender(endpoint, mode, timeoutMs, flags.json === true, sys);
  try {
    // A missing server is reported before the first line is read.
    await sender.open();
    if (messages.length > 0) {
      for (const message of messages) sender.exchange(Buffer.from(`${message}\n`));
    } else {
      for await (const line of linesOf(standardInput(), LINE_BYTES_MAX)) sender.exchange(line);
    }
  } catch (error) {
    // Replies before the failure are printed.
    sender.finish(error instanceof Error ? error : null);
    throw error;
  }
  sender.finish(null);
}

function sysOf(flags: SendFlags): Sys {
  return flags.trace === true ? new TracingSys(nativeSys(), printTrace) : nativeSys();
}

function target(
  words: readonly string[],
  flags: SendFlags,
): { endpoint: Endpoint; messages: readonly string[] } {
  if (flags.unix !== undefined)
    return { endpoint: { path: unixPath(flags.unix) }, messages: words };
  const [host, port, ...messages] = words;
  if (host === undefined || port === undefined) {
    throw new UsageError('send takes a HOST and a PORT, or --unix PATH');
  }
  return { endpoint: { host, port: parsePort(port, 1, 'PORT') }, messages };
}

/** Sends messages in turn over one connection, or over one each in mode `once`. */
class Sender implements Disposable {
  readonly #endpoint: Endpoint;
  readonly #mode: EchoMode;
  readonly #timeoutMs: number;
  readonly #json: boolean;
  readonly #sys: Sys;
  readonly #exchanges: Exchange[] = [];
  #addresses: readonly SocketAddress[] = [];
  #socket: Socket | null = null;
  #client: EchoClient | null = null;
  #peer: string | null = null;
  #endedWithNewline = true;

  constructor(endpoint: Endpoint, mode: EchoMode, timeoutMs: number, json: boolean, sys: Sys) {
    this.#endpoint = endpoint;
    this.#mode = mode;
    this.#timeoutMs = timeoutMs;
    this.#json = json;
    this.#sys = sys;
  }

  /** Resolves the name and connects, with one timeout for both. */
  async open(): Promise<void> {
    const beganMs = this.#sys.monotonicMs();
    this.#addresses = await addressesWithin(this.#endpoint, this.#timeoutMs, this.#sys);
    const tookMs = Math.floor(this.#sys.monotonicMs() - beganMs);
    this.#connect(
      isKnown(this.#endpoint) ? this.#timeoutMs : Math.max(1, this.#timeoutMs - tookMs),
    );
  }

  exchange(message: Uint8Array): void {
    const client = this.#client ?? this.#connect(this.#timeoutMs);
    const pieces: Uint8Array[] = [];
    const startMs = this.#sys.monotonicMs();
    const unfinished = isUnfinished(message);
    const receivedBytes = client.exchange(
      message,
      replyEndOf(this.#mode, message),
      (piece) => {
        if (this.#json) pieces.push(piece.slice());
        else this.#print(piece);
      },
      // Without a newline only the end of the stream completes the line.
      unfinished,
    );
    const roundTripMs = Math.round((this.#sys.monotonicMs() - startMs) * 1e3) / 1e3;
    if (this.#json) {
      const reply = asText(Buffer.concat(pieces));
      this.#exchanges.push({ sentBytes: message.length, receivedBytes, roundTripMs, ...reply });
    }
    if (this.#mode === 'once' || unfinished) this[Symbol.dispose]();
  }

  /** Prints the document or the last newline, also after a `failure`. */
  finish(failure: Error | null): void {
    if (this.#json) {
      const facts = { server: this.#peer, mode: this.#mode, exchanges: this.#exchanges };
      const code = failure !== null && 'code' in failure ? { code: failure.code } : {};
      const end = failure === null ? {} : { failure: { message: failure.message, ...code } };
      printOut(JSON.stringify({ ...facts, ...end }));
    } else if (!this.#endedWithNewline && process.stdout.isTTY) {
      printOut('');
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
    this.#socket = null;
    this.#client = null;
  }

  #connect(withinMs: number): EchoClient {
    const sys = this.#sys;
    const socket = connectToFirst(this.#addresses, withinMs, sys);
    this.#socket = socket;
    this.#peer = formatAddress(socket.getPeerName());
    this.#client = new EchoClient(socket, { sys, timeoutMs: this.#timeoutMs });
    return this.#client;
  }

  #print(piece: Uint8Array): void {
    writeOut(piece);
    this.#endedWithNewline = piece.at(-1) === NEWLINE;
  }
}

/** True if the address needs no lookup. */
function isKnown(endpoint: Endpoint): boolean {
  return 'path' in endpoint || isNumeric(endpoint.host);
}
