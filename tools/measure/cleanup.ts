/**
 * What has to be ended however this process ends: processes that it has started. Whoever ends them
 * earlier takes them off again.
 */
export class Children implements Disposable {
  readonly #kills = new Set<() => void>();
  readonly #killAll = (): void => {
    for (const kill of this.#kills) kill();
    this.#kills.clear();
  };

  constructor() {
    process.on('exit', this.#killAll);
  }

  /** Has `kill` called at the end, unless what it returns was called before. */
  readonly add = (kill: () => void): (() => void) => {
    this.#kills.add(kill);
    return () => this.#kills.delete(kill);
  };

  [Symbol.dispose](): void {
    this.#killAll();
    process.off('exit', this.#killAll);
  }
}
