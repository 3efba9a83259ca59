import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { copyOf } from '../../base/bytes.ts';
import type { Connection } from '../stream/connection.ts';
import { PIECE_BYTES } from './limits.ts';

/** Node's `JSStreamSocket`, which stands between a TLSSocket and a stream of JavaScript. */
interface StreamWrap {
  readonly stream: unknown;
  readonly _handle: object | null;
  finishWrite(handle: object, status: number): void;
}

/**
 * What node:tls sees of a connection.
 *
 * It takes any Duplex, and wraps it in its `JSStreamSocket`, which uses the methods and events
 * below and nothing else. A Duplex of node:stream would queue every record twice more.
 *
 * `JSStreamSocket` ends each write in an immediate, which is a round of Node's loop for every turn
 * of ours. Where {@link attach} finds it, writes end within the call that made them instead.
 */
export class TlsTransport extends EventEmitter {
  // What node:tls reads of a stream that it gets.
  readonly readable = true;
  readonly writable = true;
  readonly allowHalfOpen = true;
  readonly readableObjectMode = false;
  readonly readableLength = 0;
  /** How many bytes were written to the connection. */
  written = 0;
  /** False while bytes may be queued: the connection, whose mark is 0, reports when none are. */
  taken = true;
  /** node:tls has given the connection up. Its socket says why, a tick later. */
  isDestroyed = false;
  readonly #connection: Connection<unknown>;
  readonly #passedOn: () => void;
  #socket: TLSSocket | null = null;
  #wrap: StreamWrap | null = null;
  /** A section is under way, at whose end writes end. */
  #inSection = false;
  #isWriting = false;
  #ended = false;

  /** `passedOn` is called each time that node:tls has passed on bytes which it held. */
  constructor(connection: Connection<unknown>, passedOn: () => void) {
    super();
    this.#connection = connection;
    this.#passedOn = passedOn;
  }

  /**
   * node:tls has made `socket` of this. Where it is not built as that of Node.js 20 to 26 is,
   * writes end in immediates, and all else is the same.
   */
  attach(socket: TLSSocket): void {
    this.#socket = socket;
    const { _handle: handle } = socket as unknown as {
      readonly _handle: { readonly _parentWrap?: StreamWrap } | null;
    };
    const wrap = handle?._parentWrap;
    if (wrap?.stream === this && typeof wrap.finishWrite === 'function') this.#wrap = wrap;
  }

  /** What node:tls holds: nothing, unless it renegotiates or ends writes in immediates. */
  get heldBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  /** Has node:tls decrypt what was received. It copies the bytes. */
  receive(chunk: Uint8Array): void {
    this.#inSection = true;
    this.emit('data', chunk);
    this.#endSection();
  }

  /** Has node:tls encrypt bytes, which are the caller's again when the call returns. */
  encrypt(bytes: Uint8Array, offset: number, length: number): void {
    const socket = this.#socket;
    if (socket === null) throw new Error('unreachable: written before the handshake');
    const end = offset + length;
    for (let at = offset; at < end; at += PIECE_BYTES) {
      const next = Math.min(at + PIECE_BYTES, end);
      const piece = next - at === bytes.length ? bytes : bytes.subarray(at, next);
      this.#inSection = true;
      if (this.#wrap !== null && socket.writableLength === 0) socket.write(piece);
      else socket.write(copyOf(piece), this.#passedOn);
      this.#endSection();
    }
  }

  /** Has node:tls send close_notify, and ends this side of the connection behind it. */
  notifyEnd(): void {
    this.#inSection = true;
    this.#socket?.end();
    this.#endSection();
    // Otherwise node:tls ends it, behind what it holds.
    if (this.#wrap !== null && this.heldBytes === 0) this.#finish();
  }

  /** Ends the writes of a section, and those that follow from it. */
  #endSection(): void {
    const wrap = this.#wrap;
    while (this.#isWriting) {
      this.#isWriting = false;
      // It may write more.
      if (wrap?._handle) wrap.finishWrite(wrap._handle, 0);
    }
    this.#inSection = false;
  }

  /** The connection is closed: node:tls is to free what it holds. */
  closed(): void {
    this.#ended = true;
    this.emit('close');
  }

  // What JSStreamSocket calls.

  write(chunk: Uint8Array, done: (error?: Error | null) => void): boolean {
    if (!this.#ended && this.#connection.isOpen) {
      this.written += chunk.length;
      if (!this.#connection.write(chunk)) this.taken = false;
    }
    if (this.#wrap !== null && this.#inSection) this.#isWriting = true;
    else done();
    return true;
  }

  end(done?: () => void): void {
    this.#finish();
    done?.();
  }

  /** Ends this side of the connection, behind what was written. */
  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.end();
  }

  /** Reading is paused and resumed at the connection itself. */
  pause(): this {
    return this;
  }

  resume(): this {
    return this;
  }

  read(): null {
    return null;
  }

  cork(): void {
    // The connection gathers the writes of a turn.
  }

  uncork(): void {
    // See cork.
  }

  destroy(): this {
    this.isDestroyed = true;
    return this;
  }
}
