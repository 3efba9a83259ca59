/** Overrun of a wait that is put down to the rounding of the loop. */
const OVERSLEPT_MS_MIN = 2;

/**
 * Measures the turns of a thread's loop without their waits, and by how much waits overrun: events
 * that arrive meanwhile look late. Only the measured time counts.
 */
export class TurnWatch {
  longestMs = 0;
  /** Total time by which waits overran. */
  oversleptMs = 0;
  #startMs = Number.NEGATIVE_INFINITY;
  #endMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;
  /** When this turn did something for the first time: its wait was over then. 0 before. */
  #firstMs = 0;

  /** The measured time; what was noted of other times is forgotten. */
  setWindow(startMs: number, endMs: number): void {
    this.#startMs = startMs;
    this.#endMs = endMs;
    this.longestMs = 0;
    this.oversleptMs = 0;
  }

  /** Something happens. */
  working(nowMs: number): void {
    if (this.#firstMs === 0) this.#firstMs = nowMs;
  }

  /** The wait begins; what was done in front of it took its time too. */
  waiting(nowMs: number): void {
    this.#took(this.#lastMs, nowMs);
    this.#lastMs = nowMs;
    this.#firstMs = 0;
  }

  /** A turn is over, which may have waited for `waitMs`. */
  turned(nowMs: number, waitMs: number): void {
    // Whatever came: a thread that was stopped finds messages that have waited for it.
    const wakeMs = this.#lastMs + waitMs;
    const wokeMs = this.#firstMs === 0 ? nowMs : this.#firstMs;
    if (this.#lastMs > 0 && wokeMs - wakeMs > OVERSLEPT_MS_MIN) {
      this.oversleptMs += this.#within(wakeMs, wokeMs);
    }
    this.#took(Math.min(wakeMs, wokeMs), nowMs);
    this.#lastMs = nowMs;
    this.#firstMs = 0;
  }

  #took(fromMs: number, toMs: number): void {
    if (this.#lastMs === 0) return;
    const ms = this.#within(fromMs, toMs);
    if (ms > this.longestMs) this.longestMs = ms;
  }

  #within(fromMs: number, toMs: number): number {
    return Math.max(0, Math.min(toMs, this.#endMs) - Math.max(fromMs, this.#startMs));
  }
}
