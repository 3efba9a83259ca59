import { TokenBucket } from '#src/base/token-bucket.js';

/** What comes in this time is granted in one piece: a timer takes a millisecond or more. */
const PIECE_MS = 25;

/**
 * A bucket of bytes that may be sent, full at `nowMs`.
 *
 * Bytes are granted in pieces of at most half a burst. So a timer that is late by the time of half
 * a burst costs no bandwidth: the other half of the bucket takes the tokens.
 */
export function bandwidthBucket(
  bytesPerSecond: number,
  burstBytes: number,
  nowMs: number,
): TokenBucket {
  const piece = Math.ceil(Math.min(burstBytes / 2, (PIECE_MS * bytesPerSecond) / 1000));
  return new TokenBucket({ perSecond: bytesPerSecond, burst: burstBytes, piece }, nowMs);
}
