import { Interest } from '../../poller/poller.ts';
import type { Watch, WatchSink } from '../backend.ts';
import { BaseHandle } from '../base-handle.ts';
import { Operation, type RingHandle, type RingHandleOwner } from './handle.ts';

/** A watched descriptor on the ring: a poll that is resubmitted after each report. */
export class RingWatch extends BaseHandle<RingHandleOwner> implements Watch, RingHandle {
  readonly #sink: WatchSink;
  #interest: Interest;
  /** The interest of the poll in flight. */
  #polling: Interest = Interest.none;
  #cancelling = false;
  /**
   * Whether it waits for a change. The kernel tells of the end of the peer's side whatever it is
   * asked for, so that a poll for writing would end at once, again and again, until there is room.
   */
  #forChange = false;
  /** Whether the poll in flight goes on although it has told what it was for. */
  #told = false;

  constructor(owner: RingHandleOwner, fd: number, interest: Interest, sink: WatchSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#interest = interest;
  }

  override get ownsFd(): boolean {
    return false;
  }

  get inFlight(): boolean {
    return this.#polling !== Interest.none;
  }

  modify(interest: Interest): void {
    if (this.gone || (this.#interest === interest && !this.paused)) return;
    this.#interest = interest;
    this.#forChange = false;
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
    const { submission } = this.owner;
    const wanted = this.#wanted();
    if (wanted === this.#polling && !this.#told) return;
    if (this.#polling !== Interest.none) {
      if (this.#cancelling) return;
      this.#cancelling = submission.cancel(this.token, Operation.poll, Operation.none);
      if (!this.#cancelling) this.owner.markDirty(this);
      return;
    }
    const [events, forChange] = [this.#eventsOf(wanted), this.#forChange];
    const submitted = submission.poll(this.fd, events, this.token, Operation.poll, forChange);
    if (submitted) this.#polling = wanted;
    else this.owner.markDirty(this);
  }

  #eventsOf(interest: Interest): number {
    const { POLLIN, POLLOUT } = this.owner.sys.abi.constants;
    return (
      ((interest & Interest.read) !== 0 ? POLLIN : 0) |
      ((interest & Interest.write) !== 0 ? POLLOUT : 0)
    );
  }

  completed(_operation: Operation, result: number, more: boolean): void {
    if (!more) this.#ended();
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
    const { POLLIN, POLLOUT, POLLRDHUP = 0 } = this.owner.sys.abi.constants;
    const found = result & ~POLLRDHUP;
    this.#forChange = found === 0;
    this.#told = more && found !== 0;
    // A hang-up or an error is neither bit, and so means ready for any interest.
    const read = (found & ~POLLOUT) !== 0 ? Interest.read : Interest.none;
    const write = (found & ~POLLIN) !== 0 ? Interest.write : Interest.none;
    const ready = (read | write) & this.#wanted();
    if (ready !== Interest.none) this.#sink.ready(ready as Interest, 0);
  }

  #ended(): void {
    this.#polling = Interest.none;
    this.#cancelling = false;
    this.#told = false;
  }

  report(): void {
    // A watch has nothing to report later.
  }

  closed(): void {
    // The descriptor stays its owner's.
  }
}
