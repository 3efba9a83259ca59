import type { Connection, ConnectionHandlers, EventLoop, Listener, Timer } from 'sockloop';
import type { Endpoint } from 'sockloop/socket';
import { type SocketAddress, SysError } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { unreadBytesOf } from '#src/sys/socket-queues.js';
import { newTotals, type ServerObserver, type ServerTotals } from './iterative-server.ts';
import { ACCEPT_REPORT_MS, ACK_MS, DRAIN_MS, LINE_BYTES_MAX, LINGER_MS } from './limits.ts';
import type { EchoMode } from './session.ts';

/** How an {@link EventServer} serves. */
interface EventServerOptions {
  readonly endpoint: Endpoint;
  readonly mode: EchoMode;
  readonly backlog?: number | undefined;
  /** More clients than this wait in the queue of listen(2). */
  readonly maxConnections?: number | undefined;
  /** A client that neither sends nor reads for so long is closed; null waits for ever. */
  readonly idleTimeoutMs?: number | null;
  /** The longest line in the modes `line` and `once`. */
  readonly lineBytesMax?: number;
  /** Hears of each connection, or only of those that failed. */
  readonly observer?: ServerObserver;
  readonly watched?: boolean;
}

/** What the server keeps of a connection that it reports on or that has half a line. */
interface Client {
  readonly connection: number;
  address: SocketAddress | null;
  /** Only while a line is incomplete: an idle client has no buffer. */
  pending: LineBuffer | null;
  lines: number;
  /** Whether its only line was answered, and it is closed behind the answer. */
  answered: boolean;
  failure: Error | null;
}

/** Most connections are a number, counted from 1, and no more. */
type EchoConnection = Connection<Client | number>;

/**
 * The echo server on an event loop: any number of clients, one thread, one wait.
 *
 * Backpressure is the client's own: while it does not read its echo, nothing more is read from it.
 */
export class EventServer {
  readonly totals: ServerTotals = newTotals();
  readonly listener: Listener<Client | number>;
  readonly #loop: EventLoop;
  readonly #mode: EchoMode;
  readonly #lineBytesMax: number;
  readonly #observer: ServerObserver;
  readonly #watched: boolean;
  #stopping = false;
  /** Runs while the last answers go out. */
  #deadline: Timer | null = null;
  /** Runs while acknowledgements of the last answers may be late. */
  #ackWait: Timer | null = null;
  /** What broke the listener. */
  #failure: Error | null = null;
  /** When a failed accept(2) was reported last. */
  #reportedMs = Number.NEGATIVE_INFINITY;

  /** Listens at once. Throws a SysError or ResolveError where that fails. */
  constructor(loop: EventLoop, options: EventServerOptions) {
    this.#loop = loop;
    this.#mode = options.mode;
    this.#lineBytesMax = options.lineBytesMax ?? LINE_BYTES_MAX;
    this.#observer = options.observer ?? {};
    this.#watched = options.watched ?? false;
    this.listener = loop.listen<Client | number>({
      ...options.endpoint,
      handlers: this.#handlers(),
      onError: (error) => this.#acceptFailed(error),
      // A client whose output waits is not read from until all of it has gone, and `drain` says so.
      // So the queue holds one answer at the most, and --max-line is what bounds it.
      queueBytesHigh: 0,
      queueBytesMax: Number.MAX_SAFE_INTEGER,
      ...(options.backlog === undefined ? {} : { backlog: options.backlog }),
      ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
      ...(options.idleTimeoutMs == null ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    });
  }

  /** Serves until {@link stop}. Throws where the listener is broken. */
  async run(): Promise<ServerTotals> {
    await this.#loop.run({ promises: false });
    this.totals.turnedAway = this.listener.stats.shed;
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  /**
   * Accepts no more and closes every connection: at once where nothing is under way, else once its
   * client has taken all and ended its side, within {@link DRAIN_MS}.
   */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.listener.close();
    for (const connection of [...this.listener]) {
      this.#hangUp(connection, false);
    }
    if (!this.#loop.alive) return;
    this.#ackWait = this.#loop.setTimer(ACK_MS, () => {
      for (const connection of [...this.listener]) {
        if (connection.isOpen) this.#hangUp(connection, true);
      }
    });
    this.#deadline = this.#loop.setTimer(DRAIN_MS, () => this.#giveUp());
    this.#endDrainIfDone();
  }

  /**
   * Closes a connection at once where that can destroy nothing, for the client has all answers and
   * has sent nothing new; else so that it gets them. What has only to be acknowledged is looked at
   * once more, unless this is the `last` look: a client that is idle need not end its side.
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
    for (const connection of [...this.listener]) {
      const { queuedBytes, unacknowledgedBytes } = connection;
      if (queuedBytes > 0 || (unacknowledgedBytes ?? 0) > 0) this.#fail(connection, reason);
      // An end would pass for that of the whole answer.
      if (queuedBytes > 0) connection.reset();
      else connection.close();
    }
  }

  #endDrainIfDone(): void {
    if (this.#deadline === null || this.listener.connections > 0) return;
    this.#deadline.cancel();
    this.#deadline = null;
    this.#ackWait?.cancel();
  }

  #acceptFailed(error: Error): void {
    if (error instanceof SysError) {
      if (acceptErrorKind(error.code) === 'final') {
        this.#failure = error;
        this.stop();
        return;
      }
      // It may happen again after every pause of the listener.
      const { nowMs } = this.#loop;
      if (nowMs - this.#reportedMs < ACCEPT_REPORT_MS) return;
      this.#reportedMs = nowMs;
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
    // Nobody can tell once it is reset, so it is asked for while the peer is there.
    const { remoteAddress } = connection;
    if (!this.#watched) return;
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

  /** Whole lines go back as they came; only the beginning of the next one is kept. */
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

  /** Answers one line, what was kept of it included. Returns its end in `chunk`, 0 if none did. */
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

  /** Where the first line that is too long begins, `end` if there is none. Counts those before. */
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

  /** Its only line is answered: whatever the client still sends is discarded. */
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

  /** What came without a newline at the end is answered as it is. */
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
    if (this.#watched || failure !== null) {
      const { connection: number, address, lines } = this.#client(connection);
      const facts = { connection: number, receivedBytes, sentBytes, lines, unacknowledgedBytes };
      this.#observer.closed?.(address ?? connection.remoteAddress, facts, failure);
    }
    if (this.#stopping) this.#endDrainIfDone();
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
