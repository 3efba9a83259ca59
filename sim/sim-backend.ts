import type { Random } from '#src/base/random.js';
import { TokenSlab } from '#src/base/token-slab.js';
import { WatchTable } from '#src/base/watch-table.js';
import type {
  AcceptSink,
  Backend,
  BackendStats,
  ConnectSink,
  Handle,
  Stream,
  StreamSink,
  Subscription,
  Watch,
  WatchSink,
} from '#src/loop/backend.js';
import type { Interest, WakeHandle } from '#src/poller/poller.js';
import type { Sys } from '#src/sys/sys.js';
import {
  type Completion,
  SimAcceptance,
  SimConnecting,
  type SimHost,
  SimStream,
  type SimSubject,
  SimWatch,
} from './sim-subjects.ts';

/**
 * A backend that completes as unkindly as the contract allows: in any order, late, in small pieces,
 * with closes that take several turns, as a kernel with operations in flight does it. What an
 * operation came to is kept beside its token for a while, and by the time it is delivered its
 * subject may have gone, or somebody else may have its place.
 *
 * It drives the calls of a simulated kernel. What runs above it must not depend on anything but
 * the twelve laws.
 */
export class SimBackend implements Backend, SimHost {
  readonly name = 'simulated';
  readonly fdLimit = Number.POSITIVE_INFINITY;
  readonly wakeHandle: WakeHandle = { kind: 'user', fd: -1 };
  readonly interrupted = false;
  readonly sys: Sys;
  readonly random: Random;
  readonly stats: BackendStats = {
    waits: 0,
    reports: 0,
    stale: 0,
    accepted: 0,
    shed: 0,
    eagain: 0,
    eintr: 0,
    partialSends: 0,
    starved: 0,
    overflows: 0,
  };
  readonly #subjects: TokenSlab<SimSubject>;
  readonly #watches = new WatchTable();
  readonly #completions: Completion[] = [];
  readonly #closing = new Map<SimSubject, number>();
  readonly #pass: (timeMs: number) => void;
  #woken = false;
  #destroyed = false;
  #stepMs = STEP_MS_MIN;

  /** `pass` lets so many milliseconds of virtual time go by; `subjects` gives the tokens. */
  constructor(
    sys: Sys,
    random: Random,
    pass: (timeMs: number) => void,
    subjects: TokenSlab<SimSubject> = new TokenSlab(),
  ) {
    this.sys = sys;
    this.random = random;
    this.#pass = pass;
    this.#subjects = subjects;
  }

  get active(): number {
    return this.#subjects.size + this.#closing.size;
  }

  accept(fd: number, sink: AcceptSink): Subscription {
    return this.#added(new SimAcceptance(this, fd, sink));
  }

  open(fd: number, sink: StreamSink): Stream {
    return this.#added(new SimStream(this, fd, sink));
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    return this.#added(new SimConnecting(this, fd, address.slice(0, length), sink));
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const watch = this.#added(new SimWatch(this, fd, interest, sink));
    this.#watches.add(watch);
    return watch;
  }

  #added<Kind extends SimSubject>(subject: Kind): Kind {
    if (subject.ownsFd) this.#watches.endAllOf(subject.fd);
    this.#subjects.allocate(subject);
    return subject;
  }

  poll(timeoutMs: number | null): void {
    if (this.#destroyed) throw new Error('the backend is closed');
    this.stats.waits += 1;
    const done = this.#round();
    if (done) this.#stepMs = STEP_MS_MIN;
    if (done || timeoutMs === 0 || this.#woken) {
      this.#woken = false;
      return;
    }
    // Nothing was ready: time passes in steps that grow, so that what is late can come.
    this.#pass(Math.min(timeoutMs ?? this.#stepMs, this.#stepMs));
    this.#stepMs = this.#round() ? STEP_MS_MIN : Math.min(2 * this.#stepMs, STEP_MS_MAX);
  }

  /** Lets the kernel work on every subject, then delivers what came of it, both in any order. */
  #round(): boolean {
    for (const subject of this.random.shuffled([...this.#subjects.values()])) {
      // Some have to wait for another round.
      if (!this.random.chance(POSTPONED)) subject.operate();
    }
    const all = this.random.shuffled(this.#completions.splice(0));
    const completions = all.filter(() => !this.random.chance(LATE));
    this.#completions.push(...all.filter((one) => !completions.includes(one)));
    let reports = 0;
    try {
      for (const completion of completions) {
        reports += 1;
        this.#deliver(completion);
      }
    } finally {
      // A callback that throws ends the turn; what is left is delivered in the next one.
      this.#completions.push(...completions.slice(reports));
    }
    return completions.length > 0;
  }

  #deliver(completion: Completion): void {
    const subject = this.#subjects.get(completion.token);
    if (subject !== undefined) {
      this.stats.reports += 1;
      subject.inFlight.delete(completion.operation);
      subject.completed(completion);
      return;
    }
    this.stats.stale += 1; // Law 7.
    this.discard(completion);
  }

  complete(completion: Completion): void {
    this.#completions.push(completion);
  }

  discard({ operation, result }: Completion): void {
    // A connection that nobody waits for any more.
    if (operation === 'accept' && result >= 0) this.sys.close(result);
  }

  settle(): void {
    for (const [subject, turns] of [...this.#closing]) {
      if (this.#destroyed) return;
      if (turns > 0) {
        this.#closing.set(subject, turns - 1);
        continue;
      }
      this.#closing.delete(subject);
      this.#join(subject);
      this.sys.close(subject.fd);
      subject.closed();
    }
  }

  /** What of a subject has completed and was not delivered is let go of before its close. */
  #join({ token }: SimSubject): void {
    const late = this.#completions.filter((completion) => completion.token === token);
    if (late.length === 0) return;
    const rest = this.#completions.filter((completion) => completion.token !== token);
    this.#completions.splice(0, this.#completions.length, ...rest);
    for (const completion of late) {
      this.stats.stale += 1;
      this.discard(completion);
    }
  }

  wake(): void {
    this.#woken = true;
  }

  fds(): number[] {
    const owned = [...this.#subjects.values()].filter(({ ownsFd }) => ownsFd);
    return [...owned, ...this.#closing.keys()].map(({ fd }) => fd);
  }

  destroy(): void {
    this.#destroyed = true;
    for (const completion of this.#completions.splice(0)) this.discard(completion);
    for (const subject of [...this.#subjects.values()]) this.remove(subject);
    for (const subject of this.#closing.keys()) this.sys.close(subject.fd);
    this.#closing.clear();
  }

  remove(subject: SimSubject): void {
    if (subject.gone) return;
    this.release(subject);
    // Operations in flight take their time to let go: law 6.
    if (subject.ownsFd) this.#closing.set(subject, this.random.below(CLOSING_TURNS_MAX));
  }

  release(subject: SimSubject): void {
    subject.gone = true;
    if (subject instanceof SimWatch) this.#watches.delete(subject);
    else this.#watches.endAllOf(subject.fd);
    subject.dispose();
    this.#subjects.free(subject.token);
  }
}

/** How much virtual time passes when nothing was ready, and when nothing has been for long. */
const STEP_MS_MIN = 1;
const STEP_MS_MAX = 16;
/** How likely a subject has to wait for another round. */
const POSTPONED = 0.3;
/** How likely a result comes a round later than others. */
const LATE = 0.2;
const CLOSING_TURNS_MAX = 4;
