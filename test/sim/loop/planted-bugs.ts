import { type Occupant, TokenSlab } from '#src/base/token-slab.js';
import type {
  Acceptance,
  AcceptSink,
  ConnectSink,
  Handle,
  Stream,
  StreamSink,
} from '#src/loop/backend.js';
import { ReadinessBackend, type ReadinessOptions } from '#src/loop/readiness/backend.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { Operation, type RingHandle } from '#src/loop/ring/handle.js';
import type { Timer } from '#src/loop/timers.js';
import { EventLoop } from '#src/net/event-loop.js';
import { Interest, type ReadySink } from '#src/poller/poller.js';
import type { LoopPoller, RidingCalls } from '#src/poller/riding-calls.js';
import type { SysError } from '#src/sys/sys-error.js';
import { CountingSys } from './counting-sys.ts';
import { WatchedLoop } from './watched-loop.ts';

/** A bug that can be planted above the kernel, for the simulation to find. */
export type PlantedBug =
  | 'drops the rest of a partial send'
  | 'takes EAGAIN for the end'
  | 'forgets close(2)'
  | 'takes EMFILE for the end of the listener'
  | 'reports a close inside of the call'
  | 'receives while it is paused'
  | 'sends the FIN before the queue'
  | 'forgets to wait for writing'
  | 'counts timers from the beginning of the turn'
  | 'has tokens without a generation'
  | 'takes a multishot that has ended for going on'
  | 'overlooks a short write'
  | 'closes before the ring has let go';

/** System calls as a buggy caller misreads them. */
export class MisreadSys extends CountingSys {
  bug: PlantedBug | null = null;
  /** True during the close phase. */
  settling = false;
  #closes = 0;

  override recv(fd: number, into: Uint8Array, at: number, length: number, flags: number): number {
    const result = super.recv(fd, into, at, length, flags);
    const misread = this.bug === 'takes EAGAIN for the end' && result === -this.abi.errno.EAGAIN;
    return misread ? 0 : result;
  }

  override accept(fd: number, address: Uint8Array, length: Int32Array): number {
    return this.#accepted(super.accept(fd, address, length));
  }

  override accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    return this.#accepted(super.accept4(fd, address, length, flags));
  }

  #accepted(result: number): number {
    const { EINVAL = 0, EMFILE, ENFILE } = this.abi.errno;
    const isShort = result === -EMFILE || result === -ENFILE;
    const misread = this.bug === 'takes EMFILE for the end of the listener' && isShort;
    return misread ? -EINVAL : result;
  }

  override io_uring_enter(...call: Parameters<CountingSys['io_uring_enter']>): number {
    const result = super.io_uring_enter(...call);
    const more = this.abi.ioUring?.constants.IORING_CQE_F_MORE ?? 0;
    for (const { queues } of this.bug === null ? [] : this.rings) {
      queues.misread((kind, _result, flags) => {
        if (this.bug === 'overlooks a short write' && kind === Operation.sendNow) {
          return [Operation.none, flags];
        }
        const goesOn = this.bug === 'takes a multishot that has ended for going on';
        return goesOn && kind === Operation.receive ? [kind, flags | more] : null;
      });
    }
    return result;
  }

  override close(fd: number): number {
    if (this.bug === 'forgets close(2)' && this.settling) {
      this.#closes += 1;
      if (this.#closes % 4 === 0) return 0;
    }
    return super.close(fd);
  }
}

/** The readiness backend with one of the bugs. */
export class BuggyBackend extends ReadinessBackend {
  readonly #bug: PlantedBug;
  readonly #calls: MisreadSys;

  constructor(sys: MisreadSys, poller: LoopPoller, bug: PlantedBug, options: ReadinessOptions) {
    const isForgetful = bug === 'forgets to wait for writing';
    super(sys, isForgetful ? new ForgetfulPoller(poller) : poller, options);
    this.#bug = bug;
    this.#calls = sys;
  }

  override accept(fd: number, sink: AcceptSink): Acceptance {
    return this.#eager(super.accept(fd, sink));
  }

  override connect(fd: number, name: Uint8Array, length: number, sink: ConnectSink): Handle {
    return this.#eager(super.connect(fd, name, length, sink));
  }

