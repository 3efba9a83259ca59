import { deliver } from '../../base/borrowed.ts';
import { ENDING, Interest } from '../../poller/poller.ts';
import type { Stream, StreamSink } from '../backend.ts';
import { EAGAINS_MAX, RETRIES_MAX, SENDS_PER_TURN } from '../limits.ts';
import { Outbox } from '../outbox.ts';
import { resetOnClose } from '../reset-on-close.ts';
import { type HandleOwner, ReadinessHandle } from './handle.ts';

/** A connected socket on a readiness backend. */
export class ReadinessStream extends ReadinessHandle implements Stream {
  // Fields used by every message come first, to share cache lines.
  readonly #sink: StreamSink;
  /** Allocated by the first short write: most connections need none. */
  #outbox: Outbox | null = null;
  /** The errno that ended it, 0 while it lives. */
  #errno = 0;
  #peerEnded = false;
  /** Whether `finish` was called. */
  #finishing = false;
  /** Edge-triggered: whether there may be unread bytes that no edge will report. */
  #readable = false;
  /** Edge-triggered: whether the end or an error follows the bytes. */
  #ending = false;
  #edge: boolean;
  /** Edge-triggered: whether sending stopped before the kernel was full. */
  #writable = false;
  /** Whether the FIN was sent. */
  #finished = false;
  /** Whether the queue has become empty and the sink was not told yet. */
  #drained = false;
  /** The number of EAGAIN in a row, and whether it rests because of them. */
  #eagains = 0;
  #stalled = false;
  /** Bytes passed to `send` that will never be sent. */
  #lost = 0;
  /** The socket's error, if the poller has consumed it: a receive of 0 bytes is no end then. */
  #takenErrno = 0;

  /** `edge` selects edge triggering. */
  constructor(owner: HandleOwner, fd: number, sink: StreamSink, edge: boolean) {
    super(owner, fd);
    this.#sink = sink;
    this.#edge = edge;
  }

  override get edge(): boolean {
    return this.#edge;
  }

