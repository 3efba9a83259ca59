import { BaseDatagrams } from '../datagram/base-datagrams.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

/** A socket of datagrams on the ring: a poll that is resubmitted, and calls when it is ready. */
export class RingDatagrams extends BaseDatagrams<RingHandleOwner> implements RingHandle {
  /** The events of the poll in flight, 0 without one. */
  #polling = 0;
  #cancelling = false;

  get inFlight(): boolean {
    return this.#polling !== 0;
  }

  #wanted(): number {
    if (this.gone) return 0;
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    return (this.wantsDatagrams ? POLLIN : 0) | (this.wantsRoom ? POLLOUT : 0);
  }

  prepare(): void {
    const { submission } = this.owner;
    const wanted = this.#wanted();
    if (wanted === this.#polling) return;
    if (this.#polling !== 0) {
      if (this.#cancelling) return;
      this.#cancelling = submission.cancel(this.token, Operation.poll, Operation.none);
      if (!this.#cancelling) this.owner.markDirty(this);
      return;
    }
    if (submission.poll(this.fd, wanted, this.token, Operation.poll)) this.#polling = wanted;
    else this.owner.markDirty(this);
  }

  completed(_operation: Operation, result: number): void {
    this.#polling = 0;
    this.#cancelling = false;
    if (this.gone) {
      this.owner.letGo(this);
      return;
    }
    this.owner.markDirty(this);
    if (result <= 0) {
      if (result !== -(this.owner.sys.abi.errno['ECANCELED'] ?? 0)) this.fail(-result);
      return;
    }
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    // A hang-up or an error is neither bit, and so means ready for both.
    if ((result & ~POLLIN) !== 0) this.sendWaiting();
    if ((result & ~POLLOUT) !== 0) this.receive();
  }
}
