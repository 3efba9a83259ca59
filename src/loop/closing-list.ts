import type { Sys } from '../sys/sys.ts';

/** An entry of a closing list. */
interface Closing {
  readonly fd: number;
  /** Further descriptors that it holds. */
  readonly extraFds: readonly number[];
  dispose(): void;
  closed(): void;
}

/** Handles whose descriptors are closed in the close phase of the turn: law 6. */
export class ClosingList {
  readonly #sys: Sys;
  readonly #handles: Closing[] = [];
  /** How many of them are closed. */
  #done = 0;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  get length(): number {
    return this.#handles.length;
  }

  /** The descriptors that are still open. */
  get fds(): number[] {
    return this.#handles.slice(this.#done).flatMap((one) => [one.fd, ...one.extraFds]);
  }

  add(handle: Closing): void {
    this.#handles.push(handle);
  }

  /** Closes the handles added before the call, and reports it. */
  closePhase(): void {
    const handles = this.#handles;
    const count = handles.length;
    if (count === 0) return;
    try {
      while (this.#done < count) {
        const handle = handles[this.#done];
        this.#done += 1;
        if (handle === undefined) break; // Closed by `closeAll`.
        this.#close(handle);
        handle.closed();
      }
    } finally {
      // A callback that throws ends the turn; the rest is closed in the next one.
      if (this.#done >= handles.length) handles.length = 0;
      else handles.splice(0, this.#done);
      this.#done = 0;
    }
  }

  /** Closes the rest without reports, also from inside {@link closePhase}. */
  closeAll(): void {
    for (const handle of this.#handles.splice(this.#done)) this.#close(handle);
  }

  #close(handle: Closing): void {
    this.#sys.close(handle.fd);
    handle.dispose();
  }
}