  override useLevels(): void {
    if (!this.#edge) return;
    this.#edge = false;
    this.owner.interestChanged(this);
  }

  get queuedBytes(): number {
    return this.#outbox === null ? 0 : this.#outbox.length;
  }

  get unsentBytes(): number {
    return this.queuedBytes + this.#lost;
  }

  get broken(): boolean {
    return this.#errno !== 0;
  }

  get queuedBytesAtMost(): number {
    return this.queuedBytes;
  }

  wanted(): Interest {
    if (this.#errno !== 0 || this.#stalled) return Interest.none;
    // An unwanted edge is cheap, and to change the interest would cost a call.
    const silent = !this.#edge && (this.paused || this.#peerEnded);
    const read = silent ? Interest.none : Interest.read;
    const write = this.queuedBytes > 0 ? Interest.write : Interest.none;
    return (read | write) as Interest;
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

  /** Receives, unless callbacks of this turn have paused or ended the stream. */
  #receiveIfWanted(): void {
    if (this.gone || this.paused || this.#errno !== 0 || this.#peerEnded) return;
    this.#receive();
    const more = this.#edge && this.#readable && !this.paused && !this.gone;
    if (more) this.owner.reportLater(this);
  }

  protected override setPaused(paused: boolean): void {
    super.setPaused(paused);
    if (this.#edge && this.#readable && !paused && !this.gone) this.owner.reportLater(this);
  }

  #receive(): void {
    const { sys, stats, receiveBuffer } = this.owner;
    const length = sys.recv(this.fd, receiveBuffer, 0, receiveBuffer.length, 0);
    if (length > 0) {
      // A short receive has emptied the socket, except for an end that follows.
      this.#readable = length === receiveBuffer.length || this.#ending;
      this.#eagains = 0;
      // Before the callback, which may throw.
      if (this.#readable && this.#edge) this.owner.reportLater(this);
      const chunk = this.owner.views.of(receiveBuffer, length);
      this.owner.borrowed = chunk;
      deliver(this.#sink, chunk);
    } else if (length === 0) {
      this.#readable = false;
      // Law 4.
      if (this.#takenErrno !== 0) this.#broken(this.#takenErrno);
      else this.#ended();
    } else if (length === -sys.abi.errno.EAGAIN) {
      this.#readable = false;
      this.#gaveNothing();
    } else if (length === -sys.abi.errno.EINTR) {
      stats.eintr += 1; // Level triggering reports it again, and so does `#readable`.
    } else {
      this.#broken(-length);
    }
    if (this.#errno !== 0) this.report();
  }

  #ended(): void {
    this.#peerEnded = true;
    this.owner.interestChanged(this);
    this.#sink.ended();
  }

  /**
   * A call returned EAGAIN, usually because it would block. The kernel may return it for a socket
   * that is ready as well, whose edge was reported already: that is rearmed, but not for ever.
   */
  #gaveNothing(): void {
    this.owner.stats.eagain += 1;
    this.#eagains += 1;
    if (this.#eagains >= EAGAINS_MAX && !this.#stalled) {
      this.#stalled = true;
      this.owner.interestChanged(this);
      this.owner.retryLater(this);
    } else if (this.#edge) {
      this.#rearm();
    }
  }

  #rearm(): void {
    this.rearm = true;
    this.owner.interestChanged(this);
  }

  override retry(): void {
    this.#stalled = false;
    this.#rearm();
  }

  send(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#finishing || this.gone) return 0;
    if (this.#errno !== 0) return this.#lose(length);
    let sent = 0;
    if (this.queuedBytes === 0) {
      const { borrowed, receiveBuffer } = this.owner;
      // An echo is sent from the buffer itself, whose address is known.
      sent = this.#trySend(bytes === borrowed ? receiveBuffer : bytes, offset, length);
      if (sent === length) return 0;
      if (this.#errno !== 0) return this.#lose(length);
      if (sent > 0) this.owner.stats.partialSends += 1;
    }
    this.#outbox ??= new Outbox();
    this.#outbox.append(bytes, offset + sent, length - sent);
    this.#drained = false;
    // The interest may be unchanged and its edge reported already.
    if (this.#edge) this.rearm = true;
    this.owner.interestChanged(this);
    return this.#outbox.length;
  }

  #lose(length: number): number {
    this.#lost += length;
    return 0;
  }

  /** Returns how much the kernel takes now, 0 if none. An error is reported in the next turn. */
  #trySend(bytes: Uint8Array, offset: number, length: number): number {
    const { sys, stats, sendFlags } = this.owner;
    for (let attempt = 0; attempt < RETRIES_MAX; attempt++) {
      const result = sys.send(this.fd, bytes, offset, length, sendFlags);
      if (result >= 0) {
        this.#eagains = 0;
        return result;
      }
      if (result === -sys.abi.errno.EINTR) {
        stats.eintr += 1;
        continue;
      }
      if (result === -sys.abi.errno.EAGAIN || result === -sys.abi.errno.ENOBUFS) {
        this.#writable = false;
        this.#gaveNothing();
        return 0;
      }
      this.#broken(-result);
      return 0;
    }
    return 0;
  }

  #flush(): void {
    const outbox = this.#outbox;
    if (outbox === null || outbox.length === 0 || this.#errno !== 0) return;
    this.#writable = this.#edge;
    for (let sends = 0; sends < SENDS_PER_TURN && outbox.length > 0; sends++) {
      const bytes = outbox.peek();
      const sent = this.#trySend(bytes, 0, bytes.length);
      outbox.consume(sent);
      if (sent === bytes.length) continue;
      // A short write has filled the socket, or the kernel is short of memory for a moment, which
      // no edge reports; a send of nothing has handled its errno.
      if (sent > 0) this.#writable = false;
      if (sent > 0 && this.#edge) this.#rearm();
      break;
    }
    if (this.#errno !== 0 || outbox.length > 0) {
      if (this.#errno !== 0) this.report();
      else if (this.#writable) this.owner.reportLater(this);
      return;
    }
    this.#writable = false;
    this.owner.interestChanged(this);
    this.#drained = true;
    if (this.#finishing) this.#sendFin();
  }

  finish(): void {
    if (this.#finishing || this.#errno !== 0 || this.gone) return;
    this.#finishing = true;
    if (this.queuedBytes === 0) this.#sendFin();
  }

  #sendFin(): void {
    if (this.#finished) return;
    this.#finished = true;
    const { sys } = this.owner;
    const result = sys.shutdown(this.fd, sys.abi.constants.SHUT_WR);
    // ENOTCONN: the peer has reset the connection; the next receive reports it.
    if (result < 0 && result !== -sys.abi.errno.ENOTCONN) this.#broken(-result);
  }

  reset(): void {
    if (this.gone) return;
    resetOnClose(this.owner.sys, this.fd);
    this.owner.remove(this);
  }

  override refused(errno: number): boolean {
    this.#broken(errno);
    return true;
  }

  #broken(errno: number): void {
    if (this.#errno !== 0) return;
    this.#errno = errno;
    this.owner.interestChanged(this);
    this.owner.reportLater(this);
  }

  /** Reports an error or an empty queue, once. */
  report(): void {
    // A handler may have closed it in the meantime.
    if (this.gone) return;
    if (this.#errno !== 0) {
      this.owner.remove(this);
      this.#sink.failed(this.#errno);
      return;
    }
    if (this.#writable) this.#flush();
    if (this.gone) return;
    if (this.#drained) {
      this.#drained = false;
      this.#sink.drained();
    }
    if (this.#edge && this.#readable) this.#receiveIfWanted();
  }

  fail(errno: number): void {
    if (!this.gone) this.#broken(errno);
  }

  closed(): void {
    this.#lost = this.unsentBytes;
    this.#outbox = null;
    this.#sink.closed();
  }
}
