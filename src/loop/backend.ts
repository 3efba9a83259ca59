import type { Interest, WakeHandle } from '../poller/poller.ts';
import type { DatagramHandle, DatagramSettings, DatagramSink } from './datagram/contract.ts';

/**
 * What drives a loop. A backend delivers sockets and bytes instead of readiness, so that the
 * pollers and io_uring have one interface. Twelve laws hold for every backend; each has at least
 * one case in the conformance suite, and the code cites them by number.
 *
 *  1. Every subscription and operation ends exactly once: with a value, an errno, or `closed`.
 *  2. No callback runs inside a call of the user; callbacks run only from `poll` and `closePhase`,
 *     which only the loop calls.
 *  3. EAGAIN, EWOULDBLOCK, EINPROGRESS and EINTR never reach a sink.
 *  4. The end of a stream is delivered once, is final, and never follows an error: once a call has
 *     failed, a receive of 0 bytes is no end. A chunk has any number of bytes from 1 on; partial
 *     sends are normal.
 *  5. Bytes arrive in order, none twice, none lost; output queued before `finish` is sent before
 *     the FIN.
 *  6. Closing joins: mark closing, cancel, wait for the kernel to let go, forget the token,
 *     close(2), report once.
 *  7. A stale event (closed descriptor, reused number, older generation) is dropped and counted.
 *  8. Work per turn is bounded (`limits.ts`); no connection starves another.
 *  9. A wake before or during a wait ends that wait; wakes coalesce; none is lost.
 * 10. Timers never fire early; equal deadlines fire in order; due timers are collected, then run.
 * 11. Running out of descriptors never spins: a reserve descriptor sheds the connection, accepting
 *     pauses and resumes.
 * 12. Overflow of a queue is a counted condition with a defined path, never a lost operation.
 *
 * Descriptors passed to a backend must be non-blocking; the backend owns them from then on. All
 * methods belong to the thread of the loop.
 */
export interface Backend {
  readonly name: BackendName;
  /** Descriptors must be below this number: FD_SETSIZE for select, Infinity otherwise. */
  readonly fdLimit: number;
  readonly stats: BackendStats;
  /** Wakes the loop from another thread. */
  readonly wakeHandle: WakeHandle;
  /** A descriptor that is readable while `poll` would deliver something; -1 without one. */
  readonly pollFd: number;
  /** True if a `poll` would only wait: nothing is left to submit, report or close. */
  readonly isQuiet: boolean;
  /** The number of subscriptions and operations that have not ended. */
  readonly active: number;

  /**
   * Accepts connections on a listening socket until it is closed.
   *
   * @param fd the listening socket.
   * @param sink receives the connections.
   * @param limited true if the sink pauses once it has enough connections: none is then accepted
   *   ahead of time.
   * @returns the subscription, to pause or close it.
   */
  accept(fd: number, sink: AcceptSink, limited?: boolean): Acceptance;
  /**
   * Receives from a connected socket until its end, and sends on it.
   *
   * @param fd the connected socket.
   * @param sink receives the bytes and the events.
   * @param tcp true for a TCP socket, on which a short receive has emptied the socket: epoll(7),
   *   question 9.
   * @param inherited true where another process may have the socket as well, which a close then
   *   leaves open.
   * @returns the stream, to send on it or close it.
   */
  open(fd: number, sink: StreamSink, tcp?: boolean, inherited?: boolean): Stream;
  /**
   * Receives datagrams on a socket, and sends on it, until it is closed: the laws of datagrams are
   * in `datagram/contract.ts`.
   *
   * @param fd the socket, of SOCK_DGRAM, or a connected one of SOCK_SEQPACKET.
   * @param sink receives the datagrams and the events.
   * @param settings what the socket is like.
   * @returns the handle, to send on it or close it.
   */
  datagrams(fd: number, sink: DatagramSink, settings: DatagramSettings): DatagramHandle;
  /**
   * Connects a socket.
   *
   * @param fd the socket.
   * @param address a sockaddr, which is copied.
   * @param length its length in bytes.
   * @param sink receives the outcome.
   * @returns the operation, to close it.
   */
  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle;
  /**
   * Watches a descriptor of any kind.
   *
   * @param fd the descriptor, which stays the caller's: end the watch before closing it.
   * @param interest what to watch it for.
   * @param sink is called whenever it is ready.
   * @returns the watch, to change or end it.
   */
  watch(fd: number, interest: Interest, sink: WatchSink): Watch;

  /**
   * Waits, then delivers what has come.
   *
   * @param timeoutMs the longest wait in milliseconds; 0 does not wait, null waits for ever.
   */
  poll(timeoutMs: number | null): void;
  /** Submits the sends gathered since the last wait: the loop will not wait for a while. */
  flush?(): void;
  /** Closes what was marked for closing, and reports it. */
  closePhase(): void;
  /** Looks at its own state at the end of a turn: where the code checks itself only. */
  check?(): void;
  /** Ends a wait. From another thread, call the function `wake` with {@link wakeHandle}. */
  wake(): void;
  /**
   * Lists the open descriptors.
   *
   * @returns those passed to the backend or accepted by it, and its own.
   */
  fds(): number[];
  /**
   * Counts the open streams: a walk over all of them.
   *
   * @returns how many there are, and what they have queued, with the sends of this turn.
   */
  streamTotals(): StreamTotals;
  /**
   * Closes everything that is open, without reports, and the backend itself. Called from a
   * callback it may do so at the end of `poll`.
   *
   * @param atOnce true to close at once in any case: the thread is about to end.
   */
  destroy(atOnce?: boolean): void;
}

/** The name of a backend, as `--loop` takes it. */
export type BackendName = 'io_uring' | 'epoll' | 'kqueue' | 'poll' | 'select' | 'simulated';

