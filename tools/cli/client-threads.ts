import { formatAddress, type Sys } from 'sockloop/sys';
import {
  CLIENT_COUNT_MAX,
  CLIENT_MESSAGE_BYTES_MAX,
  CLIENT_MESSAGES_MAX,
  CLIENT_THREADS_MAX,
} from '../echo/limits.ts';
import { type ClientResult, ThreadedClient, type ThreadResult } from '../echo/threads/client.ts';
import type { ClientPlan, MessageBytes, RoundTrips } from '../echo/threads/client-shared.ts';
import { AlreadyReported, UsageError } from '../terminal/exit.ts';
import { parseCount } from '../terminal/flags.ts';
import { finishLogs, printError, printOut } from '../terminal/output.ts';
import { onStopSignals, type StopSignal } from '../terminal/stop-signals.ts';

// Shared by `sockloop send --threads` and `tcpclient --threads`.

/** The value of `--threads`: how many threads a client has. */
export function parseClientThreads(text: string): number {
  // A number that is only too large gets the reason as well.
  if (!/^\d+$/.test(text) || Number(text) <= CLIENT_THREADS_MAX) {
    return parseCount(text, 1, CLIENT_THREADS_MAX, '--threads');
  }
  const most = `--threads takes a number from 1 to ${CLIENT_THREADS_MAX}, not "${text}"`;
  throw new UsageError(`${most}: each thread takes some 11 MiB of memory`);
}

/** The value of `--count`: how often each thread sends its messages. */
export function parseClientCount(text: string): number {
  return parseCount(text, 1, CLIENT_COUNT_MAX, '--count');
}

/** Collects messages in memory that all threads share. */
export class MessageCollector {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** Copies a message. Throws an Error if there are too many, or too many bytes. */
  add(message: Uint8Array): void {
    if (this.#pieces.length === CLIENT_MESSAGES_MAX) {
      throw new Error(`threads send ${CLIENT_MESSAGES_MAX} messages each at the most`);
    }
    this.#length += message.length;
    if (this.#length > CLIENT_MESSAGE_BYTES_MAX) {
      throw new Error(`the messages are longer than ${CLIENT_MESSAGE_BYTES_MAX} bytes in all`);
    }
    this.#pieces.push(message.slice());
  }

  /** All messages. */
  collect(): MessageBytes {
    const bytes = new Uint8Array(new SharedArrayBuffer(this.#length));
    const endBytes = this.#pieces.length * Uint32Array.BYTES_PER_ELEMENT;
    const ends = new Uint32Array(new SharedArrayBuffer(endBytes));
    let end = 0;
    for (const [index, piece] of this.#pieces.entries()) {
      bytes.set(piece, end);
      end += piece.length;
      ends[index] = end;
    }
    return { bytes, ends };
  }
}

/**
 * Runs a threaded client. Prints totals, or a document if it does not print the replies. Throws an
 * {@link AlreadyReported} unless every thread did all its work. Ctrl-C ends it within a second, a
 * second one at once.
 */
export async function runClientThreads(plan: ClientPlan, sys: Sys): Promise<void> {
  const client = new ThreadedClient(plan, sys, (thread, failure) =>
    printError(`thread ${thread}: ${failure.message}`),
  );
  const { result, signal } = await untilSignal(client);
  if (plan.prints) printError(totalsLine(plan, result));
  else printOut(JSON.stringify(documentOf(plan, result)));
  if (result.threads.every(({ outcome }) => outcome === 'done')) return;
  // Ends by the signal itself: a blocked thread would keep the process alive, and a shell leaves
  // its loop only if the signal ended the command.
  if (signal !== null) {
    finishLogs();
    process.kill(process.pid, signal);
  }
  throw new AlreadyReported();
}

async function untilSignal(
  client: ThreadedClient,
): Promise<{ result: ClientResult; signal: StopSignal | null }> {
  let signal: StopSignal | null = null;
  using _ = onStopSignals((name) => {
    signal = name;
    client.stop();
  });
  return { result: await client.run(), signal };
}

/** Totals of all threads. */
interface Totals {
  readonly threads: number;
  readonly failed: number;
  readonly stopped: number;
  readonly connections: number;
  readonly messages: number;
  readonly replies: number;
  readonly mismatches: number;
  readonly receivedBytes: number;
  readonly elapsedMs: number;
}

function totalsOf({ threads, elapsedMs }: ClientResult): Totals {
  const sum = (numberOf: (result: ThreadResult) => number): number =>
    threads.reduce((total, result) => total + numberOf(result), 0);
  return {
    threads: threads.length,
    failed: sum(({ outcome }) => (outcome === 'failed' ? 1 : 0)),
    stopped: sum(({ outcome }) => (outcome === 'stopped' ? 1 : 0)),
    connections: sum(({ connections }) => connections),
    messages: sum(({ messages }) => messages),
    replies: sum(({ replies }) => replies),
    mismatches: sum(({ mismatches }) => mismatches),
    receivedBytes: sum(({ receivedBytes }) => receivedBytes),
    elapsedMs: rounded(elapsedMs),
  };
}

/** `4 threads (1 failed), 31 of 40 messages, 30 replies, 210 bytes back, 12.3 ms`. */
function totalsLine(plan: ClientPlan, result: ClientResult): string {
  const { threads, failed, stopped, messages, replies, mismatches, receivedBytes } =
    totalsOf(result);
  const asked = threads * plan.count * plan.messages.ends.length;
  const sent = messages < asked ? `${messages} of ${asked}` : `${asked}`;
  const short = remarks([failed, 'failed'], [stopped, 'stopped']);
  const differing = remarks([mismatches, 'not what was sent']);
  return [
    `${threads} ${threads === 1 ? 'thread' : 'threads'}${short}`,
    `${sent} ${asked === 1 ? 'message' : 'messages'}`,
    `${replies} ${replies === 1 ? 'reply' : 'replies'}${differing}`,
    `${receivedBytes} ${receivedBytes === 1 ? 'byte' : 'bytes'} back`,
    duration(result.elapsedMs),
  ].join(', ');
}

/** ` (1 failed, 2 stopped)`, without those that are 0. */
function remarks(...counts: readonly (readonly [count: number, what: string])[]): string {
  const words = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function documentOf({ mode }: ClientPlan, result: ClientResult): object {
  const threads = result.threads.map(({ failure, roundTripMs, ...facts }) => {
    const code = failure !== null && 'code' in failure ? { code: failure.code } : {};
    return {
      ...facts,
      roundTripMs: roundTripMs === null ? null : roundedAll(roundTripMs),
      ...(failure === null ? {} : { failure: { message: failure.message, ...code } }),
    };
  });
  const server = result.server === null ? null : formatAddress(result.server);
  return { server, mode, threads, totals: totalsOf(result) };
}

function roundedAll({ min, mean, max }: RoundTrips): RoundTrips {
  return { min: rounded(min), mean: rounded(mean), max: rounded(max) };
}

/** To whole microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1e3) / 1e3;
}
