import { deliver } from '../../base/borrowed.ts';
import { ENDING, Interest } from '../../poller/poller.ts';
import type { Stream, StreamSink } from '../backend.ts';
import { EAGAINS_MAX, RETRIES_MAX, SENDS_PER_TURN } from '../limits.ts';
import { Outbox } from '../outbox.ts';
import { resetOnClose } from '../reset-on-close.ts';
import { type HandleOwner, ReadinessHandle } from './handle.ts';

/** A connected socket on a readiness backend. */
export class ReadinessStream extends ReadinessHandle implements Stream {
  // What every message touches comes first, so that it lies together.
  readonly #sink: StreamSink;
  /** Made at the first send that falls short: most connections never need one. */
  #outbox: Outbox | null = null;
  /** The errno that ended it, 0 while it lives. */
  #errno = 0;
  #peerEnded = false;
  /** Whether `finish` was called. */
  #finishing = false;
  /** Edge-triggered: whether there may be something to read of which nobody will tell again. */
  #readable = false;
  /** Edge-triggered: whether the end or an error lies behind the bytes. */
  #ending = false;
  #edge: boolean;
  /** Edge-triggered: whether sending stopped before the kernel was full. */
  #writable = false;
  /** Whether the FIN has gone. */
  #finished = false;
  /** Whether the queue ran empty and the sink does not know yet. */
  #drained = false;
  /** How often in a row a call said EAGAIN, and whether it rests for that. */
  #eagains = 0;
  #stalled = false;
  /** What was given to `send` and will never go. */
  #lost = 0;
  /** The socket's error, where the poller has taken it off: the 0 behind the bytes is no end. */
  #takenErrno = 0;

  /** With `edge` it is told once of what is ready, and remembers. */
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
    // An edge that nobody is waiting for costs nothing, and to ask anew would cost a call.
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

  /** The callbacks of this turn may have changed anything. */
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
      // A receive that fell short took all there was, but for the end that comes behind.
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
      stats.eintr += 1; // Level triggering brings it back, and so does what is remembered.
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
   * A call said EAGAIN. Mostly that is so, and the kernel will tell; but it may also say so of a
   * socket that is ready, and an edge has been told of then: it is asked again, and not for ever.
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
      // An echo goes from the buffer itself: its address is known, that of each chunk is not.
      sent = this.#trySend(bytes === borrowed ? receiveBuffer : bytes, offset, length);
      if (sent === length) return 0;
      if (this.#errno !== 0) return this.#lose(length);
      if (sent > 0) this.owner.stats.partialSends += 1;
    }
    this.#outbox ??= new Outbox();
    this.#outbox.append(bytes, offset + sent, length - sent);
    this.#drained = false;
    // What it waits for may be as before, and told of: an edge is to be looked for again.
    if (this.#edge) this.rearm = true;
    this.owner.interestChanged(this);
    return this.#outbox.length;
  }

  #lose(length: number): number {
    this.#lost += length;
    return 0;
  }

  /** What the kernel takes now: 0 if it has no room. An error is kept for the next turn. */
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
      // A send that took a part has filled the kernel, or its memory has run out for a moment, of
      // which no edge tells; one that took nothing has said why.
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
    // ENOTCONN: the peer has reset the connection; the next receive tells.
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
    // A handler that has just run may have closed it, with an error or a queue to tell of.
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
