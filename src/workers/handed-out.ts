import type { ThreadState } from './shared-state.ts';

/** What the owner of a service knows of the connections that it hands to a thread. */
export class HandedOut {
  readonly #state: ThreadState;
  /** Those that were not taken when last looked, and how many were taken then. */
  readonly #untaken: number[] = [];
  #taken = 0;
  /** All, up to now. */
  #count = 0;

  constructor(state: ThreadState) {
    this.#state = state;
  }

  /** How many the thread has. */
  get load(): number {
    // What it has closed is known a little late, what it was handed at once.
    return this.#count - (this.#state.accepted - this.#state.open);
  }

  /** A connection is on its way to the thread. */
  hand(fd: number): void {
    this.#forgetTaken();
    this.#untaken.push(fd);
    this.#count += 1;
  }

  #forgetTaken(): void {
    const { taken } = this.#state;
    this.#untaken.splice(0, taken - this.#taken);
    this.#taken = taken;
  }

  /** The thread has ended. Returns what it has not taken; another begins with nothing. */
  end(): number[] {
    this.#forgetTaken();
    this.#taken = 0;
    this.#count = 0;
    return this.#untaken.splice(0);
  }
}
