/** Hears of everything that must not be. The first of it is what a seed fails with. */
export class Oracle {
  violation: string | null = null;
  /** How often a callback ran: with it one sees whether a turn came to anything. */
  callbacks = 0;
  #depth = 0;

  broken(what: string): void {
    this.violation ??= what;
  }

  /** Notes `what` unless `holds`. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.broken(what);
  }

  /** Runs a callback of the user's: never inside of another one (law 2). */
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
