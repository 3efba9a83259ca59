import { receiveMemory } from '../../base/borrowed.ts';
import { NO_TOKEN, TokenSlab } from '../../base/token-slab.ts';
import { Heartbeat } from '../../poller/periodic-wake-timer.ts';
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
import { HEARTBEAT_MS, RECEIVE_BYTES, STALL_MS } from '../limits.ts';
import { ReportList } from '../report-list.ts';
import { SharedFd } from '../shared-fd.ts';
import { Acceptance } from './acceptor.ts';
import { ChunkViews } from './chunk-views.ts';
import { Connecting } from './connect-operation.ts';
import type { Host, Subject } from './handle.ts';
import { ReadinessStream } from './stream.ts';
import { FdWatch } from './watch.ts';

/**
 * Any {@link Poller} as a {@link Backend}: what is ready is done at once, with one call.
 *
 * The work lies with the subjects (a stream, a listener, a connect, a watch), each in a file of
 * its own. Here is what they share: who has which token, which interest the poller still has to be
 * told, what is to be reported in the next turn, and what is to be closed.
 */
export class ReadinessBackend implements Backend, ReadySink, Host {
  readonly name: BackendName;
  readonly sys: Sys;
  /** What every receive reads into: no buffer per connection. */
  readonly receiveBuffer = receiveMemory(RECEIVE_BYTES);
  readonly views = new ChunkViews();
  lent: Uint8Array | null = null;
  readonly sendFlags: number;
  readonly stats: BackendStats = newStats();
  readonly #poller: Poller;
  readonly #subjects = new TokenSlab<Subject>();
  /** By descriptor: who the poller knows for it, or will. */
  readonly #byFd: (Subject | undefined)[] = [];
  /** How many of the subjects only stand for others. */
  #sharedFds = 0;
  /** Whose interest differs from what the poller knows; told before the next wait, once. */
  readonly #dirty: Subject[] = [];
  readonly #reports = new ReportList();
  /** Who rests until then, because its calls kept saying EAGAIN. */
  #stalled: Subject[] = [];
  #stalledUntilMs = 0;
  readonly #closing: ClosingList;
  /** Ends the waits that nothing else ends: epoll alone can be told of it for nothing. */
  readonly #heartbeat: Heartbeat | null;

  constructor(sys: Sys, poller: Poller) {
    this.sys = sys;
    this.name = poller.name;
    this.sendFlags = sendFlags(sys);
    this.#closing = new ClosingList(sys);
    this.#poller = poller;
    this.#heartbeat = poller.edgeTriggered ? Heartbeat.open(sys, HEARTBEAT_MS) : null;
    if (this.#heartbeat === null) return;
    poller.register(this.#heartbeat.fd, Interest.read, NO_TOKEN, true);
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
    return this.#subjects.size - this.#sharedFds + this.#closing.length;
  }

  accept(fd: number, sink: AcceptSink): Subscription {
    return this.#added(new Acceptance(this, fd, sink));
  }

  open(fd: number, sink: StreamSink, tcp = false): Stream {
    const edge = tcp && this.#poller.edgeTriggered;
    return this.#added(new ReadinessStream(this, fd, sink, edge));
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    const connecting = this.#added(new Connecting(this, fd, sink));
    connecting.start(address, length);
    return connecting;
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const watch = new FdWatch(this, fd, interest, sink);
    this.#subjects.allocate(watch);
    const other = this.#byFd[fd];
    if (other === undefined) this.#byFd[fd] = watch;
    else this.#sharedBy(other).add(watch);
    this.interestChanged(watch);
    return watch;
  }

  /** Adds the owner of a descriptor that is new: watches of its number were those of another. */
  #added<Kind extends Subject>(subject: Kind): Kind {
    const other = this.#byFd[subject.fd];
    if (other !== undefined) this.#endAllOf(other);
    this.#subjects.allocate(subject);
    this.#byFd[subject.fd] = subject;
    this.interestChanged(subject);
    return subject;
  }

  #sharedBy(subject: Subject): SharedFd {
    if (subject instanceof SharedFd) return subject;
    const shared = new SharedFd(this, subject.fd);
    this.#subjects.allocate(shared);
    this.#sharedFds += 1;
    if (subject.registered) this.#poller.deregister(subject.fd);
    subject.registered = false;
    this.#byFd[subject.fd] = shared;
    shared.add(subject);
    return shared;
  }

