import { Deque } from '../../base/deque.ts';
import { acceptStream } from '../../sys/descriptors.ts';
import { acceptErrnoKind } from '../../sys/error-kinds.ts';
import { SOCKADDR_BYTES_MAX } from '../../sys/sockaddr.ts';
import type { Acceptance, AcceptSink } from '../backend.ts';
import { BaseHandle } from '../base-handle.ts';
import { ACCEPTS_PER_TURN } from '../limits.ts';
import { ReserveDescriptor } from '../reserve-descriptor.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

const address = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/** A listening socket on the ring. */
export class RingAcceptor extends BaseHandle<RingHandleOwner> implements Acceptance, RingHandle {
  readonly #sink: AcceptSink;
  readonly #reserve: ReserveDescriptor;
  /** Whether connections are accepted one at a time. */
  readonly #limited: boolean;
  /** The operation in flight, and whether it is being cancelled. */
  #operation: Operation = Operation.none;
  #cancelling = false;
  /**
   * Whether an accept has failed for lack of a descriptor with no connection waiting: the kernel
   * allocates the descriptor first. A poll then waits for a connection before the next accept.
   */
  #short = false;
  #connectionWaits = false;
  #retiring = false;
  /** Transient failures since the last connection. */
  #failures = 0;
  /** Connections accepted while it was paused. */
  readonly #held = new Deque<number>();

  constructor(owner: RingHandleOwner, fd: number, sink: AcceptSink, limited: boolean) {
    super(owner, fd);
    this.#sink = sink;
    this.#limited = limited;
    this.#reserve = new ReserveDescriptor(owner.sys);
  }

  get inFlight(): boolean {
    return this.#operation !== Operation.none;
  }

  prepare(): void {
    const unwanted = this.gone || this.paused || this.#retiring;
    if (this.inFlight && unwanted && !this.#cancelling) this.#cancel();
    if (this.inFlight || unwanted || this.#held.size > 0) return;
    const { submission, sys } = this.owner;
    const operation = this.#short ? Operation.poll : Operation.accept;
    const submitted = this.#short
      ? submission.poll(this.fd, sys.abi.constants.POLLIN, this.token, operation)
      : submission.accept(this.fd, this.token, operation, !this.#limited);
    if (submitted) this.#operation = operation;
    else this.owner.markDirty(this);
  }

  #cancel(): void {
    const { submission } = this.owner;
    this.#cancelling = submission.cancel(this.token, this.#operation, Operation.none);
    if (!this.#cancelling) this.owner.markDirty(this);
  }

  completed(operation: Operation, result: number, more: boolean): void {
    if (!more) {
      this.#operation = Operation.none;
      this.#cancelling = false;
      this.owner.markDirty(this);
    }
    // In the reports of this turn, so that those of one turn are no more than 32: law 8. Before the
    // handler, which may throw.
    if (this.#retiring) this.owner.reportLater(this);
    const polled = operation === Operation.poll;
    if (this.gone) {
      if (result >= 0 && !polled) this.owner.sys.close(result);
      if (!more) this.owner.letGo(this);
    } else if (polled) {
      this.#short = false;
      this.#connectionWaits = result > 0;
    } else if (result < 0) {
      if (!this.#retiring) this.#failed(-result);
    } else if ((this.paused && !this.#retiring) || this.#held.size > 0) {
      this.#held.push(result);
    } else {
      this.#accepted(result);
    }
  }

  retire(): void {
    if (this.gone) return;
    this.#retiring = true;
    this.owner.markDirty(this);
    this.owner.reportLater(this);
  }

  #endIfRetired(): void {
    if (!this.#retiring || this.inFlight) return;
    if (this.#acceptRest()) this.owner.remove(this);
    else this.owner.reportLater(this);
  }

  /**
   * A connection wakes one accept only, of all rings. Was it the one that has been cancelled, the
   * connection would wait until another one comes. Returns false if there may be more of them:
   * those are the next turn's (law 8).
   */
  #acceptRest(): boolean {
    const { sys } = this.owner;
    const { ECONNABORTED, EINTR } = sys.abi.errno;
    for (let accepts = 0; accepts < ACCEPTS_PER_TURN; accepts++) {
      if (this.gone) return true;
      length[0] = address.length;
      const fd = acceptStream(sys, this.fd, address, length, true);
      if (fd >= 0) this.#accepted(fd);
      else if (fd !== -ECONNABORTED && fd !== -EINTR) return true;
    }
    return false;
  }

  #accepted(fd: number): void {
    this.#connectionWaits = false;
    this.#failures = 0;
    this.owner.stats.accepted += 1;
    this.#sink.accepted(fd);
  }

  #failed(errno: number): void {
    const { sys, stats } = this.owner;
    const { EINTR, EAGAIN, ECANCELED } = sys.abi.errno;
    // Those of a burst that come behind a pause: the accept of the resume meets them again.
    if (this.paused || errno === EINTR || errno === EAGAIN || errno === ECANCELED) return;
    const kind = acceptErrnoKind(sys.abi, errno);
    this.#failures += 1;
    if (kind === 'passing' && this.#failures < ACCEPTS_PER_TURN) return;
    if (kind !== 'final') {
      this.#failures = 0;
      const shed = kind === 'shortage' ? this.#reserve.shed(this.fd) : 0;
      this.#short = kind === 'shortage' && shed === 0 && !this.#connectionWaits;
      this.#connectionWaits = false;
      if (this.#short) return;
      stats.shed += shed;
      this.setPaused(true);
      this.#sink.exhausted(errno, shed);
      return;
    }
    this.owner.remove(this);
    this.#sink.failed(errno);
  }

  protected override setPaused(paused: boolean): void {
    super.setPaused(paused);
    if (!paused && this.#held.size > 0) this.owner.reportLater(this);
  }

  /** Delivers the connections that were held. */
  report(): void {
    for (let accepts = 0; accepts < ACCEPTS_PER_TURN; accepts++) {
      if (this.gone || (this.paused && !this.#retiring)) return;
      const fd = this.#held.shift();
      if (fd === undefined) {
        this.owner.markDirty(this);
        this.#endIfRetired();
        return;
      }
      this.#accepted(fd);
    }
    this.owner.reportLater(this);
  }

  closed(): void {
    this.#sink.closed();
  }

  override get extraFds(): readonly number[] {
    return [...this.#held, ...this.#reserve.fds];
  }

  override dispose(): void {
    for (const fd of this.#held) this.owner.sys.close(fd);
    this.#held.clear();
    this.#reserve.close();
  }
}
