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
    this.expect(this.#depth === 0, `${name} ran inside of another callback`);
    this.callbacks += 1;
    this.#depth += 1;
    try {
      callback();
    } finally {
      this.#depth -= 1;
    }
  }
}
