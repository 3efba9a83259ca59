import type { Random } from '#src/base/random.js';
import { TokenSlab } from '#src/base/token-slab.js';
import { WatchTable } from '#src/base/watch-table.js';
import type {
  Acceptance,
  AcceptSink,
  Backend,
  BackendStats,
  ConnectSink,
  Handle,
  Stream,
  StreamSink,
  StreamTotals,
  Watch,
  WatchSink,
} from '#src/loop/backend.js';
import type { Interest, WakeHandle } from '#src/poller/poller.js';
import type { Sys } from '#src/sys/sys.js';
import {
  type Completion,
  SimAcceptor,
  SimConnectOperation,
  type SimHandle,
  type SimHandleOwner,
  SimStream,
  SimWatch,
} from './sim-handles.ts';

/**
 * A backend that completes operations as badly as the contract allows: in any order, late, in small
 * pieces, with closes that take several turns, as with operations in flight. A result is kept with
 * its token for a while; when it is delivered, its handle may be gone and its slot reused.
 *
 * It runs on the calls of a simulated kernel. Users of it must rely on nothing but the twelve laws.
 */
export class SimBackend implements Backend, SimHandleOwner {
  readonly name = 'simulated';
  readonly fdLimit = Number.POSITIVE_INFINITY;
  readonly wakeHandle: WakeHandle = { kind: 'user', fd: -1 };
  readonly pollFd = -1;
  readonly isQuiet = false;
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
    outOfBuffers: 0,
    overflows: 0,
  };
  readonly #handles: TokenSlab<SimHandle>;
  readonly #watches = new WatchTable();
  readonly #completions: Completion[] = [];
  readonly #closing = new Map<SimHandle, number>();
  readonly #pass: (timeMs: number) => void;
  #woken = false;
  #destroyed = false;
  #stepMs = STEP_MS_MIN;

  /** `pass` advances virtual time by so many milliseconds; `handles` allocates the tokens. */
  constructor(
    sys: Sys,
    random: Random,
    pass: (timeMs: number) => void,
    handles: TokenSlab<SimHandle> = new TokenSlab(),
  ) {
    this.sys = sys;
    this.random = random;
    this.#pass = pass;
    this.#handles = handles;
  }

  get active(): number {
    return this.#handles.size + this.#closing.size;
  }

  accept(fd: number, sink: AcceptSink): Acceptance {
    return this.#added(new SimAcceptor(this, fd, sink));
  }

  open(fd: number, sink: StreamSink): Stream {
    return this.#added(new SimStream(this, fd, sink));
  }

  datagrams(): never {
    throw new Error('the simulated backend has no datagrams: use a simulated poller');
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    return this.#added(new SimConnectOperation(this, fd, address.slice(0, length), sink));
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const watch = this.#added(new SimWatch(this, fd, interest, sink));
    this.#watches.add(watch);
    return watch;
  }

  #added<Kind extends SimHandle>(handle: Kind): Kind {
    if (handle.ownsFd) this.#watches.endAllOf(handle.fd);
    this.#handles.allocate(handle);
    return handle;
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
    // Nothing was ready: time advances in growing steps, so that late results can arrive.
    this.#pass(Math.min(timeoutMs ?? this.#stepMs, this.#stepMs));
    this.#stepMs = this.#round() ? STEP_MS_MIN : Math.min(2 * this.#stepMs, STEP_MS_MAX);
  }

  /** Lets every handle operate, then delivers the results, both in random order. */
  #round(): boolean {
    for (const handle of this.random.shuffled([...this.#handles.values()])) {
      // Some wait for another round.
      if (!this.random.chance(POSTPONED)) handle.operate();
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
      // A callback that throws ends the turn; the rest is delivered in the next one.
      this.#completions.push(...completions.slice(reports));
    }
    return completions.length > 0;
  }

  #deliver(completion: Completion): void {
    const handle = this.#handles.get(completion.token);
    if (handle !== undefined) {
      this.stats.reports += 1;
      handle.inFlight.delete(completion.operation);
      handle.completed(completion);
      return;
    }
    this.stats.stale += 1; // Law 7.
    this.discard(completion);
  }

  complete(completion: Completion): void {
    this.#completions.push(completion);
  }

  discard({ operation, result }: Completion): void {
    // A connection whose listener is gone.
    if (operation === 'accept' && result >= 0) this.sys.close(result);
  }

  closePhase(): void {
    for (const [handle, turns] of [...this.#closing]) {
      if (this.#destroyed) return;
      if (turns > 0) {
        this.#closing.set(handle, turns - 1);
        continue;
      }
      this.#closing.delete(handle);
      this.#join(handle);
      this.sys.close(handle.fd);
      handle.closed();
    }
  }

  /** Discards the undelivered results of a handle before its close. */
  #join({ token }: SimHandle): void {
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
    const owned = [...this.#handles.values()].filter(({ ownsFd }) => ownsFd);
    return [...owned, ...this.#closing.keys()].map(({ fd }) => fd);
  }

  streamTotals(): StreamTotals {
    const streams = [...this.#handles.values()].filter((handle) => handle instanceof SimStream);
    const queuedBytes = streams.reduce((sum, stream) => sum + stream.queuedBytesAtMost, 0);
    return { streams: streams.length, queuedBytes };
  }

  destroy(): void {
    this.#destroyed = true;
    for (const completion of this.#completions.splice(0)) this.discard(completion);
    for (const handle of [...this.#handles.values()]) this.remove(handle);
    for (const handle of this.#closing.keys()) this.sys.close(handle.fd);
    this.#closing.clear();
  }

  remove(handle: SimHandle): void {
    if (handle.gone) return;
    this.release(handle);
    // Operations in flight take several turns to end: law 6.
    if (handle.ownsFd) this.#closing.set(handle, this.random.below(CLOSING_TURNS_MAX));
  }

  release(handle: SimHandle): void {
    handle.gone = true;
    if (handle instanceof SimWatch) this.#watches.delete(handle);
    else this.#watches.endAllOf(handle.fd);
    handle.dispose();
    this.#handles.free(handle.token);
  }
}

/** Virtual time that passes when nothing is ready, at first and at most. */
const STEP_MS_MIN = 1;
const STEP_MS_MAX = 16;
/** The probability that a handle waits for another round. */
const POSTPONED = 0.3;
/** The probability that a result is a round late. */
const LATE = 0.2;
const CLOSING_TURNS_MAX = 4;
