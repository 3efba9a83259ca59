import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Bytes, bytesOf, sendableLength } from '../../base/bytes.ts';
import type { Timer } from '../../loop/timers.ts';
import type { CloseOptions, Connection, ToDuplexOptions } from '../stream/connection.ts';
import { ConnectionDuplex, DuplexHandlers } from '../stream/connection-duplex.ts';
import { requireRoom, writeAfterEnd } from '../stream/connection-errors.ts';
import { checkedTimeout } from '../stream/connection-group.ts';
import { ALERT_LINGER_MS } from './limits.ts';
import type { TlsConnection, TlsConnectionHandlers } from './tls-connection.ts';
import { tlsError } from './tls-error.ts';
import { TlsFacts } from './tls-facts.ts';
import type { HandshakeSink, TlsGroup } from './tls-group.ts';
import { TlsTransport } from './tls-transport.ts';

/**
 * A connection, and node:tls between it and the handlers.
 *
 * node:tls decrypts within a call, `receive` of the transport. What comes of that (chunks, the end,
 * the end of the handshake) is kept until the call is over: a handler that throws, writes or closes
 * must not do so with OpenSSL on the stack.
 */
export class TlsStreamConnection<Data> extends TlsFacts implements TlsConnection<Data> {
  // Undefined until the program sets it; the type is that of the value to come.
  data: Data = undefined as Data;
  /** Its place in the list of its listener. */
  place = -1;
  readonly #group: TlsGroup<Data>;
  #handlers: TlsConnectionHandlers<Data>;
  #queueBytesHigh: number;
  readonly #transport: TlsTransport;
  readonly #sink: HandshakeSink<Data>;
  #timer: Timer | null = null;
  /** It is done, and `open` is to be called. */
  #isSecured = false;
  #handshakeError: Error | null = null;
  /** The connection below is closed, and the reason of node:tls is awaited. */
  #closedAhead = false;
  /** `open` was called. */
  #wasOpen = false;
  /** Decrypted and not delivered. */
  readonly #chunks: Uint8Array[] = [];
  #sessions: Uint8Array[] = [];
  /** close_notify has come. */
  #isNotified = false;
  /** `end` was called for it. */
  #peerEnded = false;
  #received = 0;
  #written = 0;
  /** This side has ended. */
  #ending = false;
  /** The program has ended it. */
  #ended = false;
  #paused = false;
  #drainOwed = false;
  /** No handler but `close` is called any more. */
  #closing = false;
  #error: Error | null = null;
  /** {@link settle} is under way, or will be. */
  #isSettling = false;

  constructor(group: TlsGroup<Data>, connection: Connection<unknown>, sink: HandshakeSink<Data>) {
    super(connection);
    this.#group = group;
    this.#handlers = group.handlers;
    this.#queueBytesHigh = group.queueBytesHigh;
    this.#sink = sink;
    this.#transport = new TlsTransport(connection, () => this.#passedOn());
  }

