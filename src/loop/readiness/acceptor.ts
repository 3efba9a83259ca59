import { Deque } from '../../base/deque.ts';
import { Interest } from '../../poller/poller.ts';
import { acceptErrnoKind } from '../../sys/error-kinds.ts';
import type { Acceptance, AcceptSink } from '../backend.ts';
import { ACCEPTS_PER_TURN, FRUITLESS_BURSTS_MAX } from '../limits.ts';
import { ReserveDescriptor } from '../reserve-descriptor.ts';
import { LevelHandle, type ReadinessOwner } from './handle.ts';

/** Full bursts in a row before the next accepts more: an accept too many costs 0.3 us. */
const FULL_BURSTS = 4;

/** A listening socket on a readiness backend. */
export class ReadinessAcceptor extends LevelHandle implements Acceptance {
  readonly #sink: AcceptSink;
  readonly #reserve: ReserveDescriptor;
  /** The most accepts in a turn. */
  readonly #burstMax: number;
  /** How many accepts the next burst makes, and how many bursts in a row were full. */
  #burst = 1;
  #full = 0;
  /** Bursts in a row without a connection, and whether it rests because of them. */
  #fruitless = 0;
  #stalled = false;
  /** The accepts in flight, and the connections of this burst. */
  #asked = 0;
  #got = 0;
  #retiring = false;
  /** Failures in a row. */
  #failures = 0;
  /** Connections accepted while it was paused. */
  readonly #held = new Deque<number>();
  /** The errno with which the poller refused to register it, until that is reported. */
  #refusal = 0;

  constructor(owner: ReadinessOwner, fd: number, sink: AcceptSink, limited: boolean) {
    super(owner, fd);
    this.#sink = sink;
    this.#burstMax = limited ? 1 : ACCEPTS_PER_TURN;
    this.#reserve = new ReserveDescriptor(owner.sys);
  }

  /** Successors have it, and whoever it was inherited from. */
  override get outlivesClose(): boolean {
    return true;
  }

  wanted(): Interest {
    const unwanted = this.paused || this.#retiring || this.#stalled || this.#held.size > 0;
    return unwanted ? Interest.none : Interest.read;
  }

  ready(): void {
    if (this.#asked > 0 || this.wanted() === Interest.none) return;
    this.#got = 0;
    const burst = this.#burst;
    this.#asked = burst;
    for (let asked = 0; asked < burst; asked++) {
      // Making room for a call delivers results, whose handlers may close this one.
      if (this.gone) return;
      this.owner.acceptOne(this);
    }
  }

  override completed(result: number): void {
    this.#asked -= 1;
    try {
      if (result >= 0) this.#connected(result);
      else this.#failed(-result);
    } finally {
      // Also behind a handler that throws: nobody else ends what is retired.
      if (this.#asked === 0) this.#adapt();
      this.#endIfRetired();
    }
  }

  retire(): void {
    if (this.gone) return;
    this.#retiring = true;
    this.owner.markDirty(this);
    if (this.#held.size > 0) this.owner.reportLater(this);
    this.#endIfRetired();
  }

  #endIfRetired(): void {
    if (!this.#retiring || this.gone || this.#asked > 0 || this.#held.size > 0) return;
    this.owner.remove(this);
  }

  #connected(fd: number): void {
    this.#got += 1;
    this.#failures = 0;
    const holds = (this.paused && !this.#retiring) || this.#held.size > 0;
    if (holds) this.#held.push(fd);
    else this.#accepted(fd);
  }

  #accepted(fd: number): void {
    this.owner.stats.accepted += 1;
    this.#sink.accepted(fd);
  }

  /** The next burst is as long as this one was, or longer if that has happened several times. */
  #adapt(): void {
    this.#restIfFruitless();
    if (this.#got < this.#burst) {
      this.#burst = Math.max(1, this.#got);
      this.#full = 0;
      return;
    }
    this.#full += 1;
    if (this.#full < FULL_BURSTS) return;
    this.#full = 0;
    this.#burst = Math.min(2 * this.#burst, this.#burstMax);
  }

  /** A kernel that reports connections and gives none would keep the loop spinning. */
  #restIfFruitless(): void {
    this.#fruitless = this.#got > 0 ? 0 : this.#fruitless + 1;
    if (this.#fruitless < FRUITLESS_BURSTS_MAX || this.#stalled || this.gone) return;
    this.#stalled = true;
    this.owner.markDirty(this);
    this.owner.retryLater(this);
  }

  override retry(): void {
    this.#stalled = false;
    this.owner.markDirty(this);
  }

  #failed(errno: number): void {
    const { sys, stats } = this.owner;
    const { EAGAIN, EINTR } = sys.abi.errno;
    // The others of the burst fail likewise.
    if (this.paused || this.#retiring || errno === EAGAIN) return;
    if (errno === EINTR) {
      stats.eintr += 1;
      return;
    }
    const kind = acceptErrnoKind(sys.abi, errno);
    this.#failures += 1;
    if (kind === 'passing' && this.#failures < ACCEPTS_PER_TURN) return;
    this.#failures = 0;
    if (kind !== 'final') {
      // A refusal (EPERM) may leave the connection in the queue: the listener rests as well, or it
      // would spin.
      const shed = kind === 'shortage' ? this.#reserve.shed(this.fd) : 0;
      stats.shed += shed;
      this.setPaused(true);
      this.#sink.exhausted(errno, shed);
      return;
    }
    this.owner.remove(this);
    this.#sink.failed(errno);
  }

  /** As for a lack of descriptors: it rests, and tries again. */
  override refused(errno: number): boolean {
    this.#refusal = errno;
    this.owner.reportLater(this);
    return true;
  }

  protected override setPaused(paused: boolean): void {
    super.setPaused(paused);
    if (!paused && this.#held.size > 0) this.owner.reportLater(this);
  }

  /** Reports that the poller refused it, or delivers the connections that were held. */
  report(): void {
    const errno = this.#refusal;
    this.#refusal = 0;
    if (this.paused && !this.#retiring) return;
    if (errno !== 0 && !this.#retiring) {
      this.setPaused(true);
      this.#sink.exhausted(errno, 0);
      return;
    }
    while (!this.gone && (!this.paused || this.#retiring)) {
      const fd = this.#held.shift();
      if (fd === undefined) {
        this.owner.markDirty(this);
        this.#endIfRetired();
        return;
      }
      this.#accepted(fd);
    }
  }

  closed(): void {
    this.#sink.closed();
  }

  override get extraFds(): readonly number[] {
    return [...this.#held, ...this.#reserve.fds];
  }

  override dispose(): void {
    for (let fd = this.#held.shift(); fd !== undefined; fd = this.#held.shift()) {
      this.owner.sys.close(fd);
    }
    this.#reserve.close();
  }
}
