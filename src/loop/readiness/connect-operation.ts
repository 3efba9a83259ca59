import { Interest } from '../../poller/poller.ts';
import { pendingError } from '../../socket/connect.ts';
import type { ConnectSink, Handle } from '../backend.ts';
import { LevelHandle, type ReadinessOwner } from './handle.ts';

/** A connect in progress on a readiness backend. */
export class ReadinessConnectOperation extends LevelHandle implements Handle {
  readonly #sink: ConnectSink;
  /** The outcome: undefined until it has ended, then 0 or an errno. */
  #outcome: number | undefined;

  constructor(owner: ReadinessOwner, fd: number, sink: ConnectSink) {
    super(owner, fd);
    this.#sink = sink;
  }

  /** Calls connect(2). An immediate outcome is reported in the next turn: law 2. */
  start(address: Uint8Array, length: number): void {
    const { sys } = this.owner;
    const result = sys.connect(this.fd, address, length);
    // An interrupted connect continues: POSIX, connect(). EAGAIN on Linux means that the backlog of
    // a UNIX listener is full, and no connect is in progress then.
    const { EINPROGRESS, EINTR } = sys.abi.errno;
    if (result === -EINPROGRESS || result === -EINTR) return;
    this.#outcome = -result;
    this.owner.markDirty(this);
    this.owner.reportLater(this);
  }

  wanted(): Interest {
    return this.#outcome === undefined ? Interest.write : Interest.none;
  }

  ready(_interest: Interest, errno: number): void {
    if (this.#outcome !== undefined) return;
    const error = -pendingError(this.owner.sys, this.fd);
    this.#outcome = error === 0 ? errno : error;
    this.report();
  }

  override refused(errno: number): boolean {
    this.#outcome ??= errno;
    this.owner.reportLater(this);
    return true;
  }

  report(): void {
    if (this.#outcome === undefined) return;
    if (this.#outcome === 0) {
      this.owner.release(this);
      this.#sink.connected(this.fd);
    } else {
      this.owner.remove(this);
      this.#sink.failed(this.#outcome);
    }
  }

  closed(): void {
    this.#sink.closed();
  }
}
