import type { Command } from 'commander';
import { type Endpoint, Socket } from 'sockloop/socket';
import { formatAddress, type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { addressesWithin } from '#src/net/addresses.js';
import { ClientNames } from '../../echo/datagrams/client-names.ts';
import type { DatagramKind } from '../../echo/datagrams/plan.ts';
import { LINE_BYTES_MAX } from '../../echo/limits.ts';
import { ExpectedError } from '../../terminal/exit.ts';
import { printOut, writeOut } from '../../terminal/output.ts';
import { linesOf, standardInput } from '../../terminal/standard-input.ts';
import { type DatagramKindFlags, datagramKindOf } from '../datagram-kind.ts';
import { asText } from './reply-text.ts';

/** The flags of `send` that datagrams have as well. */
const SHARED = ['unix', 'timeout', 'json', 'trace'];

/** One message in the document of `--json`. */
interface Exchange {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly roundTripMs: number;
  /** The reply if it is UTF-8; else `replyBase64` is present. */
  readonly reply?: string;
  readonly replyBase64?: string;
}

/** What is sent where, and how it is told. */
export interface DatagramRun {
  readonly endpoint: Endpoint;
  readonly messages: readonly string[];
  readonly timeoutMs: number;
  readonly json: boolean;
  readonly sys: Sys;
}

/** The longest datagram of a UNIX socket by default is shorter. */
const REPLY_BYTES_MAX = 262_144;

/** Adds the flags to `sockloop send`. */
export function addDatagramFlags(command: Command): Command {
  return command
    .option('--udp', 'send each message as a datagram over UDP')
    .option('--dgram', 'with --unix: as a datagram to a UNIX socket')
    .option('--seqpacket', 'with --unix: as a record over a connection');
}

/** What kind of datagrams is sent; null for a stream. */
export function sentKindOf(
  flags: DatagramKindFlags & { readonly unix?: string },
  command: Command,
): DatagramKind | null {
  return datagramKindOf(flags, command, SHARED);
}

/** Sends each message, and prints what comes back for it. Throws where nothing does in time. */
export async function sendDatagrams(kind: DatagramKind, run: DatagramRun): Promise<void> {
  const { endpoint, timeoutMs, messages, sys } = run;
  const addresses = await addressesWithin(endpoint, timeoutMs, sys);
  using sender = new DatagramSender(kind, addresses, run);
  try {
    if (messages.length > 0) for (const message of messages) sender.exchange(Buffer.from(message));
    else
      for await (const line of linesOf(standardInput(), LINE_BYTES_MAX))
        sender.exchange(chomp(line));
  } catch (error) {
    // Replies before the failure are printed.
    sender.finish(error instanceof Error ? error : null);
    throw error;
  }
  sender.finish(null);
}

/** A datagram has an end of its own: the newline of the line goes. */
function chomp(line: Uint8Array): Uint8Array {
  return line.at(-1) === NEWLINE ? line.subarray(0, -1) : line;
}

class DatagramSender implements Disposable {
  readonly #kind: DatagramKind;
  readonly #run: DatagramRun;
  readonly #names: ClientNames;
  readonly #exchanges: Exchange[] = [];
  readonly #buffer = new Uint8Array(REPLY_BYTES_MAX);
  /** Addresses that were not tried yet. */
  readonly #others: SocketAddress[];
  #socket: Socket;
  #peer: SocketAddress;
  #answered = false;

  constructor(kind: DatagramKind, addresses: readonly SocketAddress[], run: DatagramRun) {
    this.#kind = kind;
    this.#run = run;
    this.#names = new ClientNames(run.sys);
    const [first, ...others] = addresses;
    if (first === undefined) throw new ExpectedError('the resolver found no address');
    this.#others = others;
    this.#peer = first;
    this.#socket = this.#connected(first);
  }

  #connected(address: SocketAddress): Socket {
    const { sys, timeoutMs } = this.#run;
    const type = this.#kind === 'seqpacket' ? 'SOCK_SEQPACKET' : 'SOCK_DGRAM';
    const socket = new Socket(address.family, { type, sys });
    try {
      socket.setTimeout(timeoutMs);
      // A server answers a name only.
      if (this.#kind === 'dgram') socket.bind({ family: 'UNIX', path: this.#names.next() });
      socket.connect(address);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  exchange(message: Uint8Array): void {
    const { sys, json } = this.#run;
    const startMs = sys.monotonicMs();
    const length = this.#replyTo(message);
    const roundTripMs = Math.round((sys.monotonicMs() - startMs) * 1e3) / 1e3;
    const reply = this.#buffer.subarray(0, length);
    if (json) {
      const bytes = { sentBytes: message.length, receivedBytes: length };
      this.#exchanges.push({ ...bytes, roundTripMs, ...asText(reply) });
      return;
    }
    writeOut(reply.slice());
    writeOut(Uint8Array.of(NEWLINE));
  }

  #replyTo(message: Uint8Array): number {
    for (;;) {
      try {
        this.#socket.send(message);
        const length = this.#socket.recv(this.#buffer);
        this.#answered = true;
        return length;
      } catch (error) {
        const next = this.#nextAfter(error);
        if (next === undefined) throw this.#explained(error);
        this.#socket.close();
        this.#peer = next;
        this.#socket = this.#connected(next);
      }
    }
  }

  /** `localhost` has two addresses, and a server has mostly one of them. */
  #nextAfter(error: unknown): SocketAddress | undefined {
    const refused = error instanceof SysError && error.code === 'ECONNREFUSED';
    return refused && !this.#answered ? this.#others.shift() : undefined;
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof SysError)) return error;
    const peer = formatAddress(this.#peer);
    if (error.code === 'ETIMEDOUT' || error.code === 'EAGAIN') {
      const waited = `${this.#run.timeoutMs} ms`;
      return new ExpectedError(
        `no reply from ${peer} within ${waited}: it, or the message, is lost`,
      );
    }
    if (error.code === 'ECONNREFUSED') {
      return new ExpectedError(`cannot send to ${peer}: ECONNREFUSED (nobody receives there)`);
    }
    return error;
  }

  /** Prints the document, also after a `failure`. */
  finish(failure: Error | null): void {
    if (!this.#run.json) return;
    const facts = { server: formatAddress(this.#peer), kind: this.#kind };
    const code = failure !== null && 'code' in failure ? { code: failure.code } : {};
    const end = failure === null ? {} : { failure: { message: failure.message, ...code } };
    printOut(JSON.stringify({ ...facts, exchanges: this.#exchanges, ...end }));
  }

  [Symbol.dispose](): void {
    this.#socket.close();
    this.#names[Symbol.dispose]();
  }
}
