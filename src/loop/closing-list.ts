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
  /** The handles, and behind them places for the next: assigning a length is slow (Node 20). */
  #handles: (Closing | undefined)[] = [];
  #count = 0;
  /** How many of them are closed. */
  #done = 0;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  get length(): number {
    return this.#count;
  }

  /** The descriptors that are still open. */
  get fds(): number[] {
    return this.#open().flatMap((one) => [one.fd, ...one.extraFds]);
  }

  #open(): Closing[] {
    return this.#handles.slice(this.#done, this.#count).filter((one) => one !== undefined);
  }

  add(handle: Closing): void {
    this.#handles[this.#count] = handle;
    this.#count += 1;
  }

  /** Closes the handles added before the call, and reports it. */
  closePhase(): void {
    const count = this.#count;
    if (count === 0) return;
    try {
      while (this.#done < count) {
        const handle = this.#handles[this.#done];
        if (handle === undefined) break; // Closed by `closeAll`.
        this.#handles[this.#done] = undefined;
        this.#done += 1;
        this.#close(handle);
        handle.closed();
      }
    } finally {
      // A callback that throws ends the turn; the rest is closed in the next one.
      if (this.#done < this.#count) this.#handles = this.#open();
      else if (this.#count > PLACES_MAX) this.#handles = [];
      this.#count = Math.max(this.#count - this.#done, 0);
      this.#done = 0;
    }
  }

  /** Closes the rest without reports, also from inside {@link closePhase}. */
  closeAll(): void {
    const handles = this.#open();
    this.#handles = [];
    this.#count = this.#done;
    for (const handle of handles) this.#close(handle);
  }

  #close(handle: Closing): void {
    this.#sys.close(handle.fd);
    handle.dispose();
  }
}

/** Places that are kept for the next turns. */
const PLACES_MAX = 1024;
