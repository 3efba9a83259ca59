import type {
  Connection,
  ConnectionHandlers,
  EventLoop,
  Listener,
  ListenSettings,
  Timer,
} from 'sockloop';
import { type SocketAddress, SysError } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { unreadBytesOf } from '#src/sys/socket-queues.js';
import { endReasonOf, figuresOf, newEndCounts, type ServerFigures } from './figures.ts';
import { type GuardPlan, guardSettings } from './guard-plan.ts';
import { newTotals, type ServerObserver, type ServerTotals } from './iterative-server.ts';
import { ACCEPT_REPORT_MS, ACK_MS, DRAIN_MS, LINE_BYTES_MAX, LINGER_MS } from './limits.ts';
import type { EventMisbehaviour } from './misbehaviour/event-misbehaviour.ts';
import type { EchoMode } from './session.ts';

/** Options of an {@link EventServer}. */
interface EventServerOptions {
  /** Listens with the handlers and limits of the server. */
  listen(settings: ListenSettings<Client | number>): Listener<Client | number>;
  readonly mode: EchoMode;
  /** Clients beyond this number wait in the queue of listen(2). */
  readonly maxConnections?: number | null;
  /** Closes a client that neither sends nor reads for this long; null waits for ever. */
  readonly idleTimeoutMs?: number | null;
  /** The longest line in the modes `line` and `once`. */
  readonly lineBytesMax?: number;
  /** Observes every connection if `watched`, else only those that failed. */
  readonly observer?: ServerObserver;
  readonly watched?: boolean;
  /** What it refuses and gives up; null or left out for nothing. */
  readonly guarding?: GuardPlan | null;
  /** Comes between the connections and this server; null or left out for a server that behaves. */
  readonly misbehaviour?: EventMisbehaviour<Client | number> | null;
}

/** State of a connection that is reported or has an incomplete line. */
export interface Client {
  readonly connection: number;
  address: SocketAddress | null;
  /** The incomplete line; null without one, so that an idle client has no buffer. */
  pending: LineBuffer | null;
  lines: number;
  /** True once its only line is answered: it is closed behind the answer. */
  answered: boolean;
  failure: Error | null;
}

/** Most connections store only their number, from 1 on. */
type EchoConnection = Connection<Client | number>;

/**
 * The echo server on an event loop: any number of clients, one thread, one wait.
 *
 * A client that does not read its echo is not read from.
 */
export class EventServer {
  readonly totals: ServerTotals = newTotals();
  readonly listener: Listener<Client | number>;
  readonly #ends = newEndCounts();
  readonly #loop: EventLoop;
  readonly #mode: EchoMode;
  readonly #lineBytesMax: number;
  readonly #observer: ServerObserver;
  readonly #watched: boolean;
  readonly #misbehaviour: EventMisbehaviour<Client | number> | null;
  #stopping = false;
  /** Bounds the time of the last answers. */
  #deadline: Timer | null = null;
  /** Bounds the time of delayed acknowledgements. */
  #ackWait: Timer | null = null;
  /** Told once it has stopped and the last connection is closed. */
  #stopped: (() => void) | null = null;
  /** The final error of the listener. */
  #failure: Error | null = null;
  /** Whether another process accepts, and when the connections are ended. */
  #handedOver = false;
  #lastAccepted = false;
  #drainEnd: Timer | null = null;
  /** When a failed accept(2) was last reported, and its code: another one is news. */
  #reportedMs = Number.NEGATIVE_INFINITY;
  #reportedCode = '';

