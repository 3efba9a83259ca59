/** What comes in this time is granted in one piece: a timer takes a millisecond or more. */
const PIECE_MS = 25;

/** Room for rounding errors, in bytes. */
const EPSILON_BYTES = 1e-6;

/**
 * A token bucket: bytes may be sent while there are tokens, which come at a steady rate, and of
 * which the bucket holds at most a burst.
 *
 * Bytes are granted in pieces of at most half a burst. So a timer that is late by the time of half
 * a burst costs no bandwidth: the other half of the bucket takes the tokens.
 */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  readonly #pieceBytes: number;
  #tokens: number;
  #filledMs: number;

  /** The bucket is full at `nowMs`. */
  constructor(bytesPerSecond: number, burstBytes: number, nowMs: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#burstBytes = burstBytes;
    const pieceBytes = Math.min(burstBytes / 2, PIECE_MS * this.#bytesPerMs);
    this.#pieceBytes = Math.ceil(pieceBytes);
    this.#tokens = burstBytes;
    this.#filledMs = nowMs;
  }

  /** Takes tokens for up to `wantedBytes`, 1 and up. Returns how many bytes may be sent, or 0. */
  take(nowMs: number, wantedBytes: number): number {
    const filled = this.#tokens + (nowMs - this.#filledMs) * this.#bytesPerMs;
    this.#tokens = Math.min(this.#burstBytes, filled);
    this.#filledMs = nowMs;
    const held = Math.floor(this.#tokens + EPSILON_BYTES);
    if (held < Math.min(wantedBytes, this.#pieceBytes)) return 0;
    const granted = Math.min(wantedBytes, held);
    this.#tokens -= granted;
    return granted;
  }

  /** The time until {@link take}, which has just returned 0, grants some of `wantedBytes`. */
  waitMs(wantedBytes: number): number {
    const missing = Math.min(wantedBytes, this.#pieceBytes) - this.#tokens;
    return Math.max(0, missing / this.#bytesPerMs);
  }
}
