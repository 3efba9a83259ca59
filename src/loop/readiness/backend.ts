import { receiveMemory } from '../../base/borrowed.ts';
import { NO_TOKEN, TokenSlab } from '../../base/token-slab.ts';
import { PeriodicWakeTimer } from '../../poller/periodic-wake-timer.ts';
import { Interest, type Poller, type ReadySink, type WakeHandle } from '../../poller/poller.ts';
import { sendFlags } from '../../sys/descriptors.ts';
import type { Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys-error.ts';
import {
  type AcceptSink,
  type Backend,
  type BackendName,
  type BackendStats,
  type ConnectSink,
  type Handle,
  newStats,
  type Stream,
  type StreamSink,
  type Subscription,
  type Watch,
  type WatchSink,
} from '../backend.ts';
import { ClosingList } from '../closing-list.ts';
import { RECEIVE_BYTES, STALL_MS, WAKE_PERIOD_MS } from '../limits.ts';
import { ReportList } from '../report-list.ts';
import { ReadinessAcceptor } from './acceptor.ts';
import { ChunkViews } from './chunk-views.ts';
import { ReadinessConnectOperation } from './connect-operation.ts';
import type { HandleOwner, ReadinessHandle } from './handle.ts';
import { SharedFd } from './shared-fd.ts';
import { ReadinessStream } from './stream.ts';
import { ReadinessWatch } from './watch.ts';

/**
 * A {@link Poller} as a {@link Backend}: one call per ready descriptor, made at once.
 *
 * The work lies with the handles (stream, acceptor, connect operation, watch). The backend keeps
 * what they share: the tokens, the interests to update in the poller, the reports of the next
 * turn, and what is to be closed.
 */
export class ReadinessBackend implements Backend, ReadySink, HandleOwner {
  readonly name: BackendName;
  readonly sys: Sys;
  /** Every receive reads into it: no buffer per connection. */
  readonly receiveBuffer = receiveMemory(RECEIVE_BYTES);
  readonly views = new ChunkViews();
  borrowed: Uint8Array | null = null;
  readonly sendFlags: number;
  readonly stats: BackendStats = newStats();
  readonly #poller: Poller;
  readonly #handles = new TokenSlab<ReadinessHandle>();
  /** By descriptor: the handle that is registered for it, or will be. */
  readonly #byFd: (ReadinessHandle | undefined)[] = [];
  /** How many of the handles are a SharedFd. */
  #sharedFds = 0;
  /** Handles whose interest is updated in the poller before the next wait. */
  readonly #dirty: ReadinessHandle[] = [];
  readonly #reports = new ReportList();
  /** Handles that rest because their calls kept returning EAGAIN. */
  #stalled: ReadinessHandle[] = [];
  #stalledUntilMs = 0;
  readonly #closing: ClosingList;
  /** Ends long waits. Edge triggering makes it free, so that only epoll has it. */
  readonly #wakeTimer: PeriodicWakeTimer | null;

  constructor(sys: Sys, poller: Poller) {
    this.sys = sys;
    this.name = poller.name;
    this.sendFlags = sendFlags(sys);
    this.#closing = new ClosingList(sys);
    this.#poller = poller;
    this.#wakeTimer = poller.edgeTriggered ? PeriodicWakeTimer.open(sys, WAKE_PERIOD_MS) : null;
    if (this.#wakeTimer === null) return;
    poller.register(this.#wakeTimer.fd, Interest.read, NO_TOKEN, true);
  }

  get fdLimit(): number {
    return this.#poller.fdLimit;
  }

  get wakeHandle(): WakeHandle {
    return this.#poller.wakeHandle;
  }

  get interrupted(): boolean {
    return this.#poller.interrupted;
  }

  get active(): number {
    return this.#handles.size - this.#sharedFds + this.#closing.length;
  }

  accept(fd: number, sink: AcceptSink): Subscription {
    return this.#added(new ReadinessAcceptor(this, fd, sink));
  }

  open(fd: number, sink: StreamSink, tcp = false): Stream {
    const edge = tcp && this.#poller.edgeTriggered;
    return this.#added(new ReadinessStream(this, fd, sink, edge));
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
    this.interestChanged(watch);
    return watch;
  }

  /** Adds the owner of a new descriptor: watches of its number belonged to an older one. */
  #added<Kind extends ReadinessHandle>(handle: Kind): Kind {
    const other = this.#byFd[handle.fd];
    if (other !== undefined) this.#endAllOf(other);
    this.#handles.allocate(handle);
    this.#byFd[handle.fd] = handle;
    this.interestChanged(handle);
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
    this.#updatePoller();
    if (this.#stalled.length > 0) this.#pollStalled(timeoutMs);
    else this.#poll(timeoutMs);
  }

  #poll(timeoutMs: number | null): void {
    const waiting = this.#reports.length === 0 && this.#closing.length === 0;
    this.stats.waits += 1;
    const timed = this.#wakeTimer !== null && timeoutMs !== null && timeoutMs >= WAKE_PERIOD_MS;
    // `wait` returns before the addition reads the counter: `ready` subtracts from it.
    const reports = this.#poller.wait(waiting ? (timed ? null : timeoutMs) : 0, this);
    this.stats.reports += reports;
    if (this.#poller.interrupted) this.stats.eintr += 1;
    this.#reports.run();
  }

  #pollStalled(timeoutMs: number | null): void {
    this.#poll(Math.min(timeoutMs ?? STALL_MS, STALL_MS));
    if (this.sys.monotonicMs() < this.#stalledUntilMs) return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const handle of stalled) if (!handle.gone) handle.retry();
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
    const fds = [...this.#poller.fds, ...this.#closing.fds];
    if (this.#wakeTimer !== null) fds.push(this.#wakeTimer.fd);
    for (const handle of this.#handles.values()) {
      if (handle.ownsFd) fds.push(handle.fd, ...handle.extraFds);
    }
    return fds;
  }

  destroy(): void {
    for (const handle of [...this.#handles.values()]) this.remove(handle);
    this.#closing.closeAll();
    this.#poller.close();
    this.#wakeTimer?.close();
  }

  interestChanged(handle: ReadinessHandle): void {
    const known = handle.shared ?? handle;
    if (known.dirty) return;
    known.dirty = true;
    this.#dirty.push(known);
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
    this.release(handle);
    if (handle.ownsFd) this.#closing.add(handle);
  }

  /** Forgets a handle whose descriptor has another owner now. */
  release(handle: ReadinessHandle): void {
    handle.gone = true;
    this.#handles.free(handle.token);
    const { shared } = handle;
    if (shared instanceof SharedFd) {
      if (!shared.gone) this.#leave(shared, handle);
      return;
    }
    if (handle.registered) this.#poller.deregister(handle.fd);
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
      this.interestChanged(shared);
      return;
    }
    this.release(shared);
  }

  #updatePoller(): void {
    // Updating a handle does not make any handle dirty.
    for (const handle of this.#dirty) {
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
    this.#dirty.length = 0;
  }
}
