import { requireObject, requireText } from '../../base/arguments.ts';
import type { SecureTransportKind } from './options.ts';
import { SocketError } from './socket-error.ts';
import { type SocketInfo, SocketStreams } from './socket-streams.ts';
import type { WritableChunk } from './socket-writable.ts';

/** Options of {@link Socket.startTls}. */
export interface StartTlsOptions {
  /**
   * The name that the certificate of the server has to have. Default: `sni`, or the hostname. Not
   * in the proposal; Cloudflare's.
   */
  readonly expectedServerHostname?: string;
}

/** The socket of `streams`. */
export let socketOf: (streams: SocketStreams) => Socket;

/**
 * A TCP connection, or one over a UNIX socket, as two streams: the Socket of the WinterTC proposal.
 *
 * {@link connect} returns one at once, before it is connected, and a {@link Listener} gives those
 * of its clients. Both streams can be used at once; what is written waits for the connection.
 *
 * - **Reading.** `readable` is a byte stream, for a reader with or without a view of its own. What
 *   is not read is held up to `highWaterMark` bytes; then the connection is paused. Cancelled, it
 *   drops what comes.
 * - **Writing.** `writable` takes views, ArrayBuffers and strings. A write is done when the kernel
 *   has taken its bytes. `close` of it ends this side, and the peer may still send. `abort` of it,
 *   and a chunk that cannot be written, reset the connection, so that the peer does not take a part
 *   for the whole.
 * - **The end.** The peer's end closes `readable`, and without `allowHalfOpen` `writable` as well.
 *   The socket closes by itself once both sides have ended, and within five seconds once `readable`
 *   is cancelled and `writable` closed.
 * - **Errors.** A connection that fails or breaks ends both streams, `closed` and a pending
 *   `opened` by the same {@link SocketError}; a reader gets what had been received before. A
 *   promise of these that nobody looks at is no unhandled rejection.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { connect, listen } from 'sockloop/web';
 *
 * await using listener = listen({ hostname: '127.0.0.1', port: 0 });
 * const socket = connect(`127.0.0.1:${listener.port}`);
 * const server = await listener.accept();
 * const echo = server.readable.pipeTo(server.writable);
 *
 * const writer = socket.writable.getWriter();
 * await writer.write('hello');
 * await writer.close();
 * let text = '';
 * for await (const part of socket.readable.pipeThrough(new TextDecoderStream())) text += part;
 * assert.equal(text, 'hello');
 * await Promise.all([echo, socket.closed, server.closed]);
 * ```
 */
export class Socket implements AsyncDisposable {
  readonly #streams: SocketStreams;
  #upgraded = false;

  static {
    socketOf = (streams) => new Socket(streams);
  }

  private constructor(streams: SocketStreams) {
    this.#streams = streams;
  }

  /** What the peer sends: a byte stream, whose chunks are the reader's own. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#streams.readable.stream;
  }

  /** What is sent to the peer: views, ArrayBuffers, and strings as UTF-8. */
  get writable(): WritableStream<WritableChunk> {
    return this.#streams.writable.stream;
  }

  /**
   * Resolves when the connection stands, with TLS when that does. Rejects with a
   * {@link SocketError} if it fails, and with the reason of {@link close}.
   */
  get opened(): Promise<SocketInfo> {
    return this.#streams.opened.promise;
  }

  /**
   * Resolves when the descriptor is closed, whoever has ended the connection. Rejects with a
   * {@link SocketError} if the connection failed or broke.
   */
  get closed(): Promise<void> {
    return this.#streams.closed.promise;
  }

  /** What was asked for; `on` for the socket of {@link startTls}. */
  get secureTransport(): SecureTransportKind {
    return this.#streams.settings.secureTransport;
  }

  /** Whether {@link startTls} has passed the connection on to another socket. */
  get upgraded(): boolean {
    return this.#upgraded;
  }

  /**
   * Closes the socket at once: `readable` ends, what was written and not taken by the kernel is
   * dropped. If there is such, the peer gets a reset. Close `writable` first to have it delivered.
   *
   * @param reason what `writable`, its writes and a pending {@link opened} are rejected with.
   *   Default: a {@link SocketError}.
   * @returns the promise {@link closed}.
   */
  close(reason?: unknown): Promise<void> {
    return this.#streams.close(reason);
  }

  /**
   * Goes on with TLS, as after STARTTLS: of a socket with `secureTransport: 'starttls'`, on either
   * side. What was written goes ahead, in plain; what was received and not read belongs to TLS.
   *
   * @param options whose certificate it has to be.
   * @returns a new socket, whose `opened` resolves when the handshake is done. The streams of this
   *   one are over, and its `closed` resolves.
   * @throws SocketError for a socket of another kind, one that was upgraded already, or is closed.
   */
  startTls(options: StartTlsOptions = {}): Socket {
    const streams = this.#streams;
    const { secureTransport } = streams.settings;
    if (secureTransport !== 'starttls') {
      throw new SocketError(
        `cannot start TLS: secureTransport is ${secureTransport}, not starttls`,
      );
    }
    if (this.#upgraded) throw new SocketError('cannot start TLS: it was started before');
    if (streams.isOver) throw new SocketError('cannot start TLS: the socket is closed');
    const heir = streamsOf(streams, options);
    this.#upgraded = true;
    streams.passOn(heir);
    return new Socket(heir);
  }

  /**
   * Ends the socket at the end of an `await using` block: it closes both streams, and delivers what
   * was written, for at most five seconds.
   *
   * @returns the promise {@link closed}.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#streams.dispose();
  }
}

/** The streams that are encrypted, in place of `streams`. */
function streamsOf(streams: SocketStreams, options: StartTlsOptions): SocketStreams {
  requireObject('options', options);
  const { settings } = streams;
  const { expectedServerHostname: servername } = options;
  if (servername !== undefined) requireText('expectedServerHostname', servername);
  const role = settings.tls;
  const named = role?.isServer === false && servername !== undefined;
  const tls = named ? { ...role, tls: { ...role.tls, servername } } : role;
  return new SocketStreams(streams.on, { ...settings, secureTransport: 'on', tls });
}
