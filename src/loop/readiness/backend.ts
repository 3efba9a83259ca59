import { NO_TOKEN, TokenSlab } from '../../base/token-slab.ts';
import type { PeriodicWakeTimer } from '../../poller/periodic-wake-timer.ts';
import { Interest, type ReadySink, type WakeHandle } from '../../poller/poller.ts';
import type { LoopPoller } from '../../poller/riding-calls.ts';
import { sendFlags } from '../../sys/descriptors.ts';
import type { Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys-error.ts';
import { noteClosing, noteOpened } from '../../sys/thread-resources.ts';
import {
  type Acceptance,
  type AcceptSink,
  type Backend,
  type BackendName,
  type BackendStats,
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
import { STALL_MS, WAKE_PERIOD_MS } from '../limits.ts';
import { ReportList } from '../report-list.ts';
import { streamTotalsOf } from '../stream-totals.ts';
import { ReadinessAcceptor } from './acceptor.ts';
import { CallQueue } from './call-queue.ts';
import { checkHandles } from './check-handles.ts';
import { ReadinessConnectOperation } from './connect-operation.ts';
import { ReadinessDatagrams } from './datagrams.ts';
import type { ReadinessHandle, ReadinessOwner } from './handle.ts';
import type { ReceiveList } from './receive-list.ts';
import { Refusals } from './refusals.ts';
import { SharedFd } from './shared-fd.ts';
import { ReadinessStream } from './stream.ts';
import { openWakeTimer } from './wake-timer.ts';
import { ReadinessWatch } from './watch.ts';

/** Options of a {@link ReadinessBackend}. */
export interface ReadinessOptions {
  /** Makes the system calls one by one, also where a list of them can be one foreign call. */
  readonly oneByOne?: boolean;
  /** The memory of a backend that was destroyed, to be used again. */
  readonly memory?: Uint8Array;
}

/**
 * A poller as a {@link Backend}.
 *
 * The system calls of a turn are gathered and made together: first the sends of the last turn, the
 * changes of the poller's set and the wait; then a receive or accept for each descriptor that is
 * ready. Where a list of calls can be one foreign call (Linux), a turn is two, whatever it does.
 *
 * The work lies with the handles (stream, acceptor, connect operation, watch). The backend keeps
 * what they share: the tokens, the interests to update in the poller, the queue of calls, the
 * reports of the next turn, and what is to be closed.
 */
export class ReadinessBackend implements Backend, ReadySink, ReadinessOwner {
  readonly name: BackendName;
  readonly sys: Sys;
  readonly sendFlags: number;
  readonly stats: BackendStats = newStats();
  readonly calls: CallQueue;
  readonly sends: GatheredSends;
  readonly sharedDatagrams: SharedDatagrams;
  readonly #receives: ReceiveList;
  readonly #poller: LoopPoller;
  readonly #handles = new TokenSlab<ReadinessHandle>();
  readonly streamTotals = () => streamTotalsOf(this.#handles.values());
  readonly check = () => checkHandles(this.#poller, this.#handles);
  /** By descriptor: the handle that is registered for it, or will be. */
  readonly #byFd: (ReadinessHandle | undefined)[] = [];
  /** How many of the handles are a SharedFd. */
  #sharedFds = 0;
  /** Handles whose interest is updated in the poller before the next wait. */
  readonly #dirty: (ReadinessHandle | undefined)[] = [];
  #dirtyCount = 0;
  readonly #reports = new ReportList();
  /** Handles that rest because their calls kept returning EAGAIN. */
  #stalled: ReadinessHandle[] = [];
  #stalledUntilMs = 0;
  readonly #closing: ClosingList;
  /** Ends long waits. Edge triggering makes it free, so that only epoll has it. */
  readonly #wakeTimer: PeriodicWakeTimer | null;
  readonly #refusals = new Refusals();

  constructor(sys: Sys, poller: LoopPoller, { oneByOne = false, memory }: ReadinessOptions = {}) {
    this.sys = sys;
    this.name = poller.name;
    this.sendFlags = sendFlags(sys);
    this.calls = new CallQueue(sys, this, oneByOne, memory);
    this.#receives = this.calls.receives;
    this.sends = new GatheredSends(this.calls, this.calls.stagingAt);
    this.sharedDatagrams = new SharedDatagrams(sys);
    this.#closing = new ClosingList(this.calls);
    this.#poller = poller;
    this.#wakeTimer = poller.edgeTriggered ? openWakeTimer(sys, poller) : null;
    poller.ride(this.calls);
  }

  get fdLimit(): number {
    return this.#poller.fdLimit;
  }

  get wakeHandle(): WakeHandle {
    return this.#poller.wakeHandle;
  }

  get pollFd(): number {
    return this.#poller.pollFd;
  }

  get isQuiet(): boolean {
    const waiting = this.#dirtyCount + this.#reports.length + this.#closing.length;
    if (this.sharedDatagrams.sends.waiting) return false;
    return waiting + this.#stalled.length === 0 && this.calls.isEmpty;
  }

  get active(): number {
    return this.#handles.size - this.#sharedFds + this.#closing.length;
  }

  accept(fd: number, sink: AcceptSink, limited = false): Acceptance {
    return this.#added(new ReadinessAcceptor(this, fd, sink, limited));
  }

  open(fd: number, sink: StreamSink, tcp = false, inherited = false): Stream {
    const edge = tcp && this.#poller.edgeTriggered;
    return this.#added(new ReadinessStream(this, fd, sink, { edge, inherited }));
  }

  datagrams(fd: number, sink: DatagramSink, settings: DatagramSettings): DatagramHandle {
    return this.#added(new ReadinessDatagrams(this, fd, sink, settings));
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    const connecting = this.#added(new ReadinessConnectOperation(this, fd, sink));
    connecting.start(address, length);
    return connecting;
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const watch = new ReadinessWatch(this, fd, interest, sink);
    this.#handles.allocate(watch);
    const other = this.#byFd[fd];
    if (other === undefined) this.#byFd[fd] = watch;
    else this.#sharedBy(other).add(watch);
    this.markDirty(watch);
    return watch;
  }

  /** Adds the owner of a new descriptor: watches of its number belonged to an older one. */
  #added<Kind extends ReadinessHandle>(handle: Kind): Kind {
    const other = this.#byFd[handle.fd];
    if (other !== undefined) this.#endAllOf(other);
    this.#handles.allocate(handle);
    this.#byFd[handle.fd] = handle;
    noteOpened(handle.fd);
    this.markDirty(handle);
    return handle;
  }

  #sharedBy(handle: ReadinessHandle): SharedFd {
    if (handle instanceof SharedFd) return handle;
    const shared = new SharedFd(this, handle.fd);
    this.#handles.allocate(shared);
    this.#sharedFds += 1;
    if (handle.registered) this.#poller.deregister(handle.fd);
    handle.registered = false;
    this.#byFd[handle.fd] = shared;
    shared.add(handle);
    return shared;
  }

  #endAllOf(handle: ReadinessHandle): void {
    if (!(handle instanceof SharedFd)) this.release(handle);
    else for (const member of [...handle.members]) if (!member.gone) this.release(member);
  }

  poll(timeoutMs: number | null): void {
    if (this.#stalled.length > 0) this.#pollStalled(timeoutMs);
    else this.#poll(timeoutMs);
    this.#refusals.end(this);
  }

  #poll(timeoutMs: number | null): void {
    // Results that a handler which threw has left behind.
    const left = this.#receives.waiting;
    if (left) this.#deliver();
    const timed = this.#wakeTimer !== null && timeoutMs !== null && timeoutMs >= WAKE_PERIOD_MS;
    const boundMs = left ? 0 : timed ? null : timeoutMs;
    do {
      this.sharedDatagrams.sends.flush();
      if (this.#dirtyCount > 0) this.#updatePoller();
      this.#wait(boundMs);
    } while (this.calls.waitLeftOut && !this.#receives.waiting);
    this.#reports.run();
    this.#receiveAll();
  }

  #wait(timeoutMs: number | null): void {
    const waiting = this.#reports.length === 0 && this.#closing.length === 0;
    this.stats.waits += 1;
    // `wait` returns before the addition reads the counter: `ready` subtracts from it.
    const reports = this.#poller.wait(waiting ? timeoutMs : 0, this);
    this.stats.reports += reports;
    if (this.#poller.interrupted) this.stats.eintr += 1;
  }

  #pollStalled(timeoutMs: number | null): void {
    this.#poll(Math.min(timeoutMs ?? STALL_MS, STALL_MS));
    if (this.sys.monotonicMs() < this.#stalledUntilMs) return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const handle of stalled) if (!handle.gone) handle.retry();
  }

  receive(handle: ReadinessHandle): void {
    if (!this.#receives.hasBuffer) this.#receiveAll();
    this.#receives.receive(handle.fd, handle.token);
  }

  acceptOne(handle: ReadinessHandle): void {
    if (!this.#receives.hasBuffer) this.#receiveAll();
    if (!handle.gone) this.#receives.accept(handle.fd, handle.token);
  }

  /** Makes the queued receives and accepts, behind the sends, and delivers the results. */
  #receiveAll(): void {
    if (!this.#receives.waiting) return;
    this.calls.flush();
    this.#receives.make();
    this.#deliver();
  }

  /** A handler that throws ends the turn; the rest is delivered in the next one. */
  #deliver(): void {
    const { sends, stats } = this;
    const receives = this.#receives;
    while (receives.next()) {
      const { result, buffer } = receives;
      const handle = this.#handles.get(receives.token);
      if (receives.isAccept) {
        if (handle !== undefined) handle.completed(result, null);
        else if (result >= 0) this.sys.close(result);
      } else if (handle === undefined) {
        stats.stale += 1; // Law 7.
      } else if (result <= 0) {
        handle.completed(result, null);
      } else {
        const chunk = receives.chunk();
        sends.borrow(buffer, chunk);
        try {
          handle.completed(result, chunk);
        } finally {
          sends.giveBack();
        }
      }
    }
  }

  flushSends(): void {
    this.calls.flush();
  }

  flush(): void {
    this.sharedDatagrams.sends.flush();
    this.calls.flush();
  }

  confirmed(): void {
    this.sends.confirm();
  }

  /** The kernel has refused a change that was queued: it is tried again call by call. */
  controlFailed(fd: number): void {
    const handle = this.#byFd[fd];
    const error = this.#poller.installAgain(fd);
    if (error === null || handle === undefined) return;
    // Out of memory, or of watches (ENOSPC): that fails one handle, not the loop.
    handle.registered = false;
    handle.installed = Interest.none;
    if (!handle.refused(-error.errno)) this.#refusals.add(handle, error);
  }

  /** A descriptor is ready. The poller calls it from its wait. */
  ready(token: number, interest: Interest, errno: number): void {
    const handle = this.#handles.get(token);
    if (handle === undefined) {
      this.stats.reports -= 1;
      if (token === NO_TOKEN) this.#wakeTimer?.expired();
      else this.stats.stale += 1; // Law 7.
      return;
    }
    handle.ready(interest, errno);
  }

  closePhase(): void {
    this.#closing.closePhase();
  }

  wake(): void {
    this.#poller.wake();
  }

  fds(): number[] {
    const fds = [...this.#poller.fds, ...this.#closing.fds, ...this.#receives.acceptedFds];
    if (this.#wakeTimer !== null) fds.push(this.#wakeTimer.fd);
    for (const handle of this.#handles.values()) {
      if (handle.ownsFd) fds.push(handle.fd, ...handle.extraFds);
    }
    return fds;
  }

  destroy(): void {
    this.flush();
    this.#receives.closeAccepted();
    for (const handle of [...this.#handles.values()]) this.remove(handle);
    this.#closing.closeAll();
    this.#poller.close();
    this.#wakeTimer?.close();
  }

  markDirty(handle: ReadinessHandle): void {
    const known = handle.shared ?? handle;
    if (known.dirty) return;
    known.dirty = true;
    this.#dirty[this.#dirtyCount] = known;
    this.#dirtyCount += 1;
  }

  reportLater(handle: ReadinessHandle): void {
    this.#reports.add(handle);
  }

  retryLater(handle: ReadinessHandle): void {
    if (this.#stalled.length === 0) this.#stalledUntilMs = this.sys.monotonicMs() + STALL_MS;
    this.#stalled.push(handle);
  }

  /** Forgets a handle; the close phase closes its descriptor if the backend owns it. */
  remove(handle: ReadinessHandle): void {
    if (handle.gone) return;
    this.release(handle, handle.ownsFd);
    if (handle.ownsFd) this.#closing.add(handle);
  }

  /** Forgets a handle. `closes` says that its descriptor is closed next. */
  release(handle: ReadinessHandle, closes = false): void {
    handle.gone = true;
    if (handle.ownsFd && !closes) noteClosing(handle.fd);
    this.#handles.free(handle.token);
    if (handle.shared instanceof SharedFd) {
      if (!handle.shared.gone) this.#leave(handle.shared, handle);
      return;
    }
    if (handle.registered) {
      if (closes && !handle.outlivesClose) this.#poller.forget(handle.fd);
      else this.#poller.deregister(handle.fd);
    }
    if (this.#byFd[handle.fd] === handle) this.#byFd[handle.fd] = undefined;
    if (handle instanceof SharedFd) this.#sharedFds -= 1;
  }

  #leave(shared: SharedFd, handle: ReadinessHandle): void {
    shared.drop(handle);
    if (handle.ownsFd) {
      // The descriptor is closed: its watches end with it.
      for (const watch of shared.members) {
        watch.gone = true;
        this.#handles.free(watch.token);
      }
    } else if (shared.members.length > 0) {
      this.markDirty(shared);
      return;
    }
    this.release(shared, handle.ownsFd && !handle.outlivesClose);
  }

  #updatePoller(): void {
    // Updating a handle does not make any handle dirty.
    for (let at = 0; at < this.#dirtyCount; at++) {
      const handle = this.#dirty[at];
      if (handle === undefined) continue;
      handle.dirty = false;
      if (handle.gone || handle.shared !== null) continue;
      const wanted = handle.wanted();
      if (wanted === handle.installed && !handle.rearm) continue;
      try {
        if (handle.registered) this.#poller.modify(handle.fd, wanted, handle.token);
        else this.#poller.register(handle.fd, wanted, handle.token, handle.edge);
      } catch (error) {
        // Out of memory, or of watches (ENOSPC): that fails one handle, not the loop.
        if (!(error instanceof SysError) || !handle.refused(-error.errno)) throw error;
        continue;
      }
      handle.registered = true;
      handle.rearm = false;
      handle.installed = wanted;
    }
    // Behind the loop: after a refusal that is thrown, the list is gone through again.
    for (let at = 0; at < this.#dirtyCount; at++) this.#dirty[at] = undefined;
    this.#dirtyCount = 0;
  }
}