  #endAllOf(subject: Subject): void {
    if (!(subject instanceof SharedFd)) this.release(subject);
    else for (const member of [...subject.members]) if (!member.gone) this.release(member);
  }

  poll(timeoutMs: number | null): void {
    this.#tellPoller();
    if (this.#stalled.length > 0) this.#pollStalled(timeoutMs);
    else this.#poll(timeoutMs);
  }

  #poll(timeoutMs: number | null): void {
    const waiting = this.#reports.length === 0 && this.#closing.length === 0;
    this.stats.waits += 1;
    const beats = this.#heartbeat !== null && timeoutMs !== null && timeoutMs >= HEARTBEAT_MS;
    // Read before it is added: `ready` takes away what was no report.
    const reports = this.#poller.wait(waiting ? (beats ? null : timeoutMs) : 0, this);
    this.stats.reports += reports;
    if (this.#poller.interrupted) this.stats.eintr += 1;
    this.#reports.run();
  }

  #pollStalled(timeoutMs: number | null): void {
    this.#poll(Math.min(timeoutMs ?? STALL_MS, STALL_MS));
    if (this.sys.monotonicMs() < this.#stalledUntilMs) return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const subject of stalled) if (!subject.gone) subject.retry();
  }

  /** What the poller found. Called from its wait, and so from the loop's turn. */
  ready(token: number, interest: Interest, errno: number): void {
    const subject = this.#subjects.get(token);
    if (subject === undefined) {
      this.stats.reports -= 1;
      if (token === NO_TOKEN) this.#heartbeat?.beaten();
      else this.stats.stale += 1; // Law 7.
      return;
    }
    subject.ready(interest, errno);
  }

  settle(): void {
    this.#closing.settle();
  }

  wake(): void {
    this.#poller.wake();
  }

  fds(): number[] {
    const fds = [...this.#poller.fds, ...this.#closing.fds];
    if (this.#heartbeat !== null) fds.push(this.#heartbeat.fd);
    for (const subject of this.#subjects.values()) {
      if (subject.ownsFd) fds.push(subject.fd, ...subject.extraFds);
    }
    return fds;
  }

  destroy(): void {
    for (const subject of [...this.#subjects.values()]) this.remove(subject);
    this.#closing.closeAll();
    this.#poller.close();
    this.#heartbeat?.close();
  }

  interestChanged(subject: Subject): void {
    const known = subject.shared ?? subject;
    if (known.dirty) return;
    known.dirty = true;
    this.#dirty.push(known);
  }

  reportLater(subject: Subject): void {
    this.#reports.add(subject);
  }

  retryLater(subject: Subject): void {
    if (this.#stalled.length === 0) this.#stalledUntilMs = this.sys.monotonicMs() + STALL_MS;
    this.#stalled.push(subject);
  }

  /** Forgets a subject and, unless its descriptor is somebody else's, closes it in `settle`. */
  remove(subject: Subject): void {
    if (subject.gone) return;
    this.release(subject);
    if (subject.ownsFd) this.#closing.add(subject);
  }

  /** Forgets a subject whose descriptor goes on elsewhere. */
  release(subject: Subject): void {
    subject.gone = true;
    this.#subjects.free(subject.token);
    const { shared } = subject;
    if (shared instanceof SharedFd) {
      if (!shared.gone) this.#leave(shared, subject);
      return;
    }
    if (subject.registered) this.#poller.deregister(subject.fd);
    if (this.#byFd[subject.fd] === subject) this.#byFd[subject.fd] = undefined;
    if (subject instanceof SharedFd) this.#sharedFds -= 1;
  }

  #leave(shared: SharedFd, subject: Subject): void {
    shared.drop(subject);
    if (subject.ownsFd) {
      // The descriptor gets closed: its watches end with it.
      for (const watch of shared.members) {
        watch.gone = true;
        this.#subjects.free(watch.token);
      }
    } else if (shared.members.length > 0) {
      this.interestChanged(shared);
      return;
    }
    this.release(shared);
  }

  #tellPoller(): void {
    // Steal nothing: a subject that is told cannot become dirty by being told.
    for (const subject of this.#dirty) {
      subject.dirty = false;
      if (subject.gone || subject.shared !== null) continue;
      const wanted = subject.wanted();
      if (wanted === subject.installed && !subject.rearm) continue;
      try {
        if (subject.registered) this.#poller.modify(subject.fd, wanted, subject.token);
        else this.#poller.register(subject.fd, wanted, subject.token, subject.edge);
      } catch (error) {
        // Out of memory, or of watches (ENOSPC): one subject is the worse for it, not the loop.
        if (!(error instanceof SysError) || !subject.refused(-error.errno)) throw error;
        continue;
      }
      subject.registered = true;
      subject.rearm = false;
      subject.installed = wanted;
    }
    this.#dirty.length = 0;
  }
}
