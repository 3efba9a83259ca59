/** What good clients have seen in some time. */
export interface Measured {
  readonly answered: number;
  /** Datagrams without an answer. */
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A client that means well. */
export interface GoodClient {
  /** How many echoes it has had; endless if it waits for none any more. */
  readonly echoes: number;
  /** Waits for the first. */
  served(): Promise<void>;
  /** Ends in order. */
  leave(): Promise<void>;
  abandon(): void;
}

/** What the good clients of one server have seen. */
export class Journal {
  /** How long a client waits between an echo and its next message. */
  pauseMs = 0;
  /** True while no client sends, so that the server has nothing to do for them. */
  isHeld = false;
  readonly findings: string[] = [];
  #timesMs: number[] = [];
  #lost = 0;

  answered(ms: number): void {
    this.#timesMs.push(ms);
  }

  lost(): void {
    this.#lost += 1;
  }

  found(finding: string): void {
    this.findings.push(finding);
  }

  /** What was seen since the last time. */
  take(): Measured {
    const times = this.#timesMs.sort((one, other) => one - other);
    const at = (share: number): number =>
      times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    const measured = {
      answered: times.length,
      lost: this.#lost,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
    };
    this.#timesMs = [];
    this.#lost = 0;
    return measured;
  }
}
