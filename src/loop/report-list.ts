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
        handle.reporting = false;
        if (!handle.gone) handle.report();
        reported += 1;
      }
    } finally {
      if (reported < reporting.length) this.#keepFrom(reported, reporting);
    }
  }

  /** A throw ends the turn: what its handle still owes, and the rest, waits for the next one. */
  #keepFrom(reported: number, reporting: readonly Reporter[]): void {
    const thrower = reporting[reported] as Reporter;
    const rest = reporting.slice(thrower.reporting ? reported + 1 : reported);
    thrower.reporting = true;
    this.#waiting = rest.concat(this.#waiting);
  }
}
