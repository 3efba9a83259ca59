import type { ConnectSink, Handle } from '../backend.ts';
import { BaseHandle } from '../base-handle.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

/** A connect in progress on the ring. */
export class RingConnectOperation
  extends BaseHandle<RingHandleOwner>
  implements Handle, RingHandle
{
  readonly #sink: ConnectSink;
  readonly #address: Uint8Array;
  #connecting = false;
  #cancelling = false;

  constructor(owner: RingHandleOwner, fd: number, address: Uint8Array, sink: ConnectSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#address = address;
  }

  get inFlight(): boolean {
    return this.#connecting;
  }

  prepare(): void {
    const { submission } = this.owner;
    if (this.gone) {
      if (!this.#connecting || this.#cancelling) return;
      this.#cancelling = submission.cancel(this.token, Operation.connect, Operation.none);
      if (!this.#cancelling) this.owner.markDirty(this);
    } else if (!this.#connecting) {
      const address = this.#address;
      this.#connecting = submission.connect(this.fd, address, this.token, Operation.connect);
      if (!this.#connecting) this.owner.markDirty(this);
    }
  }

  completed(_operation: Operation, result: number): void {
    this.#connecting = false;
    if (this.gone) {
      this.owner.letGo(this);
    } else if (result === 0) {
      this.owner.release(this);
      this.#sink.connected(this.fd);
    } else if (result === -this.owner.sys.abi.errno.EINTR) {
      this.owner.markDirty(this);
    } else {
      this.owner.remove(this);
      this.#sink.failed(-result);
    }
  }

  report(): void {
    // A connect has nothing to report later.
  }

  closed(): void {
    this.#sink.closed();
  }
}
