import type { Timer } from '../../loop/timers.ts';
import type { LoopSink } from '../../net/async/loop-end.ts';
import { closedLoopError, register, unregister } from '../../net/async/loop-end.ts';
import { type EventLoop, loopOf } from '../../net/event-loop.ts';
import { DISPOSAL_LINGER_MS } from '../../net/limits.ts';
import type { Connection, ConnectionHandlers } from '../../net/stream/connection.ts';
import { startTls } from '../../net/tls/start-tls.ts';
import { addressText } from './addresses.ts';
import { KeptPromise } from './kept-promise.ts';
import type { CheckedSettings } from './options.ts';
import { ReadableSide } from './readable-side.ts';
import { SocketError, socketError } from './socket-error.ts';
import { WritableSide } from './writable-side.ts';

/** What is known of a socket that is connected. */
export interface SocketInfo {
  /** The peer: `127.0.0.1:80`, `[::1]:80`, the path of a UNIX socket; null if it has no name. */
  readonly remoteAddress: string | null;
  /** This end of the connection. */
  readonly localAddress: string | null;
  /** The protocol that both agree on (ALPN); null if there is none. */
  readonly alpn: string | null;
}

/** What a socket needs of the loop that it runs on. */
export interface SocketLoop {
  readonly loop: EventLoop;
  /** One more socket is open. */
  hold(): void;
  /** One fewer. */
  release(): void;
}