  /** Listens at once. Throws a SysError or ResolveError if that fails. */
  constructor(loop: EventLoop, options: EventServerOptions) {
    this.#loop = loop;
    this.#mode = options.mode;
    this.#lineBytesMax = options.lineBytesMax ?? LINE_BYTES_MAX;
    this.#observer = options.observer ?? {};
    this.#watched = options.watched ?? false;
    this.#misbehaviour = options.misbehaviour ?? null;
    if (this.#misbehaviour !== null) this.totals.misbehaved = this.#misbehaviour.totals;
    const handlers = this.#handlers();
    this.listener = options.listen({
      handlers: this.#misbehaviour?.handlers(handlers) ?? handlers,
      chunks: 'borrowed',
      onError: (error) => this.#acceptFailed(error),
      // A client with queued output is not read from until `drain`. So the queue holds at most one
      // answer, which --max-line bounds.
      queueBytesHigh: 0,
      queueBytesMax: Number.MAX_SAFE_INTEGER,
      ...(options.maxConnections == null ? {} : { maxConnections: options.maxConnections }),
      ...(options.idleTimeoutMs == null ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
      ...guardSettings(options.guarding ?? null, this.#watched ? this.#observer : {}),
    });
    if (options.guarding != null) this.totals.refused = this.listener.stats.refused;
  }

  /** What it has done so far: a walk over its connections. */
  figures(): ServerFigures {
    return figuresOf(this.#loop, this.listener, this.#ends);
  }

  /** Serves until {@link stop}. Throws if the listener fails. */
  async run(): Promise<ServerTotals> {
    await this.#loop.run();
    return this.#end();
  }

  /** Stops as {@link stop} does, on a loop that is attached. Throws if the listener has failed. */
  async shutdown(): Promise<ServerTotals> {
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      this.stop();
      this.#endDrainIfDone();
    });
    return this.#end();
  }

  /** Another process accepts: serves what is open, and stops when that ends, or in `drainMs`. */
  handOver(drainMs: number): void {
    if (this.#stopping || this.#handedOver) return;
    this.#handedOver = true;
    this.#drainEnd = this.#loop.setTimer(drainMs, () => this.stop());
    void this.listener.handOver().then(() => {
      this.#lastAccepted = true;
      this.#stopIfIdle();
    });
  }

  #stopIfIdle(): void {
    if (this.listener.connections === 0) this.stop();
  }

  #end(): ServerTotals {
    this.totals.turnedAway = this.listener.stats.shed;
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  /**
   * Stops accepting and closes every connection: at once if nothing is in flight, else once its
   * client has taken all and ended its side, within {@link DRAIN_MS}.
   */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#drainEnd?.cancel();
    this.listener.close();
    for (const connection of this.#open) {
      this.#hangUp(connection, false);
    }
    if (!this.#loop.alive) return;
    this.#ackWait = this.#loop.setTimer(ACK_MS, () => {
      for (const connection of this.#open) {
        if (connection.isOpen) this.#hangUp(connection, true);
      }
    });
    this.#deadline = this.#loop.setTimer(DRAIN_MS, () => this.#giveUp());
    this.#endDrainIfDone();
  }

  /** The open connections. */
  get #open(): EchoConnection[] {
    return [...(this.#misbehaviour?.connections ?? this.listener)];
  }

  /**
   * Closes a connection at once if the client has all answers and has sent nothing new; else with a
   * lingering close. A connection that only lacks acknowledgements is left for a second, `last`
   * call: an idle client need not end its side.
   */
  #hangUp(connection: EchoConnection, last: boolean): void {
    const { queuedBytes, unacknowledgedBytes, fd } = connection;
    const silent = queuedBytes === 0 && unreadBytesOf(this.#loop.sys, fd) === 0;
    const acknowledged = (unacknowledgedBytes ?? 0) === 0;
    if (silent && acknowledged) connection.close();
    // The deadline of the drain comes first.
    else if (!silent || last) connection.close({ lingerMs: DRAIN_MS + LINGER_MS });
  }

  #giveUp(): void {
    this.#deadline = null;
    const reason = `the client did not take its answer within ${DRAIN_MS} ms`;
    for (const connection of this.#open) {
      const { queuedBytes, unacknowledgedBytes } = connection;
      if (queuedBytes > 0 || (unacknowledgedBytes ?? 0) > 0) this.#fail(connection, reason);
      // An orderly end would pass for that of the whole answer.
      if (queuedBytes > 0) connection.reset();
      else connection.close();
    }
  }

