import { CHECKED_MAX, checking, invariant } from '../base/invariants.ts';
import { noteClosing } from '../sys/thread-resources.ts';

/** Makes close(2), at once or with the next flush. */
interface Closer {
  close(fd: number): void;
  flush(): void;
}

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
  readonly #closer: Closer;
  /** The handles, and behind them places for the next: assigning a length is slow (Node 20). */
  #handles: (Closing | undefined)[] = [];
  #count = 0;
  /** How many of them are closed, and how many of these were told. */
  #closed = 0;
  #told = 0;

  constructor(closer: Closer) {
    this.#closer = closer;
  }

  get length(): number {
    return this.#count;
  }

  /** The descriptors that are still open. */
  get fds(): number[] {
    const open = this.#handles.slice(this.#closed, this.#count);
    return open.flatMap((one) => (one === undefined ? [] : [one.fd, ...one.extraFds]));
  }

  add(handle: Closing): void {
    if (checking && this.#count < CHECKED_MAX) {
      invariant(handle.fd >= 0, 'a handle without a descriptor is to be closed');
      invariant(!this.fds.includes(handle.fd), 'a descriptor is to be closed twice');
    }
    this.#handles[this.#count] = handle;
    this.#count += 1;
  }

  /** Closes the handles added before the call, and reports it. */
  closePhase(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#close();
    try {
      while (this.#told < count) {
        const handle = this.#handles[this.#told];
        this.#handles[this.#told] = undefined;
        this.#told += 1;
        handle?.closed();
      }
    } finally {
      // A callback that throws ends the turn; the rest is told in the next one.
      if (this.#told < this.#count) this.#handles = this.#handles.slice(this.#told, this.#count);
      else if (this.#count > PLACES_MAX) this.#handles = [];
      this.#count = Math.max(this.#count - this.#told, 0);
      this.#closed = Math.max(this.#closed - this.#told, 0);
      this.#told = 0;
    }
  }

  /** Closes the rest without reports, also from inside {@link closePhase}. */
  closeAll(): void {
    this.#close();
    this.#handles = [];
    this.#count = this.#told;
    this.#closed = this.#told;
  }

  #close(): void {
    while (this.#closed < this.#count) {
      const handle = this.#handles[this.#closed];
      this.#closed += 1;
      if (handle === undefined) continue;
      noteClosing(handle.fd);
      this.#closer.close(handle.fd);
      handle.dispose();
    }
    this.#closer.flush();
  }
}

/** Places that are kept for the next turns. */
const PLACES_MAX = 1024;