  /** Begins the handshake by `begin`, which hands the transport to node:tls. */
  begin(timeoutMs: number, begin: (transport: TlsTransport) => void): void {
    this.#timer = this.#group.loop.setTimer(timeoutMs, () => {
      // Timers run before deliveries: the last flight may be waiting in the socket.
      this.#group.loop.defer(() => {
        if (!this.isHandshaking || this.#isSecured) return;
        const reason = `not done within ${timeoutMs} ms`;
        this.#handshakeFailed(this.failure('ERR_TLS_HANDSHAKE_TIMEOUT', reason));
        this.connection.reset();
      });
    });
    begin(this.#transport);
  }

  /** node:tls has made `socket` of the transport. It may be known only once it is secure. */
  attach(socket: TLSSocket): void {
    this.socket = socket;
    this.#transport.attach(socket);
    socket.on('error', (error) => this.broken(error));
    socket.on('close', () => this.broken(null));
    if (this.#handlers.session !== undefined) {
      socket.on('session', (session) => {
        this.#sessions.push(session);
        this.#settleSoon();
      });
    }
  }

  /** node:tls has finished the handshake. */
  secured(socket: TLSSocket): void {
    if (this.#closing) return;
    if (this.socket === null) this.attach(socket);
    this.#isSecured = true;
    // What was decrypted before waits in the stream; what comes goes past it.
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) this.#chunks.push(chunk);
    socket.push = (chunk: Uint8Array | null) => this.#decrypted(chunk);
    this.#settleSoon();
  }

  /** node:tls has given up, for `error`, or without one. */
  broken(error: unknown): void {
    if (this.#closing) return;
    const failure =
      error === null
        ? this.failure('ECONNRESET', 'node:tls has closed it')
        : tlsError(this.attempt, this.remoteAddress, error);
    if (this.isHandshaking) this.#handshakeError ??= failure;
    else this.#error ??= failure;
    this.#settleSoon();
  }

  /** Gives the handshake up. The peer gets the alert that node:tls has written. */
  #handshakeFailed(error: Error): void {
    this.isHandshaking = false;
    this.#leave();
    this.connection.close({ lingerMs: ALERT_LINGER_MS });
    this.#sink.failed(error, this);
  }

  /** Gives the handshake up, without a word. */
  cancel(): void {
    this.isHandshaking = false;
    this.abandon();
    if (this.#closedAhead) this.#settleSoon();
  }

  receive(chunk: Uint8Array): void {
    if (this.#closing || this.#isNotified) return;
    this.#isSettling = true;
    this.#transport.receive(chunk);
    this.#settle();
  }

  /** The peer has ended its side of the connection below. */
  transportEnded(): void {
    // A failure of node:tls closes the connection.
    if (this.#closing || this.#error !== null) return;
    if (this.isHandshaking) {
      this.#failUnlessTold(this.hangup('ended by the peer'));
    } else if (!this.#isNotified) {
      const reason = 'the peer ended without close_notify: something may be missing';
      this.#error = this.failure('ERR_SSL_UNEXPECTED_EOF_WHILE_READING', reason);
      this.#leave();
      this.connection.close();
    }
  }

  transportDrained(): void {
    if (this.#closing) return;
    this.#transport.taken = true;
    this.#drainIfEmpty();
  }

  /** The handshake has failed with `error`, unless node:tls says why: it does so in a tick. */
  #failUnlessTold(error: Error): void {
    process.nextTick(() => {
      if (this.#transport.isDestroyed && this.#handshakeError === null) return;
      this.#handshakeError ??= error;
      this.#settleSoon();
    });
  }

  transportClosed(error: Error | null): void {
    if (this.isHandshaking) {
      this.#group.loop.holdNodeLoop();
      this.#closedAhead = true;
      this.#failUnlessTold(error ?? this.hangup('closed'));
      return;
    }
    this.#leave();
    this.#transport.closed();
    this.socket?.destroy();
    this.#error ??= error;
    this.#sink.closed(this);
    if (this.#wasOpen) this.#call(() => this.#handlers.close?.(this, this.#error));
  }

  #decrypted(chunk: Uint8Array | null): boolean {
    if (chunk === null) this.#isNotified = true;
    else if (chunk.length > 0) this.#chunks.push(chunk);
    if (!this.#isSettling) this.#settleSoon();
    return true;
  }

  /** Calls of node:tls that come from Node's own loop are followed by a turn of ours. */
  #settleSoon(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#group.loop.defer(() => this.#settle());
  }

  /** Calls the handlers for what has come up. */
  #settle(): void {
    this.#isSettling = false;
    if (this.isHandshaking) this.#settleHandshake();
    if (this.#closedAhead && !this.isHandshaking) {
      this.#closedAhead = false;
      this.#group.loop.releaseNodeLoop();
      this.transportClosed(null);
    }
    if (this.isHandshaking || this.#closing) return;
    if (this.#sessions.length > 0) this.#deliverSessions();
    if (this.#chunks.length > 0) this.#deliver();
    if (this.#closing || this.#paused) return;
    if (this.#isNotified && !this.#peerEnded) this.#deliverEnd();
    if (this.#error !== null && !this.#closing) {
      this.#leave();
      this.connection.close({ lingerMs: ALERT_LINGER_MS });
    }
  }

  #settleHandshake(): void {
    if (this.#handshakeError !== null) {
      this.#handshakeFailed(this.#handshakeError);
    } else if (this.#isSecured) {
      this.isHandshaking = false;
      this.#wasOpen = true;
      this.#timer?.cancel();
      this.#timer = null;
      this.#sink.secured(this);
      this.#call(() => this.#handlers.open?.(this));
    }
  }

  #deliverSessions(): void {
    const sessions = this.#sessions;
    this.#sessions = [];
    for (const session of sessions) {
      if (!this.#closing) this.#call(() => this.#handlers.session?.(this, session));
    }
  }

  #deliver(): void {
    const chunks = this.#chunks;
    let index = 0;
    try {
      for (; index < chunks.length && !this.#paused && !this.#closing; index += 1) {
        const chunk = chunks[index] as Uint8Array;
        this.#received += chunk.length;
        this.#group.returned(this.#handlers.data?.(this, chunk), this);
      }
    } catch (error) {
      this.#group.failed(error, this);
    } finally {
      if (index >= chunks.length) chunks.length = 0;
      else chunks.splice(0, index);
    }
  }

  #deliverEnd(): void {
    this.#peerEnded = true;
    if (this.#handlers.end === undefined) this.#finish();
    else this.#call(() => this.#handlers.end?.(this));
  }

  #call(handler: () => unknown): void {
    try {
      this.#group.returned(handler(), this);
    } catch (error) {
      this.#group.failed(error, this);
    }
  }

  write(data: Bytes, offset = 0, byteLength?: number): boolean {
    const bytes = data instanceof Uint8Array ? data : bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'write');
    if (this.#ended) throw writeAfterEnd();
    if (this.#ending || !this.isOpen) return false;
    this.#refuseIfTooLong(length);
    const transport = this.#transport;
    if (length > 0) transport.encrypt(bytes, offset, length);
    this.#written += length;
    if (transport.taken && transport.heldBytes === 0) return true;
    return this.queuedBytes <= this.#queueBytesHigh;
  }

  /** node:tls has passed on what it held. */
  #passedOn(): void {
    if (!this.#drainOwed || this.#closing || this.#transport.heldBytes > 0) return;
    this.#group.loop.defer(() => {
      if (!this.#closing) this.#drainIfEmpty();
    });
  }

  #drainIfEmpty(): void {
    if (!this.#drainOwed || this.queuedBytes > 0) return;
    this.#drainOwed = false;
    this.#call(() => this.#handlers.drain?.(this));
  }

  #refuseIfTooLong(length: number): void {
    const { queueBytesMax } = this.#group;
    if (length <= queueBytesMax && this.#transport.taken && this.#transport.heldBytes === 0) return;
    requireRoom(this.queuedBytes + length, queueBytesMax);
  }

  end(data?: Bytes): void {
    if (this.#ended) return;
    if (data !== undefined) this.write(data);
    this.#ended = true;
    this.#finish();
  }

  /** Sends close_notify and then FIN. */
  #finish(): void {
    if (this.#ending || !this.isOpen) return;
    this.#ending = true;
    this.#transport.notifyEnd();
  }

  pause(): void {
    if (this.#closing) return;
    this.#paused = true;
    this.connection.pause();
  }

  resume(): void {
    if (this.#closing) return;
    this.#paused = false;
    this.connection.resume();
    if (this.#chunks.length > 0 || this.#isNotified || this.#error !== null) this.#settleSoon();
  }

  close(options?: CloseOptions): void {
    const lingerMs = options?.lingerMs ?? 0;
    if (lingerMs !== 0) checkedTimeout(lingerMs, 'the time of a lingering close');
    if (!this.#closing) {
      if (lingerMs > 0 || this.queuedBytes === 0) this.#finish();
      this.#leave();
    }
    if (lingerMs > 0) this.connection.close({ lingerMs });
    else this.connection.close();
  }

  /** Closes it without close_notify: what its peer got is not all. */
  abandon(): void {
    this.#leave();
    this.connection.close();
  }

  reset(): void {
    this.#leave();
    this.connection.reset();
  }

  #leave(): void {
    this.#closing = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#chunks.length = 0;
  }

  toDuplex(options: ToDuplexOptions = {}): Duplex {
    const isStream = this.#handlers instanceof DuplexHandlers;
    if (isStream || this.#ended || !this.isOpen) {
      throw new Error(
        `cannot make a stream of the connection: ${isStream ? 'it is one' : 'it is over'}`,
      );
    }
    const sides = { readable: !this.#peerEnded, writable: !this.#ending };
    const duplex = new ConnectionDuplex(this.#group.loop, this, options, sides);
    this.#handlers = new DuplexHandlers<Data>(duplex);
    // It waits for an empty queue.
    this.#queueBytesHigh = 0;
    return duplex;
  }

  // What it tells.

  get bytesReceived(): number {
    return this.#received;
  }

  get bytesSent(): number {
    const unsent = this.#transport.written - this.connection.bytesSent + this.#transport.heldBytes;
    return Math.max(0, this.#written - Math.max(0, unsent));
  }

  get queuedBytes(): number {
    if (this.#closing) return 0;
    const queued = this.connection.queuedBytes + this.#transport.heldBytes;
    // Who sees it waits for `drain`.
    if (queued > this.#queueBytesHigh) this.#drainOwed = true;
    return queued;
  }

  get isOpen(): boolean {
    return !this.#closing && !this.isHandshaking && this.connection.isOpen;
  }
}
