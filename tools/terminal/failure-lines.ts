/** At most one line per kind of failure in this time. */
const FAILURE_LINE_MS = 1000;

/**
 * Rate limit for failures that clients can cause in any number: the first line at once, then one a
 * second, which counts the lines it replaces.
 */
export class FailureLines {
  readonly #print: (line: string) => void;
  readonly #nowMs: () => number;
  #printedMs = Number.NEGATIVE_INFINITY;
  /** The last line not yet printed, and the number of lines it stands for. */
  #last = '';
  #count = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(print: (line: string) => void, nowMs: () => number) {
    this.#print = print;
    this.#nowMs = nowMs;
  }

  add(line: string): void {
    this.#last = line;
    this.#count += 1;
    const leftMs = this.#printedMs + FAILURE_LINE_MS - this.#nowMs();
    if (leftMs <= 0) this.end();
    else this.#timer ??= setTimeout(() => this.end(), leftMs).unref();
  }

  /** Prints the pending line. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#count === 0) return;
    const others = this.#count - 1;
    this.#count = 0;
    this.#printedMs = this.#nowMs();
    this.#print(others === 0 ? this.#last : `${this.#last}; ${others} more since the last line`);
  }
}
