import { ENDING, Interest } from '../../poller/poller.ts';
import { BUFFER_BYTES } from '../../ring/limits.ts';
import type { Stream, StreamSink } from '../backend.ts';
import { BaseStream } from '../base-stream.ts';
import { EAGAINS_MAX, SENDS_PER_TURN } from '../limits.ts';
import type { ReadinessHandle, ReadinessOwner } from './handle.ts';

/** A connected socket on a readiness backend. */
export class ReadinessStream extends BaseStream<ReadinessOwner> implements Stream, ReadinessHandle {
  registered = false;
  installed: Interest = Interest.none;
  rearm = false;
  shared: ReadinessHandle | null = null;
  /** Whether a receive is queued. */
  #receiving = false;
  /** Edge-triggered: whether there may be unread bytes that no edge will report. */
  #readable = false;
  /** Edge-triggered: whether the end or an error follows the bytes. */
  #ending = false;
  #edge: boolean;
  readonly outlivesClose: boolean;
  /** Edge-triggered: whether sending stopped before the kernel was full. */
  #writable = false;
  /** The wait after which it has sent from the queue. */
  #flushedAt = -1;
  /** Whether the queue has become empty and the sink was not told yet. */
  #drained = false;
  /** The calls in a row that gave nothing, and whether it rests because of them. */
  #eagains = 0;
  #stalled = false;
  /** The socket's error, if the poller has consumed it: a receive of 0 bytes is no end then. */
  #takenErrno = 0;

  /** `edge` selects edge triggering. */
  constructor(
    owner: ReadinessOwner,
    fd: number,
    sink: StreamSink,
    { edge, inherited }: { readonly edge: boolean; readonly inherited: boolean },
  ) {
    super(owner, fd, sink);
    this.#edge = edge;
    this.outlivesClose = inherited;
  }

  get edge(): boolean {
    return this.#edge;
  }

