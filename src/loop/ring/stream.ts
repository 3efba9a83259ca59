import { deliver, deliverCopy } from '../../base/borrowed.ts';
import type { Stream, StreamSink } from '../backend.ts';
import { MULTISHOT_BYTES_MAX } from '../limits.ts';
import { Outbox } from '../outbox.ts';
import { resetOnClose } from '../reset-on-close.ts';
import { Operation, RingHandle, type RingHandleOwner } from './handle.ts';

/** A connected socket on the ring. */
export class RingStream extends RingHandle implements Stream {
  // Fields used by every message come first, to share cache lines.
  readonly #sink: StreamSink;
  /** The batch of its last send, whose outcome is unknown until the batch is confirmed. */
  #batch = -1;
  /** The offset in the region and the length of that send. */
  #flightOffset = 0;
  #flightLength = 0;
  /** Whether a receive is in flight, and whether it is being cancelled. */
  #receiving = false;
  #cancelling = false;
  /**
   * Whether receives are multishot: only while they are small. Without a limit, which Linux has
   * from 6.17 on, one may bring up to 32 buffers in a turn: 2 MiB to hold for a client that does
   * not read. So the first receive is single-shot there.
   */
  #multishot: boolean;
  /** Whether a send from the outbox is in flight. */
  #sending = false;
  /** Allocated by the first send that has to wait: most connections need none. */
  #outbox: Outbox | null = null;
  /** Bytes received while it was paused. */
  #held: Outbox | null = null;
  /** Whether the end was received after them. */
  #endHeld = false;
  #peerEnded = false;
  /** The errno that ended it, 0 while it lives. */
  #errno = 0;
  /** Whether `finish` was called, and whether the FIN was sent. */
  #finishing = false;
  #finished = false;
  /** True if `queuedBytes` was read before this batch's outcome was known. */
  #undecided = false;
  /** Bytes passed to `send` that will never be sent. */
  #lost = 0;

  constructor(owner: RingHandleOwner, fd: number, sink: StreamSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#multishot = owner.submission.limitsReceives;
  }

