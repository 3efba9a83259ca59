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
  readonly #handles: Closing[] = [];
  /** How many of them are closed, and how many of these were told. */
  #closed = 0;
  #told = 0;

  constructor(closer: Closer) {
    this.#closer = closer;
  }

  get length(): number {
    return this.#handles.length;
  }

  /** The descriptors that are still open. */
  get fds(): number[] {
    return this.#handles.slice(this.#closed).flatMap((one) => [one.fd, ...one.extraFds]);
  }

  add(handle: Closing): void {
    this.#handles.push(handle);
  }

  /** Closes the handles added before the call, and reports it. */
  closePhase(): void {
    const handles = this.#handles;
    const count = handles.length;
    if (count === 0) return;
    this.#close();
    try {
      while (this.#told < count) {
        const handle = handles[this.#told];
        this.#told += 1;
        handle?.closed();
      }
    } finally {
      // A callback that throws ends the turn; the rest is told in the next one.
      handles.splice(0, this.#told);
      this.#closed -= this.#told;
      this.#told = 0;
    }
  }

  /** Closes the rest without reports, also from inside {@link closePhase}. */
  closeAll(): void {
    this.#close();
    this.#handles.length = this.#told;
    this.#closed = this.#told;
  }

  #close(): void {
    const handles = this.#handles;
    while (this.#closed < handles.length) {
      const handle = handles[this.#closed];
      this.#closed += 1;
      if (handle === undefined) continue;
      this.#closer.close(handle.fd);
      handle.dispose();
    }
    this.#closer.flush();
  }
}
