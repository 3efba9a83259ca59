import { Interest } from '../../poller/poller.ts';
import type { Watch, WatchSink } from '../backend.ts';
import { LevelHandle, type ReadinessOwner } from './handle.ts';

/** A watched descriptor on a readiness backend. */
export class ReadinessWatch extends LevelHandle implements Watch {
  readonly #sink: WatchSink;
  #interest: Interest;

  constructor(owner: ReadinessOwner, fd: number, interest: Interest, sink: WatchSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#interest = interest;
  }

  override get ownsFd(): boolean {
    return false;
  }

  modify(interest: Interest): void {
    if (this.gone || this.#interest === interest) return;
    this.#interest = interest;
    this.owner.markDirty(this);
  }

  unwatch(): void {
    if (!this.gone) this.owner.release(this);
  }

  wanted(): Interest {
    return this.paused ? Interest.none : this.#interest;
  }

  ready(interest: Interest, errno: number): void {
    this.#sink.ready(interest, errno);
  }

  report(): void {
    // A watch has nothing to report later.
  }

  closed(): void {
    // The descriptor stays its owner's.
  }
}
