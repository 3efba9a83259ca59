import { registerReceiveMemory } from '../../base/borrowed.ts';
import { checking, invariant } from '../../base/invariants.ts';
import { TokenSlab } from '../../base/token-slab.ts';
import { WatchTable } from '../../base/watch-table.ts';
import type { Interest, WakeHandle } from '../../poller/poller.ts';
import type { Buffers } from '../../ring/buffers.ts';
import type { Completions } from '../../ring/completions.ts';
import { openRing } from '../../ring/open-ring.ts';
import { REGION } from '../../ring/region.ts';
import type { Ring } from '../../ring/ring.ts';
import type { Submission } from '../../ring/submission.ts';
import { sendFlags } from '../../sys/descriptors.ts';
import type { Sys } from '../../sys/sys.ts';
import { noteClosing, noteOpened } from '../../sys/thread-resources.ts';
import {
  type Acceptance,
  type AcceptSink,
  type Backend,
  type ConnectSink,
  type Handle,
  newStats,
  type Stream,
  type StreamSink,
  type Watch,
  type WatchSink,
} from '../backend.ts';
import { ClosingList } from '../closing-list.ts';
import type { DatagramHandle, DatagramSettings, DatagramSink } from '../datagram/contract.ts';
import { SharedDatagrams } from '../datagram/shared.ts';
import { GatheredSends } from '../gathered-sends.ts';
import { DESTROY_MS_MAX, OVERFLOW_ROUNDS_MAX } from '../limits.ts';
import { ReportList } from '../report-list.ts';
import { checkStreams, streamTotalsOf } from '../stream-totals.ts';
import { RingAcceptor } from './acceptor.ts';
import { RingConnectOperation } from './connect-operation.ts';
import { RingDatagrams } from './datagrams.ts';
import { DirtyList } from './dirty-list.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';
import { RingWakeTimer } from './periodic-wake-timer.ts';

import { RingStream } from './stream.ts';
import { RingWaker } from './waker.ts';
import { RingWatch } from './watch.ts';

/**
 * io_uring(7) as a {@link Backend}: one call submits all queued operations and waits, and their
 * results are read from the completion queue.
 *
 * An idle connection is a receive in flight and owns no buffer. An echo is sent from the buffer
 * that it was received into. The sends of a turn are submitted together and are done when the call
 * returns; only a short write posts a completion.
 */
