import { invariant } from '../../base/invariants.ts';
import type { Stream } from '../../loop/backend.ts';
import type { Timer } from '../../loop/timers.ts';

// What holds for a connection, for where the code checks itself.

/** A write of `length` bytes was taken. */
export function checkQueue(stream: Stream, length: number, queueBytesMax: number): void {
  // What a ring has sent in part, and tells of later, is queued without being asked for.
  const isBounded = length === 0 || stream.queuedBytesAtMost <= queueBytesMax;
  invariant(isBounded, 'a send queue is longer than its limit');
}

/** The deadline of a connection has passed, and `timer` is the one that it knows. */
export function checkExpired(timer: Timer | null): void {
  invariant(timer?.over === true, 'a connection has two deadlines');
}

/** At the end of a turn, and of the connection, which `isTimed` if it has a limit and is open. */
export function checkConnection(
  stream: Stream,
  writtenBytes: number,
  isTimed: boolean,
  timer: Timer | null,
): void {
  const isSum = stream.queuedBytesAtMost <= writtenBytes;
  invariant(isSum, 'a connection has more to send than was written');
  // A failure that is reported in the next turn has the last word.
  const isLive = timer !== null && (!timer.over || stream.broken);
  invariant(isLive === isTimed, 'a deadline without a limit, or a limit without one');
}
