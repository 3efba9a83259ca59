import { Interest } from '../../poller/poller.ts';
import type { Watch, WatchSink } from '../backend.ts';
import { BaseHandle } from '../base-handle.ts';
import type { Operation, RingHandle, RingHandleOwner } from './handle.ts';
import { RingPoll } from './poll.ts';

/** A watched descriptor on the ring: a poll that is resubmitted after each report. */
export class RingWatch extends BaseHandle<RingHandleOwner> implements Watch, RingHandle {
  readonly #sink: WatchSink;
  #interest: Interest;
  readonly #poll: RingPoll;

  constructor(owner: RingHandleOwner, fd: number, interest: Interest, sink: WatchSink) {
    super(owner, fd);
    this.#poll = new RingPoll(owner.submission, owner.sys.abi);
    this.#sink = sink;
    this.#interest = interest;
  }

  override get ownsFd(): boolean {
    return false;
  }

  get inFlight(): boolean {
    return this.#poll.inFlight;
  }

  modify(interest: Interest): void {
    if (this.gone || (this.#interest === interest && !this.paused)) return;
    this.#interest = interest;
    this.#poll.renew();
    this.paused = false;
    this.owner.markDirty(this);
  }

  unwatch(): void {
    if (this.gone) return;
    this.owner.remove(this);
    if (!this.inFlight) return;
    // The owner may close the descriptor next, and a poll in flight would keep the file open.
    this.prepare();
    this.owner.flushSends();
  }

  #wanted(): Interest {
    return this.gone || this.paused ? Interest.none : this.#interest;
  }

  prepare(): void {
    const events = this.#eventsOf(this.#wanted());
    if (!this.#poll.prepare(this.fd, this.token, events)) this.owner.markDirty(this);
  }

  #eventsOf(interest: Interest): number {
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    return (
      ((interest & Interest.read) !== 0 ? POLLIN : 0) |
      ((interest & Interest.write) !== 0 ? POLLOUT : 0)
    );
  }

  completed(_operation: Operation, result: number, more: boolean): void {
    this.#poll.completed(more);
    if (this.gone) {
      if (!more) this.owner.letGo(this);
      return;
    }
    this.owner.markDirty(this);
    // A poll that failed (EBADF: the descriptor was closed) is resubmitted after a `modify` only.
    const { ECANCELED, EBADF } = this.owner.sys.abi.errno;
    if (result === -EBADF) this.paused = true;
    if (result <= 0 && result !== -EBADF && result !== -(ECANCELED ?? 0)) this.paused = true;
    if (result <= 0) return;
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    const found = this.#poll.foundIn(result, more);
    // A hang-up or an error is neither bit, and so means ready for any interest.
    const read = (found & ~POLLOUT) !== 0 ? Interest.read : Interest.none;
    const write = (found & ~POLLIN) !== 0 ? Interest.write : Interest.none;
    const ready = (read | write) & this.#wanted();
    if (ready !== Interest.none) this.#sink.ready(ready as Interest, 0);
  }

  report(): void {
    // A watch has nothing to report later.
  }

  closed(): void {
    // The descriptor stays its owner's.
  }
}
