import { BaseDatagrams } from '../datagram/base-datagrams.ts';
import type { Operation, RingHandle, RingHandleOwner } from './handle.ts';
import { RingPoll } from './poll.ts';

/** A socket of datagrams on the ring: a poll that is resubmitted, and calls when it is ready. */
export class RingDatagrams extends BaseDatagrams<RingHandleOwner> implements RingHandle {
  readonly #poll = new RingPoll(this.owner.submission, this.owner.sys.abi);

  get inFlight(): boolean {
    return this.#poll.inFlight;
  }

  #wanted(): number {
    if (this.gone) return 0;
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    return (this.wantsDatagrams ? POLLIN : 0) | (this.wantsRoom ? POLLOUT : 0);
  }

  prepare(): void {
    if (!this.#poll.prepare(this.fd, this.token, this.#wanted())) this.owner.markDirty(this);
  }

  completed(_operation: Operation, result: number, more: boolean): void {
    this.#poll.completed(more);
    if (this.gone) {
      if (!more) this.owner.letGo(this);
      return;
    }
    this.owner.markDirty(this);
    if (result <= 0) {
      if (result !== -(this.owner.sys.abi.errno['ECANCELED'] ?? 0)) this.fail(-result);
      return;
    }
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    const found = this.#poll.foundIn(result, more);
    // A hang-up or an error is neither bit, and so means ready for both.
    if ((found & ~POLLIN) !== 0) this.sendWaiting();
    if ((found & ~POLLOUT) !== 0) this.receive();
  }
}
