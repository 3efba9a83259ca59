import { Interest } from '../../poller/poller.ts';
import { acceptStream } from '../../sys/descriptors.ts';
import { acceptErrnoKind } from '../../sys/error-kinds.ts';
import { SOCKADDR_BYTES_MAX } from '../../sys/sockaddr.ts';
import type { AcceptSink, Subscription } from '../backend.ts';
import { ACCEPTS_PER_TURN } from '../limits.ts';
import { ReserveDescriptor } from '../reserve-descriptor.ts';
import { type HandleOwner, ReadinessHandle } from './handle.ts';

const address = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/** A listening socket on a readiness backend. */
export class ReadinessAcceptor extends ReadinessHandle implements Subscription {
  readonly #sink: AcceptSink;
  readonly #reserve: ReserveDescriptor;
  /** The errno with which the poller refused to register it, until that is reported. */
  #refusal = 0;

  constructor(owner: HandleOwner, fd: number, sink: AcceptSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#reserve = new ReserveDescriptor(owner.sys);
  }

  wanted(): Interest {
    return this.paused ? Interest.none : Interest.read;
  }

  ready(): void {
    const { sys, stats } = this.owner;
    let failures = 0;
    for (let accepts = 0; accepts < ACCEPTS_PER_TURN; accepts++) {
      if (this.gone || this.paused) return;
      length[0] = address.length;
      const fd = acceptStream(sys, this.fd, address, length, true);
      if (fd >= 0) {
        stats.accepted += 1;
        this.#sink.accepted(fd);
        failures = 0;
      } else if (!this.#goOn(-fd, ++failures)) {
        return;
      }
    }
  }

  /** Whether to accept the next connection after `errno`, the `failures`-th in a row. */
  #goOn(errno: number, failures: number): boolean {
    const { sys, stats } = this.owner;
    const { EAGAIN, EINTR } = sys.abi.errno;
    if (errno === EAGAIN) return false;
    if (errno === EINTR) {
      stats.eintr += 1;
      return true;
    }
    const kind = acceptErrnoKind(sys.abi, errno);
    if (kind === 'passing' && failures < ACCEPTS_PER_TURN) return true;
    if (kind !== 'final') {
      // A refusal (EPERM) may leave the connection in the queue: the listener rests as well, or it
      // would spin.
      const shed = kind === 'shortage' ? this.#reserve.shed(this.fd) : 0;
      stats.shed += shed;
      this.setPaused(true);
      this.#sink.exhausted(errno, shed);
      return false;
    }
    this.owner.remove(this);
    this.#sink.failed(errno);
    return false;
  }

  /** As for a lack of descriptors: it rests, and tries again. */
  override refused(errno: number): boolean {
    this.#refusal = errno;
    this.owner.reportLater(this);
    return true;
  }

  report(): void {
    const errno = this.#refusal;
    this.#refusal = 0;
    if (errno === 0 || this.paused) return;
    this.setPaused(true);
    this.#sink.exhausted(errno, 0);
  }

  closed(): void {
    this.#sink.closed();
  }

  override get extraFds(): readonly number[] {
    return this.#reserve.fds;
  }

  override dispose(): void {
    this.#reserve.close();
  }
}