/** An operation that lasts until it is closed. */
export interface Handle {
  readonly fd: number;
  /**
   * Ends it at once: queued output is dropped, the descriptor is closed in the close phase, and
   * `closed` is reported once. Idempotent.
   */
  close(): void;
}

/** An operation that produces results until it is closed: connections of a listener, bytes. */
export interface Subscription extends Handle {
  /** Stops accepting or receiving until {@link resume}; idempotent. Sends go on. */
  pause(): void;
  /** Accepts or receives again after {@link pause}; idempotent. */
  resume(): void;
}

/** A listening socket. */
export interface Acceptance extends Subscription {
  /**
   * Ends accepting where another process has the socket as well: what was accepted is delivered,
   * even if paused, and the descriptor is closed behind it.
   */
  retire(): void;
}

/** A connected socket. */
export interface Stream extends Subscription {
  /** Bytes that the kernel has not taken. It may take a system call to know. */
  readonly queuedBytes: number;
  /**
   * Bytes passed to {@link send} that the kernel has not taken: those queued, and those dropped
   * because the stream failed or was closed. Valid until and in `closed`.
   */
  readonly unsentBytes: number;
  /** True if it failed and the sink has not been told yet. */
  readonly broken: boolean;
  /** As {@link queuedBytes}, but sends of this turn may count although they were taken. */
  readonly queuedBytesAtMost: number;
  /**
   * Sends `length` bytes of `bytes` from `offset` on. On a stream that is finished, failed or
   * closing the bytes are dropped; the sink has been or will be told.
   *
   * The sends of a turn are gathered for one call. They count as taken, as they nearly always are;
   * after a short write the rest is queued ahead of everything sent later. A chunk that is being
   * delivered is sent in place; other bytes are copied, or too many to copy and sent at once.
   *
   * @returns how many bytes are queued now.
   */
  send(bytes: Uint8Array, offset: number, length: number): number;
  /** Ends the sending side once the queue is empty: shutdown(2). Idempotent. */
  finish(): void;
  /** As {@link close}, but the peer gets a reset. */
  reset(): void;
  /**
   * Fails the stream with `errno` (positive), which the caller has read by SO_ERROR: the kernel
   * reports an error only once. No effect on a stream that has failed before.
   */
  fail(errno: number): void;
}

/** The watch of one descriptor. */
export interface Watch {
  /** The watched descriptor, which stays the caller's. */
  readonly fd: number;
  /**
   * Changes what the descriptor is watched for.
   *
   * @param interest the new interest.
   */
  modify(interest: Interest): void;
  /** Ends the watch at once; nothing is reported. */
  unwatch(): void;
}

export interface AcceptSink {
  /** A new connection, non-blocking, owned by the sink. */
  accepted(fd: number): void;
  /**
   * Out of descriptors or memory (`errno`, positive): the backend has turned `shed` connections
   * away and paused this subscription. The sink resumes it.
   */
  exhausted(errno: number, shed: number): void;
  /** The listening socket is broken (`errno`, positive). Only `closed` follows. */
  failed(errno: number): void;
  /** The descriptor is closed. */
  closed(): void;
}

export interface StreamSink {
  /** True if `received` passes on copies of the chunk only. */
  readonly copies?: boolean;
  /** One or more bytes were received. `chunk` is valid until the call returns. */
  received(chunk: Uint8Array): void;
  /** The peer has ended its sending side. */
  ended(): void;
  /** The connection broke (`errno`, positive). Only `closed` follows. */
  failed(errno: number): void;
  /** The send queue has become empty. */
  drained(): void;
  /**
   * The send queue has grown to `bytes`. It shrinks unreported until `drained`. Alone of all, it is
   * also called inside of `send`: it may take note, and act in a task of the loop.
   */
  queued?(bytes: number): void;
  /** Looks at its own state at the end of a turn: where the code checks itself only. */
  check?(): void;
  /** The descriptor is closed. */
  closed(): void;
}

export interface ConnectSink {
  /** The socket is connected. The sink owns it again. */
  connected(fd: number): void;
  /** The connect failed (`errno`, positive). The descriptor is closed; `closed` follows. */
  failed(errno: number): void;
  /** The descriptor is closed: after `failed`, or after `close`. */
  closed(): void;
}

export interface WatchSink {
  /** The descriptor is ready. `errno` is an error that the kernel reported with it, else 0. */
  ready(interest: Interest, errno: number): void;
}

/** The open streams of a backend. */
export interface StreamTotals {
  readonly streams: number;
  readonly queuedBytes: number;
}

/** Counters of one backend since it was created. */
export interface BackendStats {
  /** Waits in the kernel. */
  waits: number;
  /** Reports delivered to a live handle. */
  reports: number;
  /** Reports dropped because their handle is gone: law 7. */
  stale: number;
  accepted: number;
  /** Connections turned away for lack of descriptors: law 11. */
  shed: number;
  /** Receives and sends that returned EAGAIN. */
  eagain: number;
  /** Waits and calls that a signal interrupted. */
  eintr: number;
  /** Short writes, of which the rest was queued: law 12. */
  partialSends: number;
  /** Receives that ended for lack of a buffer and were resubmitted: law 12. */
  outOfBuffers: number;
  /** Waits after which the kernel held completions back for lack of room: law 12. */
  overflows: number;
}

/** Counters that are all 0. */
export function newStats(): BackendStats {
  return {
    waits: 0,
    reports: 0,
    stale: 0,
    accepted: 0,
    shed: 0,
    eagain: 0,
    eintr: 0,
    partialSends: 0,
    outOfBuffers: 0,
    overflows: 0,
  };
}