/** A connection, or one to come, and the two streams and promises that are made of it. */
export class SocketStreams {
  readonly opened = new KeptPromise<SocketInfo>();
  readonly closed = new KeptPromise<void>();
  readonly readable: ReadableSide;
  readonly writable: WritableSide;
  readonly settings: CheckedSettings;
  readonly on: SocketLoop;
  readonly #sink: LoopSink = {
    place: -1,
    loopClosed: () => this.#over(closedLoopError('keep the socket')),
  };
  #connection: Connection<SocketStreams> | null = null;
  /** The socket that goes on with the connection. */
  #heir: SocketStreams | null = null;
  /** Ends what is done before the connection stands. */
  #cancel: (() => void) | null = null;
  /** Ends what goes on too long. */
  #timer: Timer | null = null;
  #isDisposed = false;
  #isClosing = false;
  #isOver = false;
  /** The reader wants no more. */
  #isCancelled = false;
  /** The writer has ended. */
  #isFinished = false;

  constructor(on: SocketLoop, settings: CheckedSettings) {
    this.on = on;
    this.settings = settings;
    this.readable = new ReadableSide(settings.highWaterMark, {
      cancelled: () => this.#cancelled(),
      ended: () => this.#readerEnded(),
    });
    this.writable = new WritableSide(settings.highWaterMark, {
      finished: () => this.#finished(),
      aborted: (reason) => this.#aborted(reason),
    });
    on.hold();
    register(loopOf(on.loop), this.#sink);
  }

  /** Whether the socket was closed, by either side. */
  get isOver(): boolean {
    return this.#isOver || this.#isClosing;
  }

  /** The connection, null until it stands. */
  get connection(): Connection<SocketStreams> | null {
    return this.#connection;
  }

  /** `cancel` ends what is under way until {@link stands} or {@link failed}. */
  begins(cancel: () => void): void {
    this.#cancel = cancel;
  }

  /** There is a connection, which is encrypted first if that was asked for. */
  connected(connection: Connection<SocketStreams>): void {
    if (this.settings.secureTransport === 'on') this.secure(connection, null);
    else this.stands(connection);
  }

  /** The connection is established. */
  stands(connection: Connection<SocketStreams>, alpn: string | null = null): void {
    connection.data = this;
    this.#cancel = null;
    this.#connection = connection;
    this.readable.opened(connection);
    this.writable.opened(connection);
    this.opened.resolve({
      remoteAddress: addressText(connection.remoteAddress),
      localAddress: addressText(connection.localAddress),
      alpn,
    });
  }

  /** There will be no connection. */
  failed(error: unknown): void {
    this.#over(error);
  }

  received(chunk: Uint8Array): void {
    this.readable.deliver(chunk);
  }

  drained(): void {
    this.writable.drained();
  }

  peerEnded(): void {
    this.readable.ended(null);
    if (this.#isCancelled) this.#readerEnded();
  }

  /** The descriptor is closed. */
  descriptorClosed(error: Error | null): void {
    this.#over(error);
  }

  /** Closes the socket: see {@link Socket.close}. */
  close(reason: unknown): Promise<void> {
    if (this.isOver) return this.closed.promise;
    const why = reason ?? new SocketError('the socket was closed');
    this.readable.close();
    // The peer would take a part for the whole.
    const isCut = this.writable.isBusy;
    this.writable.fail(why);
    this.#leave(why, isCut);
    return this.closed.promise;
  }

  /** Ends both sides and lets the peer have what was written. */
  dispose(): Promise<void> {
    if (this.isOver) return this.closed.promise;
    if (this.#isDisposed) return this.closed.promise;
    // Nothing was written to a connection that is yet to come.
    if (this.#connection === null && !this.writable.isBusy) return this.close(undefined);
    this.#isDisposed = true;
    this.#setTimer(DISPOSAL_LINGER_MS, () => void this.close(undefined));
    this.readable.close();
    this.#cancelled();
    if (!this.writable.finish()) this.writable.cut(new SocketError('the socket was closed'));
    return this.closed.promise;
  }

  /** Has `heir` go on with the connection, behind what was written, by TLS. */
  passOn(heir: SocketStreams): void {
    this.#heir = heir;
    this.opened.promise.then(
      () => this.writable.leave(new SocketError(UPGRADED), () => this.#handOver(heir)),
      () => undefined,
    );
  }

  #handOver(heir: SocketStreams): void {
    const connection = this.#connection;
    if (this.isOver || connection === null) return;
    if (heir.isOver) {
      void this.close(undefined);
      return;
    }
    const head = Buffer.concat(this.readable.takeAll());
    this.writable.fail(new SocketError(UPGRADED));
    this.#heir = null;
    this.#forget();
    this.closed.resolve();
    heir.secure(connection, head);
  }

  /** Begins TLS on `connection`, of which `head` has come already. */
  secure(connection: Connection<SocketStreams>, head: Uint8Array | null): void {
    const { tls } = this.settings;
    if (tls === null) return;
    // Until it is done, the connection is that of TLS.
    this.#cancel = () => connection.close();
    try {
      startTls<SocketStreams>(connection as Connection<unknown> as Connection<never>, {
        ...tls,
        ...QUEUE,
        ...(head === null || head.length === 0 ? {} : { head }),
        handlers: { ...socketHandlers, open: (own) => this.stands(own, own.alpnProtocol) },
        onError: (error) => this.failed(error),
      });
    } catch (error) {
      connection.close();
      this.failed(error);
    }
  }

  #cancelled(): void {
    this.#isCancelled = true;
    // What comes is discarded, so that the peer's end is seen.
    if (this.#connection?.isOpen === true) this.#connection.resume();
    this.#letGo();
  }

  /** The writable stream ends with the readable one, unless the socket may be half-open. */
  #readerEnded(): void {
    if (this.settings.allowHalfOpen || this.isOver || this.#isDisposed) return;
    // In the next turn: the reader of the last bytes may answer them.
    this.#setTimer(0, () => this.#endWriter());
  }

  #endWriter(): void {
    // A pipe closes the stream when its source ends, and is cut if nothing comes.
    if (!this.writable.finish()) this.#setTimer(DISPOSAL_LINGER_MS, () => this.#cutPipe());
  }

  #cutPipe(): void {
    if (this.writable.isBusy) this.#setTimer(DISPOSAL_LINGER_MS, () => this.#cutPipe());
    else this.writable.cut(new SocketError('the peer has ended the connection', PEER_ENDED));
  }

  /** Sets the one timer of the socket. */
  #setTimer(delayMs: number, callback: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.on.loop.setTimer(delayMs, callback);
  }

  #finished(): void {
    this.#isFinished = true;
    this.#letGo();
  }

  #aborted(reason: unknown): void {
    if (this.isOver) return;
    this.readable.fail(reason ?? new SocketError('the socket was aborted'));
    this.#leave(reason ?? new SocketError('the socket was aborted'), true);
  }

  /** Nobody can reach a socket without a reader and a writer any more. */
  #letGo(): void {
    if (!this.#isCancelled || !this.#isFinished || this.isOver) return;
    this.#connection?.close({ lingerMs: DISPOSAL_LINGER_MS });
  }

  /** Closes the descriptor, or cancels the attempt to have one. */
  #leave(reason: unknown, byReset: boolean): void {
    this.#isClosing = true;
    this.opened.reject(reason);
    const connection = this.#connection;
    if (connection === null) {
      this.#cancel?.();
      this.#over(null);
    } else if (byReset || connection.queuedBytes > 0) {
      connection.reset();
    } else {
      connection.close();
    }
  }

  #over(cause: unknown): void {
    if (this.#isOver) return;
    this.#forget();
    this.#heir?.failed(cause ?? new SocketError('the socket was closed before TLS'));
    if (cause === null) {
      this.readable.ended(null);
      this.writable.fail(new SocketError('the socket is closed'));
      this.closed.resolve();
      return;
    }
    const error = socketError(cause);
    this.readable.ended(error);
    this.writable.fail(error);
    this.opened.reject(error);
    this.closed.reject(error);
  }

  #forget(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    unregister(loopOf(this.on.loop), this.#sink);
    this.on.release();
  }
}

const QUEUE = { queueBytesHigh: 0, queueBytesMax: Number.MAX_SAFE_INTEGER };

const UPGRADED = 'another socket has the connection: startTls() has returned it';

const PEER_ENDED = { code: 'EPIPE' };

/** What the connections of all sockets share; their `data` are their streams. */
export const socketHandlers: ConnectionHandlers<SocketStreams> = {
  data: ({ data }, chunk) => data.received(chunk),
  drain: ({ data }) => data.drained(),
  end: ({ data }) => data.peerEnded(),
  close: ({ data }, error) => data.descriptorClosed(error),
};

/** The settings of these connections: the streams copy what they keep, and write one by one. */
export const connectionSettings = { chunks: 'borrowed', ...QUEUE } as const;
