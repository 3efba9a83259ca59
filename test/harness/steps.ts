import type { Scope } from './command.ts';

/** The clean-up of a run that is no test: ends what was started, last first. */
export class Steps implements Scope {
  readonly #steps: (() => Promise<void> | void)[] = [];

  after(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  async end(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step();
  }
}
