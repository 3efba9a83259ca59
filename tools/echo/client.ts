import type { Socket } from 'sockloop/socket';
import { type Sys, SysError } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { ExpectedError } from '../terminal/exit.ts';
import { ExchangeDeadline } from './exchange-deadline.ts';
import { CHUNK_BYTES } from './limits.ts';
import type { EchoMode } from './session.ts';

/** The end of a reply: a number of bytes or lines, or the end of the stream. */
export type ReplyEnd =
  | { readonly bytes: number }
  | { readonly lines: number }
  | { readonly closed: true };

/** True if only the end of the stream completes the last line of the message. */
export function isUnfinished(message: Uint8Array): boolean {
  return message.at(-1) !== NEWLINE;
}

/** The end of the reply of a server in that mode. */
export function replyEndOf(mode: EchoMode, message: Uint8Array): ReplyEnd {
  if (mode === 'echo') return { bytes: message.length };
  if (mode === 'once' || isUnfinished(message)) return { closed: true };
  return { lines: message.reduce((lines, byte) => lines + (byte === NEWLINE ? 1 : 0), 0) };
}

/** The server closed the connection before or inside its reply. */
export class ReplyError extends ExpectedError {
  override readonly name = 'ReplyError';
}

/**
 * The client of an echo server over a blocking socket: a message out, its reply back. Input beyond
 * a reply is kept for the next one. The caller closes the socket.
 */
export class EchoClient {
  readonly #socket: Socket;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  readonly #deadline: ExchangeDeadline | null;
  /** The part of the chunk that belongs to no reply yet. */
  #from = 0;
  #to = 0;

  /** `limit` bounds each exchange from its first send(2) to its last byte. */
  constructor(socket: Socket, limit?: { readonly sys: Sys; readonly timeoutMs: number }) {
    this.#socket = socket;
    this.#deadline =
      limit === undefined ? null : new ExchangeDeadline(limit.sys, socket, limit.timeoutMs);
  }

  /**
   * Sends `message` and passes its reply to `sink` in pieces, each borrowed: valid until `sink`
   * returns. Returns the length of the reply.
   *
   * A long message is sent while its reply is received: a server that echoes as it reads stops
   * reading if its echo is not read. `finish` ends the stream behind the message. Throws a SysError
   * (`ETIMEDOUT` after the time limit), or a ReplyError if the server closes before the reply is
   * complete.
   */
  exchange(
    message: Uint8Array,
    end: ReplyEnd,
    sink: (piece: Uint8Array) => void,
    finish = false,
  ): number {
    const reply = new Reply(end, sink);
    const deadline = this.#deadline;
    if (deadline === null) return this.#exchange(message, reply, finish);
    deadline.begin();
    try {
      return this.#exchange(message, reply, finish);
    } catch (error) {
      throw deadline.explained(error);
    }
  }

  #exchange(message: Uint8Array, reply: Reply, finish: boolean): number {
    if (message.length <= CHUNK_BYTES) this.#sendShort(message);
    else this.#sendWhileReceiving(message, reply);
    if (finish) this.#socket.shutdown('write');
    this.#takeKept(reply);
    while (!reply.whole) {
      if (this.#receive(reply) === 0) {
        if (reply.endsWithStream && (reply.length > 0 || message.length === 0)) break;
        throw new ReplyError(`the server closed the connection ${reply.progress()}`);
      }
    }
    return reply.length;
  }

  #sendShort(message: Uint8Array): void {
    for (let sent = 0; sent < message.length; ) {
      if (sent > 0) this.#deadline?.keep();
      sent += this.#socket.send(message, sent);
    }
  }

  #sendWhileReceiving(message: Uint8Array, reply: Reply): void {
    const { POLLIN, POLLOUT, MSG_DONTWAIT } = this.#socket.constants;
    this.#takeKept(reply);
    let ended = reply.whole;
    for (let sent = 0; sent < message.length; ) {
      this.#deadline?.keep();
      const events = this.#socket.poll(ended ? POLLOUT : POLLIN | POLLOUT);
      if ((events & ~POLLOUT) !== 0 && !ended) ended = this.#receive(reply) === 0 || reply.whole;
      // A broken connection never has room: send(2) reports the error.
      if ((events & ~POLLIN) === 0) continue;
      const length = Math.min(CHUNK_BYTES, message.length - sent);
      sent += this.#sendNow(message, sent, length, MSG_DONTWAIT);
    }
  }

  #sendNow(message: Uint8Array, offset: number, length: number, flags: number): number {
    try {
      return this.#socket.send(message, offset, length, flags);
    } catch (error) {
      if (error instanceof SysError && error.code === 'EAGAIN') return 0;
      throw error;
    }
  }

  #receive(reply: Reply): number {
    this.#deadline?.keep();
    const length = this.#socket.recv(this.#chunk);
    this.#from = 0;
    this.#to = length;
    this.#takeKept(reply);
    return length;
  }

  #takeKept(reply: Reply): void {
    if (this.#from === this.#to) return;
    this.#from += reply.take(this.#chunk.subarray(this.#from, this.#to));
  }
}

/** A reply being received, and the rule for its end. */
class Reply {
  length = 0;
  readonly #end: ReplyEnd;
  readonly #sink: (piece: Uint8Array) => void;
  #lines = 0;

  constructor(end: ReplyEnd, sink: (piece: Uint8Array) => void) {
    this.#end = end;
    this.#sink = sink;
  }

  get endsWithStream(): boolean {
    return 'closed' in this.#end;
  }

  get whole(): boolean {
    if ('bytes' in this.#end) return this.length >= this.#end.bytes;
    return 'lines' in this.#end && this.#lines >= this.#end.lines;
  }

  /** Takes the reply's part from the front of `bytes` and returns its length. */
  take(bytes: Uint8Array): number {
    if (this.whole) return 0;
    const length = this.#lengthWithin(bytes);
    this.length += length;
    if (length > 0) this.#sink(bytes.subarray(0, length));
    return length;
  }

  #lengthWithin(bytes: Uint8Array): number {
    if ('bytes' in this.#end) return Math.min(bytes.length, this.#end.bytes - this.length);
    if ('closed' in this.#end) return bytes.length;
    let at = 0;
    while (this.#lines < this.#end.lines) {
      const newline = bytes.indexOf(NEWLINE, at);
      if (newline < 0) return bytes.length;
      this.#lines += 1;
      at = newline + 1;
    }
    return at;
  }

  progress(): string {
    if (this.length === 0) return 'without a reply';
    if ('bytes' in this.#end) return `after ${this.length} of ${this.#end.bytes} bytes`;
    return `after ${this.length} bytes, before the end of the line`;
  }
}
