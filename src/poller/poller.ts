/**
 * Readiness: which of many descriptors can be read or written now. One contract over select(2),
 * poll(2), epoll(7) and kqueue(2).
 *
 * Every poller keeps these rules; each is a case of the suite that runs over all of them:
 *
 * - Level-triggered: every wait reports a descriptor until it is no longer ready.
 * - One registration per descriptor. Registering again replaces it, so that the number of a
 *   descriptor closed without deregistering can be used again.
 * - `deregister` is allowed at any time: after close(2), after reuse of the number, twice.
 * - A report carries the token of the current registration, at most once per wait, and never one
 *   of a descriptor deregistered earlier in the same wait.
 * - An end of stream, a hang-up or an error counts as ready for any interest: the next call on the
 *   descriptor returns it. Spurious reports are allowed, so that this call must not block.
 * - A signal ends a wait without reports. Timeouts round up and never end early, with one
 *   exception: epoll's wait may end without reports after it removed a closed descriptor that a
 *   duplicate kept in its set.
 * - A descriptor closed without deregistering is no longer waited for. Its registration stays until
 *   it is deregistered or replaced.
 * - `wake` ends the current wait, or the next one. Wakes coalesce; none is lost.
 */

/** What to watch a descriptor for, and what it is ready for: a set of bits. */
export const Interest = { none: 0, read: 1, write: 2, both: 3 } as const;
export type Interest = (typeof Interest)[keyof typeof Interest];

/**
 * A bit added to the interest in reports of edge-triggered registrations: the peer has ended its
 * side or the connection broke, which a receive after the bytes returns.
 */
export const ENDING = 4;

/** The name of a poller. */
export type PollerName = 'select' | 'poll' | 'epoll' | 'kqueue';

/** Receives the reports of a wait. */
export interface ReadySink {
  /**
   * A descriptor is ready.
   *
   * @param token the token of its registration.
   * @param interest what it is ready for.
   * @param errno an error reported with it (positive, from the fflags of a kevent), else 0. kqueue
   *   may have consumed the error, which the next call then does not return.
   */
  ready(token: number, interest: Interest, errno: number): void;
}

/** Identifies a poller for `wake`, on any thread: plain values that can be posted to a worker. */
export interface WakeHandle {
  readonly kind: 'eventfd' | 'pipe' | 'user';
  /** The descriptor to write to, or the kqueue to trigger. The poller owns it. */
  readonly fd: number;
}

/** One way of waiting. All methods except {@link wake} belong to the thread that created it. */
export interface Poller {
  readonly name: PollerName;
  /** Descriptors must be below this number: FD_SETSIZE for select, Infinity otherwise. */
  readonly fdLimit: number;
  /** True if registrations can be edge-triggered: epoll only. */
  readonly edgeTriggered: boolean;
  /** Wakes it from another thread. */
  readonly wakeHandle: WakeHandle;
  /** The descriptors that it has opened. */
  readonly fds: readonly number[];
  /** A descriptor that is readable while a wait would report something; -1 for poll and select. */
  readonly pollFd: number;
  /** True if a signal ended the last wait. */
  readonly interrupted: boolean;
  /**
   * Watches a descriptor. After an error nothing is registered for it, not even an earlier
   * registration.
   *
   * @param fd the descriptor, which stays the caller's.
   * @param interest what to watch it for.
   * @param token what to report for it, from 0 to 2^31 - 1.
   * @param edge true to report only changes to ready, where the poller is {@link edgeTriggered}:
   *   epoll(7). `ENDING` may then be added to the interest. No effect elsewhere.
   * @throws RangeError for a descriptor that is not below {@link fdLimit}.
   * @throws SysError `EBADF`, `EPERM` for a plain file, `ENOSPC`.
   */
  register(fd: number, interest: Interest, token: number, edge?: boolean): void;
  /**
   * Changes the interest and the token of a registered descriptor.
   *
   * @param fd the descriptor.
   * @param interest what to watch it for.
   * @param token what to report for it, from 0 to 2^31 - 1.
   * @throws Error if it is not registered.
   * @throws SysError if the kernel refuses the change.
   */
  modify(fd: number, interest: Interest, token: number): void;
  /**
   * Ends a registration. No effect without one.
   *
   * @param fd the descriptor, which may be closed.
   */
  deregister(fd: number): void;
  /**
   * Waits, then reports what is ready.
   *
   * @param timeoutMs the longest wait in milliseconds; 0 does not wait, null waits for ever.
   * @param sink receives the reports.
   * @returns the number of reports.
   * @throws SysError only if the poller itself is broken.
   */
  wait(timeoutMs: number | null, sink: ReadySink): number;
  /** Ends a wait. From another thread, call the function `wake` with {@link wakeHandle}. */
  wake(): void;
  /**
   * Closes what the poller opened; the registered descriptors stay open. Later calls throw, and the
   * wake handle must not be used, because its number may belong to another file.
   */
  close(): void;
}
