import { deliver, deliverCopy } from '../base/borrowed.ts';
import { checking, invariant } from '../base/invariants.ts';
import type { Stream, StreamSink } from './backend.ts';
import { BaseHandle, type HandleOwner } from './base-handle.ts';
import type { GatheredSends } from './gathered-sends.ts';
import { Outbox } from './outbox.ts';
import { resetOnClose } from './reset-on-close.ts';

/** What a stream asks of its backend. */
export interface StreamOwner extends HandleOwner {
  /** The flags of every send(2). */
  readonly sendFlags: number;
  readonly sends: GatheredSends;
  /** Submits the gathered sends, and handles short writes. */
  flushSends(): void;
}

/**
 * A connected socket: what all backends share. Sends are gathered and count as taken; after a short
 * write the rest goes to the outbox, ahead of what is sent later. Bytes that arrive while the
 * stream is paused are held.
 */
export abstract class BaseStream<Owner extends StreamOwner>
  extends BaseHandle<Owner>
  implements Stream
{
  // Fields used by every message come first, to share cache lines.
  protected readonly sink: StreamSink;
  /** The batch of its last send, whose outcome is unknown until the batch is confirmed. */
  #batch = -1;
  /** The offset in the receive memory and the length of that send. */
  #flightOffset = 0;
  #flightLength = 0;
  /** Allocated by the first send that has to wait: most connections need none. */
  protected outbox: Outbox | null = null;
  /** Bytes received while it was paused. */
  protected held: Outbox | null = null;
  /** Whether the end was received after them. */
  protected endHeld = false;
  protected peerEnded = false;
  /** The errno that ended it, 0 while it lives. */
  protected errno = 0;
  /** Whether `finish` was called, and whether the FIN was sent. */
  protected finishing = false;
  protected finished = false;
  /** Bytes passed to `send` that will never be sent. */
  #lost = 0;

  constructor(owner: Owner, fd: number, sink: StreamSink) {
    super(owner, fd);
    this.sink = sink;
  }

  /** Makes room for a send of `length` bytes, if that takes a call. */
  protected abstract makeRoom(length: number): void;
  /** Gathers send(2) of `length` bytes at `place`. False if there is no room. */
  protected abstract sendNow(place: number, length: number): boolean;
  /** Lengthens its send, if that is the last one gathered. */
  protected abstract lengthenSend(length: number): boolean;
  /** Sends after the send in flight, but not from behind its bytes. Returns as `send`. */
  protected abstract sendApart(bytes: Uint8Array, offset: number, length: number): number;
  /** There is more in the outbox. */
  protected abstract outboxFilled(): void;
  /** shutdown(2) of the sending side, behind all sends. */
  protected abstract sendFin(): void;
  /** The outcome of its last send may come later than this turn. */
  protected abstract undecided(): void;

  /** Whether the outcome of its last send is unknown. */
  get unsubmitted(): boolean {
    return this.#batch === this.owner.sends.batch;
  }

  get queuedBytes(): number {
    if (this.unsubmitted) this.#flushSends();
    return this.queuedBytesAtMost;
  }

  #flushSends(): void {
    this.owner.flushSends();
    if (this.unsubmitted) this.undecided();
  }

  get unsentBytes(): number {
    return this.queuedBytes + this.#lost;
  }

  get broken(): boolean {
    return this.errno !== 0;
  }

  get queuedBytesAtMost(): number {
    return (this.unsubmitted ? this.#flightLength : 0) + this.waitingBytes;
  }

  /** The bytes in the outbox. */
  protected get waitingBytes(): number {
    return this.outbox === null ? 0 : this.outbox.length;
  }

  /** A receive brought `chunk`, which is valid until the call returns. */
  protected deliverOrHold(chunk: Uint8Array): void {
    if (this.paused || this.held !== null) {
      this.held ??= new Outbox();
      this.held.append(chunk, 0, chunk.length);
    } else {
      deliver(this.sink, chunk);
    }
  }

  /** A receive brought the end. */
  protected endReceived(): void {
    this.endHeld = true;
    if (!this.paused && this.held === null) this.ended();
  }

  protected ended(): void {
    this.endHeld = false;
    this.peerEnded = true;
    this.sink.ended();
  }

  /** Delivers the next of what was held. True if there is nothing left that is to be. */
  protected deliverHeld(): boolean {
    if (this.paused || this.gone) return false;
    if (this.held !== null && this.held.length > 0) {
      const chunk = this.held.peek();
      this.held.consume(chunk.length);
      this.owner.reportLater(this);
      // A sink that copies leaves nobody with a view of what was held.
      if (this.sink.copies === true) deliver(this.sink, chunk);
      else deliverCopy(this.sink, chunk);
      return false;
    }
    this.held = null;
    if (!this.endHeld) return true;
    this.ended();
    return false;
  }

  send(bytes: Uint8Array, offset: number, length: number): number {
    if (this.finishing || this.gone) return 0;
    if (this.errno !== 0) return this.#lose(length);
    const { sends } = this.owner;
    if (this.#batch === sends.batch || this.outbox !== null) {
      return this.#sendBehind(bytes, offset, length);
    }
    this.makeRoom(length);
    const place = sends.place(bytes, offset, length);
    if (place >= 0 && this.sendNow(place, length)) {
      this.#batch = sends.batch;
      this.#flightOffset = place;
      this.#flightLength = length;
      return 0;
    }
    return this.#sendDirectly(bytes, offset, length);
  }

  #lose(length: number): number {
    this.#lost += length;
    return 0;
  }

  /** Sends after what is in flight: as part of the same send if possible. */
  #sendBehind(bytes: Uint8Array, offset: number, length: number): number {
    // A send from the outbox that is in flight has its bytes there still.
    if (this.waitingBytes > 0) return this.enqueue(bytes, offset, length);
    const { sends } = this.owner;
    if (this.#batch !== sends.batch) {
      this.outbox = null;
      return this.send(bytes, offset, length);
    }
    const place = sends.place(bytes, offset, length);
    const follows = place === this.#flightOffset + this.#flightLength;
    if (follows && this.lengthenSend(length)) {
      this.#flightLength += length;
      return 0;
    }
    return this.sendApart(bytes, offset, length);
  }

  /** Copies the bytes to the outbox. Returns how many are there now. */
  protected enqueue(bytes: Uint8Array, offset: number, length: number): number {
    this.outbox ??= new Outbox();
    this.outbox.append(bytes, offset, length);
    this.outboxFilled();
    this.sink.queued?.(this.outbox.length);
    return this.outbox.length;
  }

  /** Sends what is too long to copy by send(2), and queues what the kernel does not take. */
  #sendDirectly(bytes: Uint8Array, offset: number, length: number): number {
    const { sys, stats, sendFlags } = this.owner;
    const sent = sys.send(this.fd, bytes, offset, length, sendFlags);
    if (sent === length) return 0;
    if (sent >= 0) {
      stats.partialSends += 1;
      return this.enqueue(bytes, offset + sent, length - sent);
    }
    if (isTransient(sys.abi.errno, sent)) {
      if (sent === -sys.abi.errno.EINTR) stats.eintr += 1;
      else stats.eagain += 1;
      return this.enqueue(bytes, offset, length);
    }
    this.break(-sent);
    return this.#lose(length);
  }

  /** Its last send was short, `result` bytes: the rest goes ahead of what was queued since. */
  shortWrite(result: number): void {
    const { sys, stats, sends } = this.owner;
    const sent = Math.max(result, 0);
    const rest = sends.bytes(this.#flightOffset + sent, this.#flightLength - sent);
    this.#batch = -1;
    const fails = result < 0 && !isTransient(sys.abi.errno, result);
    if (this.gone || this.errno !== 0 || fails) {
      this.#lose(rest.length);
      if (fails && !this.gone) this.break(-result);
      return;
    }
    if (sent > 0) stats.partialSends += 1;
    else if (result === -sys.abi.errno.EINTR) stats.eintr += 1;
    else stats.eagain += 1;
    this.outbox ??= new Outbox();
    this.outbox.prepend(rest);
    this.outboxFilled();
    this.sink.queued?.(this.outbox.length);
  }

  finish(): void {
    if (this.finishing || this.errno !== 0 || this.gone) return;
    this.finishing = true;
    this.finishNow();
  }

  /** `finish` was called. */
  protected abstract finishNow(): void;

  /** The FIN could not be sent (`errno`, positive). */
  finFailed(errno: number): void {
    // ENOTCONN: the peer has reset the connection; the receive reports it.
    if (errno !== this.owner.sys.abi.errno.ENOTCONN) this.break(errno);
  }

  reset(): void {
    if (this.gone) return;
    resetOnClose(this.owner.sys, this.fd);
    this.owner.remove(this);
  }

  /** The stream has failed. It is reported in the next turn. */
  protected break(errno: number): void {
    if (this.errno !== 0 || this.gone) return;
    this.errno = errno;
    this.owner.reportLater(this);
  }

  fail(errno: number): void {
    if (!this.gone) this.break(errno);
  }

  /** Reports the error that ended it. */
  protected reportBroken(): void {
    this.owner.remove(this);
    this.sink.failed(this.errno);
  }

  /** Its sink looks at its own state. */
  check(): void {
    if (!this.gone) this.sink.check?.();
  }

  closed(): void {
    if (checking) invariant(this.gone, 'a stream is closed that was not removed');
    this.#lost = this.unsentBytes;
    this.outbox = null;
    this.held = null;
    this.sink.closed();
  }
}

/** Whether an error means that the operation is to be tried again. */
export function isTransient(known: Readonly<Record<string, number>>, result: number): boolean {
  return (
    result === -(known['EAGAIN'] ?? 0) ||
    result === -(known['EINTR'] ?? 0) ||
    result === -(known['ENOBUFS'] ?? 0) ||
    result === -(known['ECANCELED'] ?? 0)
  );
}
