import { BaseDatagrams } from '../datagram/base-datagrams.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

/** A socket of datagrams on the ring: a poll that is resubmitted, and calls when it is ready. */
export class RingDatagrams extends BaseDatagrams<RingHandleOwner> implements RingHandle {
  /** The events of the poll in flight, 0 without one. */
  #polling = 0;
  #cancelling = false;
  /** Whether it waits for a change, and whether the poll in flight has told: see `RingWatch`. */
  #forChange = false;
  #told = false;

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
    if (wanted === this.#polling && !this.#told) return;
    if (this.#polling !== 0) {
      if (this.#cancelling) return;
      this.#cancelling = submission.cancel(this.token, Operation.poll, Operation.none);
      if (!this.#cancelling) this.owner.markDirty(this);
      return;
    }
    const { fd, token } = this;
    const submitted = submission.poll(fd, wanted, token, Operation.poll, this.#forChange);
    if (submitted) this.#polling = wanted;
    else this.owner.markDirty(this);
  }

  completed(_operation: Operation, result: number, more: boolean): void {
    if (!more) this.#ended();
    if (this.gone) {
      if (!more) this.owner.letGo(this);
      return;
    }
    this.owner.markDirty(this);
    if (result <= 0) {
      if (result !== -(this.owner.sys.abi.errno['ECANCELED'] ?? 0)) this.fail(-result);
      return;
    }
    const { POLLIN, POLLOUT, POLLRDHUP = 0 } = this.owner.sys.abi.constants;
    // The end of a connection is told whatever the poll asks for; it can be read as well.
    const found = result & ~POLLRDHUP;
    this.#forChange = found === 0;
    this.#told = more && found !== 0;
    // A hang-up or an error is neither bit, and so means ready for both.
    if ((found & ~POLLIN) !== 0) this.sendWaiting();
    if ((found & ~POLLOUT) !== 0) this.receive();
  }

  #ended(): void {
    this.#polling = 0;
    this.#cancelling = false;
    this.#told = false;
  }
}
