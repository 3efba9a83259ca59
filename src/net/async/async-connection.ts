import { type Bytes, bytesOf } from '../../base/bytes.ts';
import type { Loop } from '../../loop/loop.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { DISPOSAL_LINGER_MS } from '../limits.ts';
import type { CloseOptions, Connection, ConnectionHandlers } from '../stream/connection.ts';
import { type LineOptions, LineSource } from './lines.ts';
import { closedLoopError, type LoopSink, register, unregister } from './loop-end.ts';
import { PullIterator, type PullSource } from './pull-iterator.ts';
import { ReceivedChunks } from './received-chunks.ts';

/**
 * The handlers that give each connection its {@link AsyncConnection}, which is its `data`.
 * `queueBytesHigh` is the mark for {@link AsyncConnection.write}; that of the connection itself has
 * to be 0, so that it reports every queue that has become empty.
 */
export let asyncHandlers: (
  loop: Loop,
  queueBytesHigh: number,
  opened: (connection: AsyncConnection) => void,
) => ConnectionHandlers<AsyncConnection>;

/** A `write` or `end` that is not done. */
interface PendingSend {
  readonly attempt: string;
  resolve(): void;
  reject(error: Error): void;
}

const DONE: Promise<void> = Promise.resolve();

/**
 * A connection with promises instead of handlers: for `await` and `for await`.
 *
 * Iterating over a listener that has no handlers, `EventLoop.connectAsync`, and `EventLoop.adopt`
 * without handlers give one. Promises settle in the turns of the loop, which has to run. When it is
 * closed, iterators end, and what is under way rejects and says so.
 *
 * **Receiving.** The connection is iterated over once, by chunks or by {@link lines}; a second
 * iterator beside the first is an error. What the consumer does not take is held, up to 64 KiB or
 * 256 chunks; then the socket is paused, until half of that is taken. The iterator ends when the
 * peer has ended its side, and when this program has closed the connection. A connection that broke
 * (`ECONNRESET`, `ETIMEDOUT`) throws its SysError, behind what had been received. An iterator that
 * is left early, by `break` or an error, closes the connection as disposal does.
 *
 * **Sending.** A promise of {@link write} is the backpressure. The peer's end leaves this side
 * open: {@link end} or close it.
 *
 * **Disposal**, at the end of an `await using` block, delivers what was written, for at most five
 * seconds: see {@link close} with `lingerMs`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { type AsyncConnection, EventLoop } from 'sockloop';
 *
 * await using loop = new EventLoop();
 * const listener = loop.listen({ host: '127.0.0.1', port: 0 });
 *
 * async function greet(connection: AsyncConnection): Promise<void> {
 *   await using client = connection;
 *   for await (const name of client.lines({ bytesMax: 100 })) {
 *     await client.write(`hello ${name}\n`);
 *   }
 * }
 *
 * async function ask(names: string): Promise<string> {
 *   await using server = await loop.connectAsync({ host: '127.0.0.1', port: listener.port ?? 0 });
 *   await server.end(names);
 *   let answer = '';
 *   for await (const chunk of server) answer += new TextDecoder().decode(chunk);
 *   return answer;
 * }
 *
 * const running = loop.run();
 * const answer = ask('Ada\nGrace\n');
 * for await (const connection of listener) {
 *   await greet(connection);
 *   listener.close();
 * }
 * assert.equal(await answer, 'hello Ada\nhello Grace\n');
 * await running;
 * ```
 */
