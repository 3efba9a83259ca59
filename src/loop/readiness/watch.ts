import { Interest } from '../../poller/poller.ts';
import type { Watch, WatchSink } from '../backend.ts';
import { type Host, Subject } from './handle.ts';

/** A watched descriptor on a readiness backend. */
export class FdWatch extends Subject implements Watch {
  readonly #sink: WatchSink;
  #interest: Interest;

  constructor(host: Host, fd: number, interest: Interest, sink: WatchSink) {
    super(host, fd);
    this.#sink = sink;
    this.#interest = interest;
  }

  override get ownsFd(): boolean {
    return false;
  }

  modify(interest: Interest): void {
    if (this.gone || this.#interest === interest) return;
    this.#interest = interest;
    this.host.interestChanged(this);
  }

  unwatch(): void {
    if (!this.gone) this.host.release(this);
  }

  wanted(): Interest {
    return this.paused ? Interest.none : this.#interest;
  }

  ready(interest: Interest, errno: number): void {
    this.#sink.ready(interest, errno);
  }

  report(): void {
    // Nothing of a watch comes up inside a call.
  }

  closed(): void {
    // Its descriptor is somebody else's.
  }
}
