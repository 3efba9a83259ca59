/** How long the turns of a thread's loop take, without their waits: long ones fake long replies. */
export class TurnWatch {
  longestMs = 0;
  #lastMs = 0;
  /** When this turn did something for the first time: its wait was over then. 0 before. */
  #firstMs = 0;

  /** Something happens. */
  working(nowMs: number): void {
    if (this.#firstMs === 0) this.#firstMs = nowMs;
  }

  /** The wait begins; what was done in front of it took its time too. */
  waiting(nowMs: number): void {
    this.#took(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#firstMs = 0;
  }

  /** A turn is over, which may have waited for `waitMs`. */
  turned(nowMs: number, waitMs: number): void {
    const beganMs = this.#firstMs === 0 ? this.#lastMs + waitMs : this.#firstMs;
    this.#took(nowMs - beganMs);
    this.#lastMs = nowMs;
    this.#firstMs = 0;
  }

  #took(ms: number): void {
    if (this.#lastMs > 0 && ms > this.longestMs) this.longestMs = ms;
  }

  /** It begins anew. */
  reset(): void {
    this.longestMs = 0;
  }
}