  override open(fd: number, sink: StreamSink, tcp?: boolean, inherited?: boolean): Stream {
    const stream = this.#eager(super.open(fd, sink, tcp, inherited));
    const { MSG_NOSIGNAL = 0, SHUT_WR } = this.sys.abi.constants;
    if (this.#bug === 'drops the rest of a partial send') {
      const send = stream.send.bind(stream);
      stream.send = (bytes, offset, length) => {
        const sends = stream.queuedBytes === 0;
        if (sends && this.sys.send(fd, bytes, offset, length, MSG_NOSIGNAL) >= 0) return 0;
        return send(bytes, offset, length);
      };
    } else if (this.#bug === 'sends the FIN before the queue') {
      const finish = stream.finish.bind(stream);
      stream.finish = () => {
        this.sys.shutdown(fd, SHUT_WR);
        finish();
      };
    } else if (this.#bug === 'receives while it is paused') {
      stream.pause = () => undefined;
    }
    return stream;
  }

  /** Reports a close inside of the call, if that is the bug. */
  #eager<Kind extends Handle>(handle: Kind): Kind {
    if (this.#bug !== 'reports a close inside of the call') return handle;
    const close = handle.close.bind(handle);
    handle.close = () => {
      close();
      super.closePhase();
    };
    return handle;
  }

  override closePhase(): void {
    this.#calls.settling = true;
    super.closePhase();
    this.#calls.settling = false;
  }
}

/** The ring backend that closes a descriptor although its operations are in flight. */
export class HastyRingBackend extends RingBackend {
  override remove(handle: RingHandle): void {
    super.remove(handle);
    if (handle.inFlight && handle.ownsFd) this.letGo(handle);
  }
}

/** A poller that takes an interest in writing only at registration. */
class ForgetfulPoller implements LoopPoller {
  readonly #inner: LoopPoller;

  constructor(inner: LoopPoller) {
    this.#inner = inner;
  }

  get name(): LoopPoller['name'] {
    return this.#inner.name;
  }

  get edgeTriggered(): LoopPoller['edgeTriggered'] {
    return this.#inner.edgeTriggered;
  }

  get fdLimit(): number {
    return this.#inner.fdLimit;
  }

  get wakeHandle(): LoopPoller['wakeHandle'] {
    return this.#inner.wakeHandle;
  }

  get fds(): readonly number[] {
    return this.#inner.fds;
  }

  get pollFd(): number {
    return this.#inner.pollFd;
  }

  get interrupted(): boolean {
    return this.#inner.interrupted;
  }

  register(fd: number, interest: Interest, token: number): void {
    this.#inner.register(fd, interest, token);
  }

  modify(fd: number, interest: Interest, token: number): void {
    this.#inner.modify(fd, (interest & ~Interest.write) as Interest, token);
  }

  deregister(fd: number): void {
    this.#inner.deregister(fd);
  }

  wait(timeoutMs: number | null, sink: ReadySink): number {
    return this.#inner.wait(timeoutMs, sink);
  }

  wake(): void {
    this.#inner.wake();
  }

  ride(calls: RidingCalls): void {
    this.#inner.ride(calls);
  }

  forget(fd: number): void {
    this.#inner.forget(fd);
  }

  installAgain(fd: number): SysError | null {
    return this.#inner.installAgain(fd);
  }

  registrations(): ReturnType<LoopPoller['registrations']> {
    return this.#inner.registrations();
  }

  close(): void {
    this.#inner.close();
  }
}

/** A loop whose timers count from the beginning of the turn. */
export class HastyLoop extends WatchedLoop {
  override setTimer(delayMs: number, callback: () => void): Timer {
    const passedMs = Math.max(0, Math.min(delayMs, this.sys.monotonicMs() - this.turnMs));
    const watched = this.watchedTimer(delayMs, callback);
    return EventLoop.prototype.setTimer.call(this, delayMs - passedMs, watched);
  }
}

/** A slab without generations: the next occupant has the token of the one before. */
export class BareSlab<Kind extends Occupant> extends TokenSlab<Kind> {
  readonly #places: (Kind | undefined)[] = [];

  override get size(): number {
    return this.#places.filter((place) => place !== undefined).length;
  }

  override allocate(occupant: Kind): void {
    const free = this.#places.indexOf(undefined);
    occupant.token = free < 0 ? this.#places.length : free;
    this.#places[occupant.token] = occupant;
  }

  override get(token: number): Kind | undefined {
    return this.#places[token];
  }

  override free(token: number): void {
    this.#places[token] = undefined;
  }

  override *values(): Generator<Kind> {
    for (const place of this.#places) if (place !== undefined) yield place;
  }
}
