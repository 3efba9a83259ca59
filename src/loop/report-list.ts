/** What a report list holds. */
interface Reporter {
  readonly gone: boolean;
  /** Whether it is in the list. */
  reporting: boolean;
  report(): void;
}

/** Who has something to report that came up inside a call: law 2. */
export class ReportList {
  #waiting: Reporter[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /** Adds a handle, once. */
  add(handle: Reporter): void {
    if (handle.reporting) return;
    handle.reporting = true;
    this.#waiting.push(handle);
  }

  /** Lets those report that were added before. */
  run(): void {
    if (this.#waiting.length === 0) return;
    const reporting = this.#waiting;
    this.#waiting = [];
    let reported = 0;
    try {
      for (const handle of reporting) {
        reported += 1;
        handle.reporting = false;
        if (!handle.gone) handle.report();
      }
    } finally {
      // A callback that throws ends the turn; who is left reports in the next one.
      if (reported < reporting.length) this.#waiting.unshift(...reporting.slice(reported));
    }
  }
}