export class AsyncConnection implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /**
   * The connection itself: its options, counters and descriptor. Its `data` is this object, and its
   * `write` returns false whenever anything is queued.
   */
  readonly connection: Connection<AsyncConnection>;
  readonly #loop: Loop;
  readonly #queueBytesHigh: number;
  readonly #received: ReceivedChunks;
  readonly #sink: LoopSink = { place: -1, loopClosed: () => this.#loopClosed() };
  #iterator: PullIterator<unknown> | null = null;
  /** How many bytes were passed to the connection. */
  #written = 0;
  #pending: PendingSend[] = [];
  #ending: Promise<void> | null = null;
  #closed = false;
  /** What broke the connection. */
  #error: Error | null = null;
  readonly #toldOfClose: (() => void)[] = [];

  static {
    asyncHandlers = (loop, queueBytesHigh, opened) => ({
      open: (connection) => {
        connection.data = new AsyncConnection(loop, connection, queueBytesHigh);
        opened(connection.data);
      },
      data: ({ data }, chunk) => {
        data.#received.push(chunk);
        data.#iterator?.wake();
        data.#received.bound();
      },
      drain: ({ data }) => data.#drained(),
      end: ({ data }) => {
        data.#received.end(null);
        data.#iterator?.wake();
      },
      close: ({ data }, error) => data.#over(error),
    });
  }

  private constructor(loop: Loop, connection: Connection<AsyncConnection>, queueBytesHigh: number) {
    this.connection = connection;
    this.#loop = loop;
    this.#queueBytesHigh = queueBytesHigh;
    this.#received = new ReceivedChunks(connection);
    register(loop, this.#sink);
  }

  /** The peer's address: see {@link Connection.remoteAddress}. */
  get remoteAddress(): SocketAddress | null {
    return this.connection.remoteAddress;
  }

  /** The connection's own address: see {@link Connection.localAddress}. */
  get localAddress(): SocketAddress | null {
    return this.connection.localAddress;
  }

  /**
   * Iterates over what is received.
   *
   * @returns the chunks, each the caller's for ever, until the peer ends its side.
   * @throws Error while another iterator is at it.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array, undefined> {
    return this.#iterate(() => this.#received.take());
  }

  /**
   * Iterates over the lines that are received: UTF-8, without their newline or CR LF. The last one
   * may lack its newline. A longer line than `bytesMax` throws a RangeError and closes the
   * connection.
   *
   * @param options how long a line may be.
   * @returns the lines, until the peer ends its side.
   * @throws RangeError for a wrong `bytesMax`.
   * @throws Error while another iterator is at it.
   */
  lines(options: LineOptions = {}): AsyncIterableIterator<string, undefined> {
    const source = new LineSource(this.#received, options);
    return this.#iterate(() => source.take());
  }

  #iterate<Item>(take: PullSource<Item>['take']): PullIterator<Item> {
    if (this.#iterator !== null) {
      throw new Error('cannot iterate over the connection: another iterator is at it');
    }
    const over = (how: 'end' | 'left' | 'failed'): void => {
      this.#iterator = null;
      if (how !== 'end' && !this.#closed) void this.close({ lingerMs: DISPOSAL_LINGER_MS });
    };
    const iterator = new PullIterator({ take, over });
    this.#iterator = iterator;
    return iterator;
  }

  /**
   * Sends bytes, as {@link Connection.write} does.
   *
   * @param data a string, sent as UTF-8, or any view, whose memory is the caller's again when the
   *   call returns.
   * @returns a promise that resolves when it is time to write more: at once if no more than
   *   `queueBytesHigh` bytes are queued, else when the queue is empty. It rejects with the SysError
   *   if the connection breaks before that, with an Error if it is closed
   *   (`ERR_STREAM_DESTROYED`) or was ended (`ERR_STREAM_WRITE_AFTER_END`), and with what
   *   {@link Connection.write} throws.
   */
  write(data: Bytes): Promise<void> {
    try {
      const bytes = bytesOf(data);
      const taken = this.connection.write(bytes);
      if (!this.connection.isOpen) return Promise.reject(this.#overError('write'));
      this.#written += bytes.length;
      if (taken || this.connection.queuedBytes <= this.#queueBytesHigh) return DONE;
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#sent('write');
  }

  /**
   * Ends this side, behind what is queued: the peer sees the end and may still send.
   *
   * @param data bytes to write first.
   * @returns a promise that resolves when the kernel has taken everything. It rejects as that of
   *   {@link write}. A second call without `data` returns the same promise.
   */
  end(data?: Bytes): Promise<void> {
    if (this.#ending !== null && data === undefined) return this.#ending;
    const { connection } = this;
    try {
      const bytes = data === undefined ? new Uint8Array(0) : bytesOf(data);
      // After an end it throws.
      connection.write(bytes);
      if (!connection.isOpen) return Promise.reject(this.#overError('end'));
      this.#written += bytes.length;
      connection.end();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#ending = this.#isSent ? DONE : this.#sent('end');
    return this.#ending;
  }

  /** Whether the kernel has taken everything, as far as is known. */
  get #isSent(): boolean {
    return this.connection.queuedBytes === 0 && this.connection.bytesSent >= this.#written;
  }

  #sent(attempt: string): Promise<void> {
    return new Promise((resolve, reject) => this.#pending.push({ attempt, resolve, reject }));
  }

  /**
   * Closes the connection: see {@link Connection.close}. Iterators end; what was received and not
   * taken is dropped.
   *
   * @param options how long to linger: without it, what is queued is dropped.
   * @returns a promise that resolves when the descriptor is closed. It rejects only with a
   *   RangeError, for a `lingerMs` out of its range.
   */
  close(options?: CloseOptions): Promise<void> {
    if (this.#closed) return DONE;
    try {
      this.connection.close(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#left();
  }

  /** Drops the queue and closes at once with a reset: see {@link Connection.reset}. */
  reset(): void {
    if (this.#closed) return;
    this.connection.reset();
    void this.#left();
  }

  #left(): Promise<void> {
    this.#received.drop();
    this.#iterator?.wake();
    return new Promise((resolve) => this.#toldOfClose.push(resolve));
  }

  /**
   * Closes the connection, as {@link close} with a `lingerMs` of five seconds does, at the end of
   * an `await using` block: the peer gets what was written.
   *
   * @returns a promise that resolves when the descriptor is closed; at once if the loop does not
   *   run. It rejects with the SysError if the peer has not got everything.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const closed = this.close({ lingerMs: DISPOSAL_LINGER_MS });
    if (!this.#loop.running) return;
    await closed;
    const { bytesSent, unacknowledgedBytes } = this.connection;
    const isLost = bytesSent < this.#written || (unacknowledgedBytes ?? 0) > 0;
    if (this.#error !== null && isLost) throw this.#error;
  }

  #drained(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const { resolve } of pending) resolve();
  }

  /** The descriptor is closed. */
  #over(error: Error | null): void {
    unregister(this.#loop, this.#sink);
    this.#closed = true;
    this.#error = error;
    if (error === null && this.#isSent) this.#drained();
    this.#settle();
    this.#received.end(error);
    this.#iterator?.wake();
  }

  #loopClosed(): void {
    this.#closed = true;
    this.#settle();
    this.#received.drop();
    this.#iterator?.wake();
  }

  #settle(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const { attempt, reject } of pending) reject(this.#overError(attempt));
    for (const told of this.#toldOfClose.splice(0)) told();
  }

  /** Why nothing can be sent any more. */
  #overError(attempt: string): Error {
    if (this.#error !== null) return this.#error;
    if (this.#loop.closed) return closedLoopError(attempt);
    const error = new Error(`cannot ${attempt}: the connection is closed`);
    return Object.assign(error, { code: 'ERR_STREAM_DESTROYED' });
  }
}
