import { closeSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Socket } from 'sockloop/socket';
import { nativeSys, type SocketAddress, type Sys, SysError, TracingSys } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { setNoDelay } from '#src/socket/create.js';
import { connectToPeer } from '#src/socket/self-connection.js';
import { TimeShares } from '#src/socket/wait.js';
import { EchoClient, isUnfinished, type ReplyEnd, ReplyError, replyEndOf } from '../client.ts';
import { REPLY_EXCESS_BYTES_MAX } from '../limits.ts';
import { OutputError, ThreadPrinter } from './client-printer.ts';
import { ClientState, type ClientThreadMessage, type ClientThreadPlan } from './client-shared.ts';
import { failureOf } from './server-shared.ts';

// One thread of a ThreadedClient: connect(2), then a message out and its reply back, in turn. All
// calls block, and no loop turns here. The main thread wakes it by shutting its socket down.

/** A message, which is sent `count` times. */
interface Message {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly end: ReplyEnd;
  /** True if only the end of the stream completes it. */
  readonly unfinished: boolean;
}

/** The worker of this thread. */
class ClientThread {
  readonly #plan: ClientThreadPlan;
  readonly #state: ClientState;
  readonly #printer: ThreadPrinter;
  readonly #sys: Sys;
  /** The place of its socket while threads start: one that starts does not fail for want of it. */
  readonly #reserve: number;
  #socket: Socket | null = null;
  #client: EchoClient | null = null;
  #server: SocketAddress | null = null;
  /** The last message, cached: most clients have only one. */
  #message: Message | null = null;

  constructor(plan: ClientThreadPlan) {
    this.#plan = plan;
    this.#state = new ClientState(plan.threads, plan.memory);
    this.#printer = new ThreadPrinter(plan.thread, this.#state);
    const native = nativeSys();
    this.#sys = plan.trace ? new TracingSys(native, (line) => this.#printer.traced(line)) : native;
    // Throws EMFILE, and the thread has not started.
    this.#reserve = openSync('/dev/null', 'r');
  }

  run(): void {
    tell({ kind: 'ready' });
    try {
      const begins = this.#state.awaitBeginning();
      closeSync(this.#reserve);
      const isDone = begins && this.#sendAll();
      this.#ended(isDone ? 'done' : 'stopped');
    } catch (error) {
      if (error instanceof OutputError) {
        tell({ kind: 'outputFailed', failure: failureOf(error.cause) });
        this.#ended('stopped');
      } else if (error instanceof SysError || error instanceof ReplyError) {
        // A stop shuts the socket down, which is no failure.
        if (this.#state.stopping) this.#ended('stopped');
        else this.#ended('failed', error);
      } else {
        throw error;
      }
    }
  }

  #ended(outcome: 'done' | 'stopped' | 'failed', error: Error | null = null): void {
    const failure = error === null ? null : failureOf(error);
    tell({ kind: 'ended', outcome, failure, server: this.#server });
  }

  /** Returns true if all was sent, false if the client stops. */
  #sendAll(): boolean {
    const { count, messages } = this.#plan;
    try {
      for (let round = 0; round < count; round++) {
        for (let index = 0; index < messages.ends.length; index++) {
          if (this.#state.stopping) return false;
          this.#exchange(this.#messageAt(index));
        }
      }
      return true;
    } finally {
      this.#disconnect();
    }
  }

  #messageAt(index: number): Message {
    if (this.#message?.index === index) return this.#message;
    const { mode, messages } = this.#plan;
    const bytes = messages.bytes.subarray(messages.ends[index - 1] ?? 0, messages.ends[index]);
    const unfinished = isUnfinished(bytes);
    this.#message = { index, bytes, end: replyEndOf(mode, bytes), unfinished };
    return this.#message;
  }

  #exchange({ bytes, end, unfinished }: Message): void {
    const { thread, mode, reconnects, prints } = this.#plan;
    const client = this.#client ?? this.#connect();
    const reply = new ThreadReply(bytes, prints ? this.#printer : null);
    this.#state.add(thread, 'messages', 1);
    const startMs = this.#sys.monotonicMs();
    try {
      client.exchange(bytes, end, (piece) => reply.take(piece), unfinished);
      const roundTripMs = this.#sys.monotonicMs() - startMs;
      // The reply to an empty message is a line as well.
      if (prints && reply.length === 0) this.#printer.take(Uint8Array.of(NEWLINE));
      this.#state.addReply(thread, roundTripMs, reply.matches);
    } finally {
      this.#state.add(thread, 'receivedBytes', reply.length);
      // A partial reply is printed before the error.
      if (prints) this.#printer.print();
    }
    if (reconnects || unfinished || mode === 'once') this.#disconnect();
  }

  #connect(): EchoClient {
    let failure: unknown = new Error('there is no address to connect to');
    const { addresses, timeoutMs } = this.#plan;
    const shares = new TimeShares(this.#sys, timeoutMs, addresses.length);
    for (const address of addresses) {
      try {
        return this.#connectTo(address, shares.next());
      } catch (error) {
        this.#disconnect();
        if (this.#state.stopping) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #connectTo(address: SocketAddress, connectMs: number | null): EchoClient {
    const { thread, timeoutMs } = this.#plan;
    const socket = new Socket(address.family, { sys: this.#sys });
    this.#socket = socket;
    // From here on stop() can wake this thread.
    this.#state.setSocket(thread, socket.fileno());
    socket.setTimeout(connectMs);
    setNoDelay(socket);
    connectToPeer(this.#sys, socket, address);
    this.#state.add(thread, 'connections', 1);
    this.#server = address;
    this.#client = new EchoClient(socket, { sys: this.#sys, timeoutMs });
    return this.#client;
  }

  #disconnect(): void {
    this.#state.setSocket(this.#plan.thread, -1);
    this.#socket?.close();
    this.#socket = null;
    this.#client = null;
  }
}

/** A reply being received, compared with its message. */
class ThreadReply {
  length = 0;
  readonly #message: Uint8Array;
  readonly #printer: ThreadPrinter | null;
  #differs = false;

  constructor(message: Uint8Array, printer: ThreadPrinter | null) {
    this.#message = message;
    this.#printer = printer;
  }

  /** True if the complete reply equals its message. */
  get matches(): boolean {
    return !this.#differs && this.length === this.#message.length;
  }

  take(piece: Uint8Array): void {
    const length = this.length + piece.length;
    const lengthMax = this.#message.length + REPLY_EXCESS_BYTES_MAX;
    if (length > lengthMax) throw new ReplyError(`the reply is longer than ${lengthMax} bytes`);
    const expected = this.#message.subarray(this.length, length);
    this.#differs ||= Buffer.compare(piece, expected) !== 0;
    this.length = length;
    this.#printer?.take(piece);
  }
}

function tell(message: ClientThreadMessage): void {
  parentPort?.postMessage(message);
}

new ClientThread(workerData as ClientThreadPlan).run();