  #endDrainIfDone(): void {
    if (this.listener.connections > 0) return;
    this.#deadline?.cancel();
    this.#deadline = null;
    this.#ackWait?.cancel();
    this.#stopped?.();
  }

  #acceptFailed(error: Error): void {
    if (error instanceof SysError) {
      if (acceptErrorKind(error.code) === 'final') {
        this.#failure = error;
        this.stop();
        return;
      }
      // The listener may fail again after each of its pauses.
      const { nowMs } = this.#loop;
      const isKnown = error.code === this.#reportedCode;
      if (isKnown && nowMs - this.#reportedMs < ACCEPT_REPORT_MS) return;
      this.#reportedMs = nowMs;
      this.#reportedCode = error.code;
    }
    this.#observer.acceptFailed?.(error);
  }

  #handlers(): ConnectionHandlers<Client | number> {
    return {
      open: (connection) => this.#opened(connection),
      data: this.#answers(),
      drain: (connection) => this.#drained(connection),
      end: (connection) => this.#ended(connection),
      close: (connection, error) => this.#closed(connection, error),
    };
  }

  #opened(connection: EchoConnection): void {
    const number = ++this.totals.connections;
    connection.data = number;
    if (!this.#watched) return;
    const { remoteAddress } = connection;
    this.#client(connection).address = remoteAddress;
    this.#observer.accepted?.(remoteAddress, number);
  }

  #answers(): (connection: EchoConnection, chunk: Uint8Array) => void {
    switch (this.#mode) {
      case 'echo':
        return (connection, chunk) => {
          if (!connection.write(chunk)) connection.pause();
        };
      case 'line':
        return (connection, chunk) => this.#answerLines(connection, chunk);
      case 'once':
        return (connection, chunk) => {
          if (this.#answerLine(connection, chunk) > 0) this.#closeBehindAnswer(connection);
        };
    }
  }

  /** Echoes the complete lines of `chunk` and keeps the beginning of the next one. */
  #answerLines(connection: EchoConnection, chunk: Uint8Array): void {
    const { data } = connection;
    const half = typeof data !== 'number' && data.pending !== null;
    const start = half ? this.#answerLine(connection, chunk) : 0;
    if (half && start === 0) return;
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start) {
      const good = this.#endOfGoodLines(connection, chunk, start, end);
      if (good > start && !connection.write(chunk, start, good - start)) connection.pause();
      if (good < end) {
        this.#refuse(connection);
        return;
      }
    }
    const rest = Math.max(start, end);
    if (rest < chunk.length) this.#keep(connection, chunk.subarray(rest));
  }

  /** Answers one line, its kept beginning included. Returns its end in `chunk`, 0 without one. */
  #answerLine(connection: EchoConnection, chunk: Uint8Array): number {
    const end = chunk.indexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#keep(connection, chunk);
      return 0;
    }
    const client = this.#client(connection);
    const { pending } = client;
    let line = chunk;
    let length = end;
    if (pending !== null) {
      pending.append(chunk.subarray(0, end));
      line = pending.takeRest();
      length = line.length;
      client.pending = null;
    }
    if (length > this.#lineBytesMax) {
      this.#refuse(connection);
      return 0;
    }
    client.lines += 1;
    if (!connection.write(line, 0, length)) connection.pause();
    return end;
  }

  /** The start of the first line that is too long, else `end`. Counts the lines before it. */
  #endOfGoodLines(
    connection: EchoConnection,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): number {
    if (!this.#watched && end - start <= this.#lineBytesMax) return end;
    const client = this.#client(connection);
    for (let at = start; at < end; ) {
      const next = chunk.indexOf(NEWLINE, at) + 1;
      if (next - at > this.#lineBytesMax) return at;
      client.lines += 1;
      at = next;
    }
    return end;
  }

  #keep(connection: EchoConnection, bytes: Uint8Array): void {
    const client = this.#client(connection);
    client.pending ??= new LineBuffer(this.#lineBytesMax);
    client.pending.append(bytes);
    if (client.pending.length > this.#lineBytesMax) this.#refuse(connection);
  }

  #refuse(connection: EchoConnection): void {
    this.#fail(connection, `a line is longer than ${this.#lineBytesMax} bytes`);
    connection.close({ lingerMs: LINGER_MS });
  }

  #fail(connection: EchoConnection, reason: string): void {
    const client = this.#client(connection);
    client.address ??= connection.remoteAddress;
    client.failure = new RangeError(reason);
  }

  /** Closes behind the answer to the only line; further input is discarded. */
  #closeBehindAnswer(connection: EchoConnection): void {
    this.#client(connection).answered = true;
    if (connection.queuedBytes === 0) connection.close({ lingerMs: LINGER_MS });
    else connection.pause();
  }

  #drained(connection: EchoConnection): void {
    const { data } = connection;
    const last = typeof data !== 'number' && data.answered;
    if (last) connection.close({ lingerMs: LINGER_MS });
    else connection.resume();
  }

  /** Answers a last line without a newline as it is. */
  #ended(connection: EchoConnection): void {
    const { data } = connection;
    if (typeof data !== 'number' && data.pending !== null) {
      connection.write(data.pending.takeRest());
      data.pending = null;
    }
    connection.end();
  }

  #closed(connection: EchoConnection, error: SysError | null): void {
    const { data } = connection;
    const client = typeof data === 'number' ? null : data;
    const failure = client?.failure ?? error;
    const { bytesReceived: receivedBytes, bytesSent: sentBytes } = connection;
    const unacknowledgedBytes = connection.unacknowledgedBytes ?? 0;
    this.totals.unacknowledgedBytes += unacknowledgedBytes;
    this.totals.receivedBytes += receivedBytes;
    this.totals.sentBytes += sentBytes;
    if (failure !== null) this.totals.failed += 1;
    this.#ends[endReasonOf(failure)] += 1;
    if (this.#watched || failure !== null) {
      const { connection: number, address, lines } = this.#client(connection);
      const facts = { connection: number, receivedBytes, sentBytes, lines, unacknowledgedBytes };
      this.#observer.closed?.(address ?? connection.remoteAddress, facts, failure);
    }
    if (this.#stopping) this.#endDrainIfDone();
    else if (this.#lastAccepted) this.#stopIfIdle();
  }

  #client(connection: EchoConnection): Client {
    const { data } = connection;
    if (typeof data !== 'number') return data;
    const client: Client = {
      connection: data,
      address: null,
      pending: null,
      lines: 0,
      answered: false,
      failure: null,
    };
    connection.data = client;
    return client;
  }
}
