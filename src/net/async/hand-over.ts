import type { Loop } from '../../loop/loop.ts';
import { type LoopSink, register, unregister } from './loop-end.ts';

/** A listening socket that goes on in another process, until this one has let go of it. */
export class HandOver implements LoopSink {
  place = -1;
  /** Resolves once the last connection that this process has accepted is delivered. */
  readonly done: Promise<void>;
  readonly #loop: Loop;
  #resolve: () => void = () => undefined;

  constructor(loop: Loop) {
    this.#loop = loop;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    register(loop, this);
  }

  /** The descriptor is closed. */
  closed(): void {
    unregister(this.#loop, this);
    this.#resolve();
  }

  loopClosed(): void {
    this.#resolve();
  }
}
