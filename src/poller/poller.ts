/**
 * Readiness: which of many descriptors can be read or written now. One contract, four kernels'
 * ways: select(2), poll(2), epoll(7), kqueue(2).
 *
 * What holds for every poller, each a case of the suite that runs over all of them:
 *
 * - Level-triggered: what is ready is reported by every wait until it has been dealt with.
 * - One registration for a descriptor; registering again replaces it, so that a number whose
 *   descriptor was closed behind the poller's back can be used anew.
 * - `deregister` is legal at any time: after close(2), after the number was reused, twice.
 * - Token in, token out: what is reported is the token of the registration that is in force, never
 *   that of an earlier one, and at most once a wait. Nothing is reported for a descriptor that was
 *   deregistered earlier in the same wait.
 * - An end of stream, a hang-up or an error makes ready whatever is of interest: the next call on
 *   the descriptor tells the truth. A spurious report is legal, so that call must not block.
 * - A wait that a signal interrupts ends with nothing. Timeouts round up and never end early, but
 *   for one case: epoll's wait may end with nothing where it had to let go of a closed descriptor
 *   that a duplicate keeps in its set.
 * - What was closed without a word is waited for no more; its registration stays until it is
 *   deregistered or replaced.
 * - `wake` ends a wait that is under way, or the next one. Wakes coalesce; none is lost.
 */

/** What to watch a descriptor for, and what it is ready for: bits, so both can be one number. */
export const Interest = { none: 0, read: 1, write: 2, both: 3 } as const;
export type Interest = (typeof Interest)[keyof typeof Interest];

/**
 * Beside an interest in the report of an edge-triggered registration: the peer has ended its side,
 * or the connection broke, so there is more to read than bytes.
 */
export const ENDING = 4;

/** The names of the pollers, in the words of `--loop`. */
export type PollerName = 'select' | 'poll' | 'epoll' | 'kqueue';

/** Hears what a wait found. */
export interface ReadySink {
  /**
   * The descriptor registered with `token` is ready for `interest`. `errno` is what the kernel said
   * of it beside (a positive number, from the fflags of a kevent), 0 as a rule: kqueue may take
   * the error off the socket, and then the next call does not tell.
   */
  ready(token: number, interest: Interest, errno: number): void;
}

/** Wakes a poller from any thread: plain numbers, to be posted to a worker. See `wake`. */
export interface WakeHandle {
  readonly kind: 'eventfd' | 'pipe' | 'user';
  /** Where to write, or the kqueue to trigger. It stays the poller's own. */
  readonly fd: number;
}

/** One way of waiting. All methods but {@link wake} belong to the thread that made it. */
export interface Poller {
  readonly name: PollerName;
  /** Descriptors from this number on are refused: FD_SETSIZE for select, Infinity otherwise. */
  readonly fdLimit: number;
  /** Whether a registration can be edge-triggered: epoll's alone. */
  readonly edgeTriggered: boolean;
  /** For waking it from another thread. */
  readonly wakeHandle: WakeHandle;
  /** The descriptors that it has opened itself. */
  readonly fds: readonly number[];
  /** Whether the last wait was ended by a signal. */
  readonly interrupted: boolean;
  /**
   * Watches `fd` for `interest`, and reports `token` (0 to 2^31 - 1). Throws a RangeError for a
   * descriptor that it cannot hold, a SysError (`EBADF`, `EPERM` for a plain file, `ENOSPC`);
   * then nothing is registered for `fd`, not even what was before.
   *
   * With `edge`, where the poller is {@link edgeTriggered}, what is ready is reported when it
   * becomes so and not again, and `ENDING` may stand beside the interest: epoll(7). Elsewhere
   * it means nothing.
   */
  register(fd: number, interest: Interest, token: number, edge?: boolean): void;
  /**
   * Changes interest and token of a registered descriptor; nothing happens if nothing changes.
   * Throws an Error for one that is not registered, a SysError where the kernel refuses.
   */
  modify(fd: number, interest: Interest, token: number): void;
  /** Forgets `fd`. */
  deregister(fd: number): void;
  /**
   * Waits at most `timeoutMs` (0 does not wait, null waits for ever) and reports what is ready.
   * Returns how many reports there were. Throws a SysError only where the poller itself is broken.
   */
  wait(timeoutMs: number | null, sink: ReadySink): number;
  /** Ends a wait. From another thread, use the function `wake` on {@link wakeHandle}. */
  wake(): void;
  /**
   * Closes what the poller opened; the registered descriptors stay their owner's. Whatever is
   * called later throws, and the wake handle must not be used: its number may be another's by then.
   */
  close(): void;
}