  useLevels(): void {
    if (!this.#edge) return;
    this.#edge = false;
    this.owner.markDirty(this);
  }

  wanted(): Interest {
    if (this.errno !== 0 || this.#stalled) return Interest.none;
    // An unwanted edge is cheap, and to change the interest would cost a call.
    const silent = !this.#edge && !this.#wantsBytes();
    const read = silent ? Interest.none : Interest.read;
    const write = this.waitingBytes > 0 ? Interest.write : Interest.none;
    return (read | write) as Interest;
  }

  #wantsBytes(): boolean {
    return !this.paused && !this.peerEnded && !this.endHeld && this.held === null;
  }

  ready(interest: Interest, errno: number): void {
    if (errno !== 0) this.#takenErrno = errno;
    if (this.#stalled) return;
    if ((interest & Interest.write) !== 0) {
      this.#flush();
      if (this.#drained) this.report();
    }
    if ((interest & Interest.read) === 0) return;
    this.#readable = true;
    if ((interest & ENDING) !== 0) this.#ending = true;
    this.#receiveIfWanted();
  }

  /** Queues a receive, unless callbacks of this turn have paused or ended the stream. */
  #receiveIfWanted(): void {
    if (this.#receiving || this.gone || this.errno !== 0 || !this.#wantsBytes()) return;
    this.#receiving = true;
    this.owner.receive(this);
  }

  /** The queued receive returned `length` bytes, or `-errno`. */
  completed(length: number, chunk: Uint8Array | null): void {
    this.#receiving = false;
    if (chunk !== null) {
      // A short receive has emptied the socket, except for an end that follows.
      this.#readable = length === BUFFER_BYTES || this.#ending;
      this.#eagains = 0;
      // Before the callback, which may throw.
      if (this.#readable && this.#edge) this.owner.reportLater(this);
      this.deliverOrHold(chunk);
      return;
    }
    this.#receivedNothing(length);
    if (this.errno !== 0 && !this.gone) this.report();
  }

  #receivedNothing(result: number): void {
    const { sys, stats } = this.owner;
    const { EAGAIN, EINTR } = sys.abi.errno;
    if (result === 0) {
      this.#readable = false;
      // Law 4.
      if (this.#takenErrno !== 0) this.break(this.#takenErrno);
      else if (this.errno === 0) this.endReceived();
    } else if (result === -EAGAIN) {
      this.#readable = false;
      this.#gaveNothing();
    } else if (result === -EINTR) {
      stats.eintr += 1; // Level triggering reports it again.
      this.#restIfStuck();
      if (this.#edge && !this.#stalled) this.owner.reportLater(this);
    } else {
      this.break(-result);
    }
  }

  protected override ended(): void {
    this.owner.markDirty(this);
    super.ended();
  }

  /**
   * A call returned EAGAIN, usually because it would block. The kernel may return it for a socket
   * that is ready as well, whose edge was reported already: that is rearmed, but not for ever.
   */
  #gaveNothing(): void {
    this.owner.stats.eagain += 1;
    this.#restIfStuck();
    if (this.#edge && !this.#stalled) this.#rearm();
  }

  #rearm(): void {
    this.rearm = true;
    this.owner.markDirty(this);
  }

  retry(): void {
    this.#stalled = false;
    this.#rearm();
  }

  protected makeRoom(length: number): void {
    const { calls, sends } = this.owner;
    if (!calls.hasRoom || !sends.hasRoom(length)) calls.flush();
  }

  protected sendNow(place: number, length: number): boolean {
    this.owner.calls.send(this, this.fd, place, length, this.owner.sendFlags);
    return true;
  }

  protected lengthenSend(length: number): boolean {
    return this.owner.calls.lengthenSend(this, length);
  }

  protected sendApart(bytes: Uint8Array, offset: number, length: number): number {
    this.owner.flushSends();
    return this.send(bytes, offset, length);
  }

  protected undecided(): void {
    // Every outcome is known once the calls are made.
  }

  protected outboxFilled(): void {
    this.#drained = false;
    // The interest may be unchanged and its edge reported already.
    if (this.#edge) this.rearm = true;
    this.owner.markDirty(this);
  }

  override shortWrite(result: number): void {
    this.finished = false;
    super.shortWrite(result);
    const { EAGAIN, EINTR, ENOBUFS } = this.owner.sys.abi.errno;
    if (result > 0) this.#eagains = 0;
    else if (result === -EAGAIN || result === -ENOBUFS || result === -EINTR) this.#restIfStuck();
  }

  /** After many calls in a row that gave nothing it rests; {@link retry} rearms it then. */
  #restIfStuck(): void {
    this.#eagains += 1;
    if (this.#eagains < EAGAINS_MAX || this.#stalled) return;
    this.#stalled = true;
    this.owner.markDirty(this);
    this.owner.retryLater(this);
  }

  /** Returns how much the kernel takes now, 0 if none. An error is reported in the next turn. */
  #trySend(bytes: Uint8Array): number {
    const { sys, stats, sendFlags } = this.owner;
    const { EAGAIN, EINTR, ENOBUFS } = sys.abi.errno;
    let result = sys.send(this.fd, bytes, 0, bytes.length, sendFlags);
    while (result === -EINTR && this.#eagains < EAGAINS_MAX) {
      stats.eintr += 1;
      this.#eagains += 1;
      result = sys.send(this.fd, bytes, 0, bytes.length, sendFlags);
    }
    if (result >= 0) {
      this.#eagains = 0;
      return result;
    }
    this.#writable = false;
    if (result === -EAGAIN || result === -ENOBUFS || result === -EINTR) this.#gaveNothing();
    else this.break(-result);
    return 0;
  }

  #flush(): void {
    const { outbox } = this;
    if (outbox === null || outbox.length === 0 || this.errno !== 0) return;
    this.#writable = this.#edge;
    this.#flushedAt = this.owner.stats.waits;
    for (let sends = 0; sends < SENDS_PER_TURN && outbox.length > 0; sends++) {
      const bytes = outbox.peek();
      const sent = this.#trySend(bytes);
      outbox.consume(sent);
      if (sent === bytes.length) continue;
      // A short write has filled the socket, or the kernel is short of memory for a moment, which
      // no edge reports; a send of nothing has handled its errno.
      if (sent > 0) this.#writable = false;
      if (sent > 0 && this.#edge) this.#rearm();
      break;
    }
    if (this.errno !== 0 || outbox.length > 0) {
      if (this.errno !== 0) this.report();
      else if (this.#writable) this.owner.reportLater(this);
      return;
    }
    this.#writable = false;
    this.owner.markDirty(this);
    this.#drained = true;
    if (this.finishing) this.sendFin();
  }

  /** Goes on in the next turn, if this one has sent its share: law 8. */
  #flushMore(): void {
    if (this.#flushedAt === this.owner.stats.waits) this.owner.reportLater(this);
    else this.#flush();
  }

  protected finishNow(): void {
    if (this.waitingBytes === 0) this.sendFin();
  }

  /** Behind the send in flight, if there is one. */
  protected sendFin(): void {
    if (this.finished) return;
    this.finished = true;
    this.owner.calls.finish(this, this.fd);
  }

  refused(errno: number): boolean {
    this.break(errno);
    return true;
  }

  protected override break(errno: number): void {
    super.break(errno);
    this.owner.markDirty(this);
  }

  protected override setPaused(paused: boolean): void {
    super.setPaused(paused);
    if (paused || this.gone) return;
    const waiting = this.held !== null || this.endHeld || (this.#edge && this.#readable);
    if (waiting) this.owner.reportLater(this);
  }

  /** Reports an error, an empty queue, or what was held. */
  report(): void {
    // A handler may have closed it in the meantime.
    if (this.gone) return;
    if (this.errno !== 0) {
      this.reportBroken();
      return;
    }
    if (this.#writable) this.#flushMore();
    if (this.gone) return;
    if (this.#drained) {
      this.#drained = false;
      this.sink.drained();
    }
    if (!this.deliverHeld()) return;
    this.owner.markDirty(this);
    if (this.#edge && this.#readable) this.#receiveIfWanted();
  }
}