export class RingBackend implements Backend, RingHandleOwner {
  readonly name = 'io_uring';
  readonly fdLimit = Number.POSITIVE_INFINITY;
  readonly sys: Sys;
  readonly stats = newStats();
  readonly sendFlags: number;
  readonly submission: Submission;
  readonly buffers: Buffers;
  readonly sends: GatheredSends;
  readonly sharedDatagrams: SharedDatagrams;
  readonly #ring: Ring;
  readonly #waker: RingWaker;
  readonly #handles = new TokenSlab<RingHandle>();
  readonly streamTotals = () => streamTotalsOf(this.#handles.values());
  readonly check = () => checkStreams(this.#handles);
  readonly #watches = new WatchTable();
  /** How many of the handles are watches that have ended, with a poll in flight. */
  #unwatched = 0;
  readonly #dirty = new DirtyList();
  readonly #reports = new ReportList();
  readonly #closing: ClosingList;
  #outOfBuffers = false;
  readonly #wakeTimer: RingWakeTimer;
  /** Whether completions are being delivered, and whether the backend is to be torn down then. */
  #polling = false;
  #destroyed = false;
  /** The completions that are being delivered. */
  readonly #completions: Completions;
  /** Those that may be short writes, which are handled before anything is delivered. */
  readonly #lookahead: Completions;
  /** Whether a send of a closed handle could not be submitted yet. */
  #stuck = false;

  /** Throws a SysError that names the call which failed. */
  constructor(sys: Sys) {
    this.sys = sys;
    this.sendFlags = sendFlags(sys);
    this.#closing = new ClosingList({ close: (fd) => sys.close(fd), flush: () => undefined });
    const { ring, buffers } = openRing(sys);
    this.#ring = ring;
    this.buffers = buffers;
    this.submission = ring.submission;
    this.#completions = ring.completions();
    this.#lookahead = ring.completions();
    try {
      this.#waker = new RingWaker(sys, this.submission);
    } catch (error) {
      this.#ring.close();
      throw error;
    }
    this.#wakeTimer = new RingWakeTimer(sys, this.submission);
    this.sharedDatagrams = new SharedDatagrams(sys);
    this.sends = new GatheredSends(this.buffers, REGION.staging);
    registerReceiveMemory(this.buffers.bytes.buffer);
  }

  get wakeHandle(): WakeHandle {
    return this.#waker.handle;
  }

  /** With DEFER_TASKRUN nothing wakes who polls the ring before its thread enters the kernel. */
  readonly pollFd = -1;

  get isQuiet(): boolean {
    const waiting = this.#dirty.length + this.#reports.length + this.#closing.length;
    if (this.sharedDatagrams.sends.waiting) return false;
    return waiting + this.#ring.pending === 0 && !this.#outOfBuffers;
  }

  get active(): number {
    return this.#handles.size - this.#unwatched + this.#closing.length;
  }

  accept(fd: number, sink: AcceptSink, limited = false): Acceptance {
    return this.#added(new RingAcceptor(this, fd, sink, limited));
  }

  open(fd: number, sink: StreamSink): Stream {
    return this.#added(new RingStream(this, fd, sink));
  }

  datagrams(fd: number, sink: DatagramSink, settings: DatagramSettings): DatagramHandle {
    return this.#added(new RingDatagrams(this, fd, sink, settings));
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    return this.#added(new RingConnectOperation(this, fd, address.slice(0, length), sink));
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const watch = this.#added(new RingWatch(this, fd, interest, sink));
    this.#watches.add(watch);
    return watch;
  }

  #added<Kind extends RingHandle>(handle: Kind): Kind {
    if (handle.ownsFd) {
      this.#watches.endAllOf(handle.fd);
      noteOpened(handle.fd);
    }
    this.#handles.allocate(handle);
    this.markDirty(handle);
    return handle;
  }

  poll(timeoutMs: number | null): void {
    if (this.#destroyed) throw new Error('the ring is closed');
    this.#polling = true;
    try {
      this.#turn(timeoutMs);
    } finally {
      this.#polling = false;
      if (this.#destroyed) this.#tearDown();
    }
  }

  #turn(timeoutMs: number | null): void {
    this.sharedDatagrams.sends.flush();
    if (this.#dirty.length > 0) this.#dirty.prepare();
    this.#waker.prepare();
    const waiting =
      this.#reports.length === 0 && this.#closing.length === 0 && this.#dirty.length === 0;
    this.#ring.enter(waiting ? this.#wakeTimer.timeoutBeside(timeoutMs) : 0);
    this.stats.waits += 1;
    if (this.#ring.interrupted) this.stats.eintr += 1;
    this.#confirmSends();
    this.#deliver();
    if (this.#ring.overflowed) this.#deliverOverflow();
    if (this.#outOfBuffers) this.#feed();
    this.#reports.run();
  }

  /**
   * Handles short writes before anything is delivered. The other sends of the batch are done and
   * their buffers free, unless some were not submitted or completions are held back.
   */
  #confirmSends(): void {
    const completions = this.#lookahead;
    completions.rewind();
    while (completions.next()) {
      if (completions.kind === Operation.sendNow) this.#shortWrite(completions);
    }
    if (this.#ring.overflowed || this.#ring.pending > 0) return;
    this.sends.confirm();
    this.buffers.publish();
  }

  #shortWrite(completion: Completions): void {
    const handle = this.#handles.get(completion.token);
    if (handle === undefined)
      this.stats.stale += 1; // Law 7.
    else (handle as RingStream).shortWrite(completion.result);
    completion.replaceKind(Operation.none);
  }

  flushSends(): void {
    this.#ring.submit();
    this.#confirmSends();
  }

  /** Delivers the completions present at its start: a bounded queue bounds the work (law 8). */
  #deliver(): void {
    const completions = this.#completions;
    completions.rewind();
    try {
      while (completions.next()) this.#completed(completions);
    } finally {
      // A callback that throws ends the turn; the rest is delivered in the next one.
      this.sends.giveBack();
      completions.release();
    }
  }

  #completed(completion: Completions): void {
    const { kind, result } = completion;
    if (kind === Operation.none) return;
    if (kind === Operation.wake) {
      this.#waker.completed();
      return;
    }
    const { more } = completion;
    if (kind === Operation.wakeTimer) {
      this.#wakeTimer.completed(result, more);
      return;
    }
    const handle = this.#handles.get(completion.token);
    if (kind !== Operation.receive || result <= 0) {
      if (handle === undefined) {
        this.stats.stale += 1; // Law 7.
        return;
      }
      this.stats.reports += 1;
      handle.completed(kind as Operation, result, more);
      return;
    }
    const id = completion.buffer;
    const chunk = this.buffers.chunk(id, result);
    this.sends.borrow(id, chunk);
    if (handle === undefined) this.stats.stale += 1;
    else {
      this.stats.reports += 1;
      (handle as RingStream).received(chunk, more);
    }
    this.sends.giveBack();
  }

  /** Fetches the completions that the kernel held back: law 12. */
  #deliverOverflow(): void {
    this.stats.overflows += 1;
    for (let round = 0; round < OVERFLOW_ROUNDS_MAX && this.#ring.overflowed; round++) {
      this.#ring.enter(0);
      this.#confirmSends();
      this.#deliver();
    }
  }

  outOfBuffers(handle: RingHandle): void {
    this.stats.outOfBuffers += 1;
    this.#outOfBuffers = true;
    this.#dirty.addFirst(handle);
  }

  /** Adds buffers. Those of the sends have been returned already. */
  #feed(): void {
    this.#outOfBuffers = false;
    this.buffers.grow();
    this.buffers.publish();
  }

  flush(): void {
    this.sharedDatagrams.sends.flush();
    if (!this.#destroyed && this.#ring.pending > 0) this.#ring.submit();
  }

  closePhase(): void {
    if (this.#stuck && !this.#ring.submit()) return;
    this.#stuck = false;
    this.#closing.closePhase();
  }

  wake(): void {
    if (!this.#destroyed) this.#waker.wake();
  }

  markDirty(handle: RingHandle): void {
    this.#dirty.add(handle);
  }

  reportLater(handle: RingHandle): void {
    this.#reports.add(handle);
  }

  remove(handle: RingHandle): void {
    if (handle.gone) return;
    handle.gone = true;
    if (handle.ownsFd) this.#watches.endAllOf(handle.fd);
    else this.#watches.delete(handle);
    // A send submitted after the close would go to whatever reuses the descriptor's number.
    if (handle.unsubmitted) {
      this.flushSends();
      if (this.#ring.pending > 0) this.#stuck = true;
    }
    if (!handle.ownsFd) this.#unwatched += 1;
    if (handle.inFlight) this.markDirty(handle);
    else this.letGo(handle);
  }

  letGo(handle: RingHandle): void {
    if (checking) {
      const isOver = !handle.inFlight || this.#destroyed;
      invariant(isOver, 'a handle is let go of with an operation in flight');
    }
    this.#handles.free(handle.token);
    if (handle.ownsFd) this.#closing.add(handle);
    else this.#unwatched -= 1;
  }

  release(handle: RingHandle): void {
    handle.gone = true;
    if (handle.ownsFd) noteClosing(handle.fd);
    this.#handles.free(handle.token);
  }

  fds(): number[] {
    const fds = [this.#ring.fd, ...this.#waker.fds, ...this.#closing.fds];
    for (const handle of this.#handles.values()) {
      if (handle.ownsFd) fds.push(handle.fd, ...handle.extraFds);
    }
    return fds;
  }

  destroy(atOnce = false): void {
    if (this.#destroyed && !(atOnce && this.#polling)) return;
    this.#destroyed = true;
    this.sharedDatagrams.sends.flush();
    for (const handle of this.#handles.values()) handle.gone = true;
    // Inside a callback the queue is still being read: the end of the turn tears down.
    if (this.#polling && !atOnce) return;
    this.#completions.release();
    this.#tearDown();
  }

  /** Cancels every operation, waits for the kernel to let go, and closes everything. */
  #tearDown(): void {
    const handles = [...this.#handles.values()];
    try {
      this.#joinAll(handles);
    } finally {
      for (const handle of this.#handles.values()) this.letGo(handle);
      this.#unwatched = 0;
      this.#closing.closeAll();
      this.#dirty.clear();
      this.#stuck = false;
      // No stream has a send in flight any more.
      this.sends.confirm();
      this.#waker.close();
      this.#ring.close();
    }
  }

  #joinAll(handles: readonly RingHandle[]): void {
    for (const handle of handles) handle.gone = true;
    this.flushSends();
    this.submission.cancelAll(Operation.none);
    const endMs = this.sys.monotonicMs() + DESTROY_MS_MAX;
    let open = handles.filter((handle) => handle.inFlight);
    while (open.length > 0 && this.sys.monotonicMs() < endMs) {
      for (const handle of open) handle.prepare();
      this.#ring.enter(1);
      this.#confirmSends();
      this.#deliver();
      open = open.filter((handle) => handle.inFlight);
    }
  }
}
