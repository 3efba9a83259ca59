/** Failures of one kind are told this often at the most. */
const FAILURE_LINE_MS = 1000;

/**
 * Lines about failures that clients can cause in any number: the first at once, then one a second,
 * which counts those that it stands for.
 */
export class FailureLines {
  readonly #print: (line: string) => void;
  readonly #nowMs: () => number;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** The last line that was not told, and how many there are with it. */
  #last = '';
  #count = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(print: (line: string) => void, nowMs: () => number) {
    this.#print = print;
    this.#nowMs = nowMs;
  }

  tell(line: string): void {
    this.#last = line;
    this.#count += 1;
    const leftMs = this.#toldMs + FAILURE_LINE_MS - this.#nowMs();
    if (leftMs <= 0) this.end();
    else this.#timer ??= setTimeout(() => this.end(), leftMs).unref();
  }

  /** Tells what is left to be told. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#count === 0) return;
    const others = this.#count - 1;
    this.#count = 0;
    this.#toldMs = this.#nowMs();
    this.#print(others === 0 ? this.#last : `${this.#last}; ${others} more since the last line`);
  }
}
