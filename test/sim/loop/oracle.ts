/** Collects violations. A seed fails with the first one. */
export class Oracle {
  violation: string | null = null;
  /** The number of callbacks, which shows whether a turn had an effect. */
  callbacks = 0;
  #depth = 0;

  broken(what: string): void {
    this.violation ??= what;
  }

  /** Notes `what` unless `holds`. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.broken(what);
  }

  /** Runs a callback of the user, never inside of another one (law 2). */
  run(name: string, callback: () => void): void {
    if (this.#depth > 0) this.broken(`${name} ran inside of another callback`);
    this.callbacks += 1;
    this.#depth += 1;
    try {
      callback();
    } finally {
      this.#depth -= 1;
    }
  }
}

/** What is no violation on a ring, where the outcome of a send comes later. */
const LATE_OUTCOMES = ['drained, and nothing was queued', 'another number is queued'];

/**
 * On the ring a send counts as taken until it turns out to have fallen short: `drained` follows
 * then, although no call had said that anything is queued.
 */
export class RingOracle extends Oracle {
  override broken(what: string): void {
    if (!LATE_OUTCOMES.includes(what)) super.broken(what);
  }
}
