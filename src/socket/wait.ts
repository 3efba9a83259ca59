import { waitErrnoKind } from '../sys/error-kinds.ts';
import type { Sys } from '../sys/sys.ts';

// Waiting for one descriptor with poll(2), for calls that have no timeout of their own.

/** The longest timeout of poll(2), an int of milliseconds: nearly 25 days. */
const POLL_TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Waits until `fd` is ready for `events` (`POLLIN`, `POLLOUT`) or `timeoutMs` have passed; null
 * waits for ever.
 *
 * Returns the events that occurred (`POLLERR` and `POLLHUP` count as ready), 0 after the timeout,
 * or `-errno`: `-EINTR` after a signal.
 */
export function waitFor(sys: Sys, fd: number, events: number, timeoutMs: number | null): number {
  // poll(2) ignores a negative descriptor, and would wait for ever.
  if (fd < 0) return -sys.abi.errno.EBADF;
  const { size, fields } = sys.abi.structs.pollfd;
  const pollfd = new Uint8Array(size);
  const view = new DataView(pollfd.buffer);
  view.setInt32(fields.fd.offset, fd, true);
  view.setInt16(fields.events.offset, events, true);
  // poll(2) counts whole milliseconds: rounding down would end the wait early.
  const wholeMs = timeoutMs === null ? -1 : Math.min(Math.ceil(timeoutMs), POLL_TIMEOUT_MS_MAX);
  const result = sys.poll(pollfd, 1, wholeMs);
  if (result <= 0) return result;
  const came = view.getInt16(fields.revents.offset, true);
  return (came & sys.abi.constants.POLLNVAL) === 0 ? came : -sys.abi.errno.EBADF;
}

/**
 * As {@link waitFor}, but a signal ends the wait only if it is `interruptible`, and a wait for
 * which the kernel has no memory is repeated.
 */
export function waitWithin(
  sys: Sys,
  fd: number,
  events: number,
  timeoutMs: number | null,
  interruptible: boolean,
): number {
  const deadlineMs = deadline(sys, timeoutMs);
  for (;;) {
    const result = waitFor(sys, fd, events, leftMs(sys, deadlineMs));
    if (result >= 0) return result;
    const kind = waitErrnoKind(sys.abi, -result);
    if (kind === 'final' || (interruptible && kind === 'passing')) return result;
    if (kind === 'shortage') rest(sys);
    else restIfHurried(sys);
  }
}

/** The pause after a wait that failed for lack of memory. */
const SHORTAGE_PAUSE_MS = 5;

const NO_DESCRIPTORS = new Uint8Array(0);

/** A short pause, so that a loop whose waits fail at once does not spin. */
export function rest(sys: Sys): void {
  sys.poll(NO_DESCRIPTORS, 0, SHORTAGE_PAUSE_MS);
}

/** Calls that ended early, by the Sys that made them. */
const earlyEnds = new WeakMap<Sys, { count: number; lastMs: number }>();

/** So many calls in a row may end early before there is a rest. */
const EARLY_ENDS_MAX = 16;

/** Calls that end early further apart than this have waited in between. */
const HURRY_MS = 1;

/**
 * A call has ended early, by a signal or with `EAGAIN`, and will be made again. If that goes on and
 * takes no time, it would keep a core busy: there is a rest then.
 */
export function restIfHurried(sys: Sys): void {
  let early = earlyEnds.get(sys);
  if (early === undefined) {
    early = { count: 0, lastMs: Number.NEGATIVE_INFINITY };
    earlyEnds.set(sys, early);
  }
  const nowMs = sys.monotonicMs();
  early.count = nowMs - early.lastMs < HURRY_MS ? early.count + 1 : 1;
  early.lastMs = nowMs;
  if (early.count < EARLY_ENDS_MAX) return;
  rest(sys);
  early.lastMs = sys.monotonicMs();
}

/** The time `timeoutMs` from now; null for none. */
export function deadline(sys: Sys, timeoutMs: number | null): number | null {
  return timeoutMs === null ? null : sys.monotonicMs() + timeoutMs;
}

/** The time left until a deadline, 0 once it has passed; null without one. */
export function leftMs(sys: Sys, deadlineMs: number | null): number | null {
  return deadlineMs === null ? null : Math.max(0, deadlineMs - sys.monotonicMs());
}

/** A timeout for several attempts: each gets an equal share of the time left. */
export class TimeShares {
  readonly #sys: Sys;
  readonly #timeMs: number | null;
  readonly #deadlineMs: number | null;
  readonly #count: number;
  #left: number;

  /** `timeMs` from now for `count` attempts; null for no timeout. */
  constructor(sys: Sys, timeMs: number | null, count: number) {
    this.#sys = sys;
    this.#timeMs = timeMs;
    this.#deadlineMs = deadline(sys, timeMs);
    this.#count = count;
    this.#left = count;
  }

  /** The timeout of the next attempt, above 0; null for none. */
  next(): number | null {
    if (this.#count === 1) return this.#timeMs;
    const timeMs = leftMs(this.#sys, this.#deadlineMs);
    const share = timeMs === null ? null : Math.max(1, Math.ceil(timeMs / this.#left));
    this.#left -= 1;
    return share;
  }
}
