import type { Silence } from './thread-messages.ts';

/** Longest part of the measured time without a reply though one was awaited. */
export class SilenceWatch {
  #startMs = Number.POSITIVE_INFINITY;
  /** Beginning of the current silence. */
  #sinceMs = 0;
  /** True if a message has failed since: the silence goes on then. */
  #failed = false;
  #longestMs = 0;
  #longestAtMs = 0;

  /** The measured time begins at `startMs`. */
  begin(startMs: number): void {
    this.#startMs = startMs;
    this.#sinceMs = startMs;
    this.#longestAtMs = startMs;
  }

  /** A message is due and none was awaited: the silence begins now. */
  expecting(nowMs: number): void {
    if (!this.#failed && nowMs > this.#sinceMs) this.#sinceMs = nowMs;
  }

  failed(): void {
    this.#failed = true;
  }

  /** A reply came. */
  broken(nowMs: number): void {
    const lastedMs = nowMs - this.#sinceMs;
    if (lastedMs <= 0) return;
    this.#note(lastedMs);
    this.#sinceMs = nowMs;
    this.#failed = false;
  }

  /** Returns the longest silence. The measured time ended at `endMs`; `awaited` if replies were. */
  longest(endMs: number, awaited: boolean): Silence {
    if (awaited || this.#failed) this.#note(endMs - this.#sinceMs);
    const startMs = this.#longestAtMs;
    const durationMs = Math.max(0, Math.min(startMs + this.#longestMs, endMs) - startMs);
    return { startMs: startMs - this.#startMs, durationMs };
  }

  #note(lastedMs: number): void {
    if (lastedMs <= this.#longestMs) return;
    this.#longestMs = lastedMs;
    this.#longestAtMs = this.#sinceMs;
  }
}
