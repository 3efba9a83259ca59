import { TokenSlab } from '../base/token-slab.ts';
import type { Interest, Poller, ReadySink, WakeHandle } from '../poller/poller.ts';
import { sendFlags } from '../sys/descriptors.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import { Acceptance } from './acceptance.ts';
import type {
  AcceptSink,
  Backend,
  BackendName,
  BackendStats,
  ConnectSink,
  Stream,
  StreamSink,
  Subscription,
  Watch,
  WatchSink,
} from './backend.ts';
import { Connecting } from './connecting.ts';
import { FdWatch } from './fd-watch.ts';
import { RECEIVE_BYTES } from './limits.ts';
import { ReadinessStream } from './readiness-stream.ts';
import type { Host, Subject } from './subject.ts';

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
  readonly receiveBuffer = new Uint8Array(RECEIVE_BYTES);
  readonly sendFlags: number;
  readonly stats: BackendStats = {
    waits: 0,
    reports: 0,
    stale: 0,
    accepted: 0,
    shed: 0,
    eagain: 0,
    eintr: 0,
    partialSends: 0,
  };
  readonly #poller: Poller;
  readonly #subjects = new TokenSlab<Subject>();
  /** Whose interest differs from what the poller knows; told before the next wait, once. */
  readonly #dirty: Subject[] = [];
  /** Who has something to report that came up inside a call: law 2. */
  #reporting: Subject[] = [];
  #closing: Subject[] = [];

  constructor(sys: Sys, poller: Poller) {
    this.sys = sys;
    this.name = poller.name;
    this.sendFlags = sendFlags(sys);
    this.#poller = poller;
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
    return this.#subjects.size + this.#closing.length;
  }

  accept(fd: number, sink: AcceptSink): Subscription {
    return this.#added(new Acceptance(this, fd, sink));
  }

  open(fd: number, sink: StreamSink, tcp = false): Stream {
    const edge = tcp && this.#poller.edgeTriggered;
    return this.#added(new ReadinessStream(this, fd, sink, edge));
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Subscription {
    const connecting = this.#added(new Connecting(this, fd, sink));
    connecting.start(address, length);
    return connecting;
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    return this.#added(new FdWatch(this, fd, interest, sink));
  }

  #added<Kind extends Subject>(subject: Kind): Kind {
    this.#subjects.allocate(subject);
    this.interestChanged(subject);
    return subject;
  }

  pause(subject: Subscription | Stream): void {
    (subject as Subject).setPaused(true);
  }

  resume(subject: Subscription | Stream): void {
    (subject as Subject).setPaused(false);
  }

  close(subject: Subscription | Stream): void {
    this.remove(subject as Subject);
  }

  send(stream: Stream, bytes: Uint8Array, offset: number, length: number): number {
    return (stream as ReadinessStream).send(bytes, offset, length);
  }

  finish(stream: Stream): void {
    (stream as ReadinessStream).finish();
  }

  reset(stream: Stream): void {
    (stream as ReadinessStream).reset();
  }

  poll(timeoutMs: number | null): void {
    this.#tellPoller();
    const waiting = this.#reporting.length === 0 && this.#closing.length === 0;
    this.stats.waits += 1;
    this.stats.reports += this.#poller.wait(waiting ? timeoutMs : 0, this);
    if (this.#poller.interrupted) this.stats.eintr += 1;
    this.#report();
  }

  /** What the poller found. Called from its wait, and so from the loop's turn. */
  ready(token: number, interest: Interest, errno: number): void {
    const subject = this.#subjects.get(token);
    if (subject === undefined) {
      this.stats.stale += 1; // Law 7.
      this.stats.reports -= 1;
      return;
    }
    subject.ready(interest, errno);
  }

  settle(): void {
    if (this.#closing.length === 0) return;
    const closing = this.#closing;
    this.#closing = [];
    let settled = 0;
    try {
      for (const subject of closing) {
        settled += 1;
        this.sys.close(subject.fd);
        subject.dispose();
        subject.closed();
      }
    } finally {
      // A callback that throws ends the turn; what is left is closed in the next one.
      if (settled < closing.length) this.#closing.unshift(...closing.slice(settled));
    }
  }

  wake(): void {
    this.#poller.wake();
  }

  destroy(): void {
    for (const subject of [...this.#subjects.values()]) this.remove(subject);
    for (const subject of this.#closing) {
      this.sys.close(subject.fd);
      subject.dispose();
    }
    this.#closing = [];
    this.#reporting = [];
    this.#poller.close();
  }

  interestChanged(subject: Subject): void {
    if (subject.dirty) return;
    subject.dirty = true;
    this.#dirty.push(subject);
  }

  reportLater(subject: Subject): void {
    if (subject.reporting) return;
    subject.reporting = true;
    this.#reporting.push(subject);
  }

  /** Forgets a subject and, unless its descriptor is somebody else's, closes it in `settle`. */
  remove(subject: Subject): void {
    if (subject.gone) return;
    this.release(subject);
    if (subject.ownsFd) this.#closing.push(subject);
  }

  /** Forgets a subject whose descriptor goes on elsewhere. */
  release(subject: Subject): void {
    subject.gone = true;
    if (subject.registered) this.#poller.deregister(subject.fd);
    this.#subjects.free(subject.token);
  }

  #tellPoller(): void {
    // Steal nothing: a subject that is told cannot become dirty by being told.
    for (const subject of this.#dirty) {
      subject.dirty = false;
      if (subject.gone) continue;
      const wanted = subject.wanted();
      if (wanted === subject.installed) continue;
      try {
        if (subject.registered) this.#poller.modify(subject.fd, wanted, subject.token);
        else this.#poller.register(subject.fd, wanted, subject.token, subject.edge);
      } catch (error) {
        // Out of memory, or of watches (ENOSPC): one subject is the worse for it, not the loop.
        if (!(error instanceof SysError) || !subject.refused(-error.errno)) throw error;
        continue;
      }
      subject.registered = true;
      subject.installed = wanted;
    }
    this.#dirty.length = 0;
  }

  #report(): void {
    if (this.#reporting.length === 0) return;
    const reporting = this.#reporting;
    this.#reporting = [];
    for (const subject of reporting) {
      subject.reporting = false;
      if (!subject.gone) subject.report();
    }
  }
}
