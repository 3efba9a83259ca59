/** Actions to take however this process ends, such as ending the processes it has started. */
export class Cleanup implements Disposable {
  readonly #actions = new Set<() => void>();
  readonly #runAll = (): void => {
    for (const action of this.#actions) action();
    this.#actions.clear();
  };

  constructor() {
    process.on('exit', this.#runAll);
  }

  /** Runs `action` at the end, unless the function returned is called first. */
  add(action: () => void): () => void {
    this.#actions.add(action);
    return () => this.#actions.delete(action);
  }

  /** Takes all actions now. */
  [Symbol.dispose](): void {
    this.#runAll();
    process.off('exit', this.#runAll);
  }
}
