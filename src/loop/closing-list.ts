import type { Sys } from '../sys/sys.ts';

/** What a closing list holds. */
interface Closing {
  readonly fd: number;
  /** What it holds beside. */
  readonly extraFds: readonly number[];
  dispose(): void;
  closed(): void;
}

/** Whose descriptors are to be closed in the closes phase of the turn: law 6. */
export class ClosingList {
  readonly #sys: Sys;
  readonly #subjects: Closing[] = [];
  /** How many of them are closed already. */
  #settled = 0;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  get length(): number {
    return this.#subjects.length;
  }

  /** The descriptors that are open still. */
  get fds(): number[] {
    return this.#subjects.slice(this.#settled).flatMap((one) => [one.fd, ...one.extraFds]);
  }

  add(subject: Closing): void {
    this.#subjects.push(subject);
  }

  /** Closes those that were added before, and reports it. */
  settle(): void {
    const subjects = this.#subjects;
    const count = subjects.length;
    if (count === 0) return;
    try {
      while (this.#settled < count) {
        const subject = subjects[this.#settled];
        this.#settled += 1;
        if (subject === undefined) break; // Closed by `closeAll`.
        this.#close(subject);
        subject.closed();
      }
    } finally {
      // A callback that throws ends the turn; what is left is closed in the next one.
      if (this.#settled >= subjects.length) subjects.length = 0;
      else subjects.splice(0, this.#settled);
      this.#settled = 0;
    }
  }

  /** Closes all that are left without a report, also from inside of {@link settle}. */
  closeAll(): void {
    for (const subject of this.#subjects.splice(this.#settled)) this.#close(subject);
  }

  #close(subject: Closing): void {
    this.#sys.close(subject.fd);
    subject.dispose();
  }
}
