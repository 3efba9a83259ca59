/** An entry of a report list. */
interface Reporter {
  readonly gone: boolean;
  /** Whether it is in the list. */
  reporting: boolean;
  report(): void;
}

/** Handles with a report that came up inside a call and must wait for the turn: law 2. */
export class ReportList {
  #waiting: Reporter[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /** Adds a handle unless it is in the list. */
  add(handle: Reporter): void {
    if (handle.reporting) return;
    handle.reporting = true;
    this.#waiting.push(handle);
  }

  /** Runs the reports of the handles added before the call. */
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
      // A callback that throws ends the turn; the rest is reported in the next one.
      if (reported < reporting.length) this.#waiting.unshift(...reporting.slice(reported));
    }
  }
}