  get queuedBytes(): number {
    if (this.#batch === this.owner.sends.batch) this.#flushSends();
    return this.queuedBytesAtMost;
  }

  /** The kernel may hold the outcome back, or not have taken the send yet: law 12. */
  #flushSends(): void {
    this.owner.flushSends();
    if (this.#batch !== this.owner.sends.batch) return;
    this.#undecided = true;
    this.owner.markDirty(this);
  }

  get unsentBytes(): number {
    return this.queuedBytes + this.#lost;
  }

  get broken(): boolean {
    return this.#errno !== 0;
  }

  get queuedBytesAtMost(): number {
    const inFlight = this.#batch === this.owner.sends.batch ? this.#flightLength : 0;
    return inFlight + (this.#outbox === null ? 0 : this.#outbox.length);
  }

  get inFlight(): boolean {
    return this.#receiving || this.#sending;
  }

  override get unsubmitted(): boolean {
    return this.#batch === this.owner.sends.batch;
  }

  prepare(): void {
    if (this.gone) {
      this.#cancelAll();
      return;
    }
    if (this.#errno !== 0) return;
    if (this.#wantsReceive() && !this.#receiving) this.#startReceive();
    if (this.paused && this.#held !== null && this.#receiving) this.#cancelReceive();
    if (this.#batch === this.owner.sends.batch) {
      this.owner.markDirty(this); // Once the batch is confirmed.
    } else if (!this.#sending && this.#outbox !== null && this.#outbox.length > 0) {
      this.#startSend(this.#outbox);
    } else if (!this.#sending) {
      if (this.#finishing) this.#sendFin();
      if (this.#undecided) this.owner.reportLater(this);
    }
  }

  #wantsReceive(): boolean {
    return !this.paused && !this.#peerEnded && !this.#endHeld && this.#held === null;
  }

  #startReceive(): void {
    const { submission } = this.owner;
    this.#receiving = submission.receive(this.fd, this.token, Operation.receive, this.#multishot);
    if (!this.#receiving) this.owner.markDirty(this);
  }

  #cancelReceive(): void {
    if (this.#cancelling) return;
    const { submission } = this.owner;
    this.#cancelling = submission.cancel(this.token, Operation.receive, Operation.none);
    if (!this.#cancelling) this.owner.markDirty(this);
  }

  #startSend(outbox: Outbox): void {
    const { submission, sys } = this.owner;
    const bytes = outbox.peek();
    const address = sys.address(bytes);
    this.#sending = submission.send(this.fd, address, bytes.length, this.token, Operation.send);
    if (!this.#sending) this.owner.markDirty(this);
  }

  #cancelAll(): void {
    if (this.#receiving) this.#cancelReceive();
    if (!this.#sending) return;
    const { submission } = this.owner;
    const cancelled = submission.cancel(this.token, Operation.send, Operation.none);
    if (!cancelled) this.owner.markDirty(this);
  }

  /** A receive brought `chunk`, which is valid until the call returns. */
  received(chunk: Uint8Array, more: boolean): void {
    if (!more) {
      this.#receiving = false;
      this.#cancelling = false;
      this.owner.markDirty(this);
    }
    if (chunk.length > MULTISHOT_BYTES_MAX) this.#useSingleShot(more);
    else if (!more) this.#multishot = true;
    if (this.gone) {
      this.#letGo();
    } else if (this.paused || this.#held !== null) {
      this.#held ??= new Outbox();
      this.#held.append(chunk, 0, chunk.length);
      this.owner.markDirty(this);
    } else {
      deliver(this.#sink, chunk);
    }
  }

  #useSingleShot(more: boolean): void {
    if (!this.#multishot) return;
    this.#multishot = false;
    if (more) this.#cancelReceive();
  }

  completed(operation: Operation, result: number): void {
    if (operation === Operation.receive) this.#receiveEnded(result);
    else this.#sent(result);
  }

  /** A receive ended without bytes. */
  #receiveEnded(result: number): void {
    const { errno } = this.owner.sys.abi;
    this.#receiving = false;
    this.#cancelling = false;
    if (this.gone) {
      this.#letGo();
    } else if (this.#errno !== 0) {
      return; // A send has consumed the socket's error, so that this 0 is no end: law 4.
    } else if (result === 0) {
      this.#endHeld = true;
      if (!this.paused && this.#held === null) this.#ended();
    } else if (result === -errno.ENOBUFS) {
      this.owner.outOfBuffers();
      this.owner.markDirty(this);
    } else if (isTransient(errno, result)) {
      this.owner.markDirty(this);
    } else {
      this.#broken(-result);
    }
  }

  #ended(): void {
    this.#endHeld = false;
    this.#peerEnded = true;
    this.#sink.ended();
  }

  /** A send from the outbox ended. */
  #sent(result: number): void {
    const { errno } = this.owner.sys.abi;
    this.#sending = false;
    if (result > 0) this.#outbox?.consume(result);
    if (this.gone) {
      this.#letGo();
    } else if (result >= 0) {
      if (this.queuedBytesAtMost > 0) this.owner.markDirty(this);
      else this.#drained();
    } else if (isTransient(errno, result)) {
      this.owner.markDirty(this);
    } else {
      this.#broken(-result);
    }
  }

  #drained(): void {
    this.#undecided = false;
    if (this.#finishing) this.#sendFin();
    if (this.#errno === 0) this.#sink.drained();
  }

  /** An operation of a removed stream has ended. */
  #letGo(): void {
    if (!this.inFlight) this.owner.letGo(this);
  }

  send(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#finishing || this.gone) return 0;
    if (this.#errno !== 0) return this.#lose(length);
    const { sends, submission } = this.owner;
    if (this.#batch === sends.batch || this.#outbox !== null) {
      return this.#sendBehind(bytes, offset, length);
    }
    const place = sends.place(bytes, offset, length);
    if (place >= 0 && submission.sendNow(this.fd, place, length, this.token, Operation.sendNow)) {
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

  /** Sends after what is in flight: as part of the same send if possible, else by the outbox. */
  #sendBehind(bytes: Uint8Array, offset: number, length: number): number {
    const waiting = this.#outbox === null ? 0 : this.#outbox.length;
    if (waiting === 0 && !this.#sending) {
      const { sends, submission } = this.owner;
      if (this.#batch !== sends.batch) {
        this.#outbox = null;
        return this.send(bytes, offset, length);
      }
      const place = sends.place(bytes, offset, length);
      const follows = place === this.#flightOffset + this.#flightLength;
      if (follows && submission.lengthenSend(this.token, Operation.sendNow, length)) {
        this.#flightLength += length;
        return 0;
      }
    }
    return this.#queue(bytes, offset, length);
  }

  #queue(bytes: Uint8Array, offset: number, length: number): number {
    this.#outbox ??= new Outbox();
    this.#outbox.append(bytes, offset, length);
    if (!this.#sending) this.owner.markDirty(this);
    return this.#outbox.length;
  }

  /** Sends what is too long to copy by send(2), and queues what the kernel does not take. */
  #sendDirectly(bytes: Uint8Array, offset: number, length: number): number {
    const { sys, stats, sendFlags } = this.owner;
    const sent = sys.send(this.fd, bytes, offset, length, sendFlags);
    if (sent === length) return 0;
    if (sent >= 0) {
      stats.partialSends += 1;
      return this.#queue(bytes, offset + sent, length - sent);
    }
    if (isTransient(sys.abi.errno, sent)) {
      stats.eagain += 1;
      return this.#queue(bytes, offset, length);
    }
    this.#broken(-sent);
    return this.#lose(length);
  }

  /** Its last send was short, `result` bytes: the rest goes ahead of what was queued since. */
  shortWrite(result: number): void {
    const { sys, stats, buffers } = this.owner;
    const sent = Math.max(result, 0);
    const start = this.#flightOffset + sent;
    const rest = buffers.bytes.subarray(start, this.#flightOffset + this.#flightLength);
    this.#batch = -1;
    const fails = result < 0 && !isTransient(sys.abi.errno, result);
    if (this.gone || this.#errno !== 0 || fails) {
      this.#lose(rest.length);
      if (fails && !this.gone) this.#broken(-result);
      return;
    }
    if (sent > 0) stats.partialSends += 1;
    else stats.eagain += 1;
    this.#outbox ??= new Outbox();
    this.#outbox.prepend(rest);
    this.owner.markDirty(this);
  }

  finish(): void {
    if (this.#finishing || this.#errno !== 0 || this.gone) return;
    this.#finishing = true;
    if (this.queuedBytesAtMost === 0) this.#sendFin();
    else this.owner.markDirty(this);
  }

  #sendFin(): void {
    if (this.#finished) return;
    this.#finished = true;
    const { sys } = this.owner;
    const result = sys.shutdown(this.fd, sys.abi.constants.SHUT_WR);
    // ENOTCONN: the peer has reset the connection; the receive reports it.
    if (result < 0 && result !== -sys.abi.errno.ENOTCONN) this.#broken(-result);
  }

  reset(): void {
    if (this.gone) return;
    resetOnClose(this.owner.sys, this.fd);
    this.owner.remove(this);
  }

  protected override setPaused(paused: boolean): void {
    if (this.paused === paused || this.gone) return;
    this.paused = paused;
    // A receive in flight continues: its bytes are held, and then it is cancelled.
    if (paused) return;
    if (this.#held !== null || this.#endHeld) this.owner.reportLater(this);
    else if (!this.#receiving) this.owner.markDirty(this);
  }

  #broken(errno: number): void {
    if (this.#errno !== 0) return;
    this.#errno = errno;
    this.owner.reportLater(this);
  }

  /** Reports an error, an empty queue, or what was held. */
  report(): void {
    if (this.#errno !== 0) {
      this.owner.remove(this);
      this.#sink.failed(this.#errno);
      return;
    }
    if (this.#undecided) {
      if (this.queuedBytesAtMost === 0) this.#drained();
      else this.owner.markDirty(this);
    }
    if (this.paused || this.gone) return;
    if (this.#held !== null && this.#held.length > 0) {
      const chunk = this.#held.peek();
      this.#held.consume(chunk.length);
      this.owner.reportLater(this);
      deliverCopy(this.#sink, chunk);
      return;
    }
    this.#held = null;
    if (this.#endHeld) this.#ended();
    else if (!this.#receiving) this.owner.markDirty(this);
  }

  fail(errno: number): void {
    if (!this.gone) this.#broken(errno);
  }

  closed(): void {
    this.#lost = this.unsentBytes;
    this.#outbox = null;
    this.#held = null;
    this.#sink.closed();
  }
}

/** Whether an error means that the operation is to be tried again. */
function isTransient(known: Readonly<Record<string, number>>, result: number): boolean {
  return (
    result === -(known['EAGAIN'] ?? 0) ||
    result === -(known['EINTR'] ?? 0) ||
    result === -(known['ENOBUFS'] ?? 0) ||
    result === -(known['ECANCELED'] ?? 0)
  );
}
