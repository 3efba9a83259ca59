import type { Stream, StreamSink } from '../backend.ts';
import { BaseStream, isTransient } from '../base-stream.ts';
import { MULTISHOT_BYTES_MAX } from '../limits.ts';
import type { Outbox } from '../outbox.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

/** A connected socket on the ring. */
export class RingStream extends BaseStream<RingHandleOwner> implements Stream, RingHandle {
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
  /** True if `queuedBytes` was read before this batch's outcome was known. */
  #undecided = false;

  constructor(owner: RingHandleOwner, fd: number, sink: StreamSink) {
    super(owner, fd, sink);
    this.#multishot = owner.submission.limitsReceives;
  }

  get inFlight(): boolean {
    return this.#receiving || this.#sending;
  }

  prepare(): void {
    if (this.gone) {
      this.#cancelAll();
      return;
    }
    if (this.errno !== 0) return;
    if (this.#wantsReceive() && !this.#receiving) this.#startReceive();
    if (this.paused && this.held !== null && this.#receiving) this.#cancelReceive();
    if (this.unsubmitted) {
      this.owner.markDirty(this); // Once the batch is confirmed.
    } else if (!this.#sending && this.outbox !== null && this.outbox.length > 0) {
      this.#startSend(this.outbox);
    } else if (!this.#sending) {
      if (this.finishing) this.sendFin();
      if (this.#undecided) this.owner.reportLater(this);
    }
  }

  #wantsReceive(): boolean {
    return !this.paused && !this.peerEnded && !this.endHeld && this.held === null;
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
      return;
    }
    if (this.paused) this.owner.markDirty(this);
    this.deliverOrHold(chunk);
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
    } else if (this.errno !== 0) {
      return; // A send has consumed the socket's error, so that this 0 is no end: law 4.
    } else if (result === 0) {
      this.endReceived();
    } else if (result === -errno.ENOBUFS) {
      this.owner.outOfBuffers(this);
    } else if (isTransient(errno, result)) {
      this.owner.markDirty(this);
    } else {
      this.break(-result);
    }
  }

  /** A send from the outbox ended. */
  #sent(result: number): void {
    const { errno } = this.owner.sys.abi;
    this.#sending = false;
    if (result > 0) this.outbox?.consume(result);
    if (this.gone) {
      this.#letGo();
    } else if (result >= 0) {
      if (this.queuedBytesAtMost > 0) this.owner.markDirty(this);
      else this.#drained();
    } else if (isTransient(errno, result)) {
      this.owner.markDirty(this);
    } else {
      this.break(-result);
    }
  }

  #drained(): void {
    this.#undecided = false;
    if (this.finishing) this.sendFin();
    if (this.errno === 0) this.sink.drained();
  }

  /** An operation of a removed stream has ended. */
  #letGo(): void {
    if (!this.inFlight) this.owner.letGo(this);
  }

  protected makeRoom(): void {
    // Submitting early does not end a batch.
  }

  protected sendNow(place: number, length: number): boolean {
    return this.owner.submission.sendNow(this.fd, place, length, this.token, Operation.sendNow);
  }

  protected lengthenSend(length: number): boolean {
    return this.owner.submission.lengthenSend(this.token, Operation.sendNow, length);
  }

  /** The kernel would go on with a second send after a short write. */
  protected sendApart(bytes: Uint8Array, offset: number, length: number): number {
    return this.enqueue(bytes, offset, length);
  }

  protected outboxFilled(): void {
    if (!this.#sending) this.owner.markDirty(this);
  }

  /** The kernel may hold the outcome back, or not have taken the send yet: law 12. */
  protected undecided(): void {
    this.#undecided = true;
    this.owner.markDirty(this);
  }

  protected finishNow(): void {
    if (this.queuedBytesAtMost === 0) this.sendFin();
    else this.owner.markDirty(this);
  }

  protected sendFin(): void {
    if (this.finished) return;
    this.finished = true;
    const { sys } = this.owner;
    const result = sys.shutdown(this.fd, sys.abi.constants.SHUT_WR);
    if (result < 0) this.finFailed(-result);
  }

  protected override setPaused(paused: boolean): void {
    if (this.paused === paused || this.gone) return;
    this.paused = paused;
    // A receive in flight continues: its bytes are held, and then it is cancelled.
    if (paused) return;
    if (this.held !== null || this.endHeld) this.owner.reportLater(this);
    else if (!this.#receiving) this.owner.markDirty(this);
  }

  /** Reports an error, an empty queue, or what was held. */
  report(): void {
    if (this.errno !== 0) {
      this.reportBroken();
      return;
    }
    if (this.#undecided) {
      if (this.queuedBytesAtMost === 0) this.#drained();
      else this.owner.markDirty(this);
    }
    if (this.deliverHeld() && !this.#receiving) this.owner.markDirty(this);
  }
}
