import type { Interest, WakeHandle } from '../poller/poller.ts';

/**
 * What drives a loop: it delivers sockets and bytes, not readiness, so that the pollers and
 * io_uring stand behind one interface. Twelve laws hold for every backend; each is at least one
 * case of the conformance suite, and the code cites them by number.
 *
 *  1. Every subscription and operation ends exactly once: a value, an errno, or closed.
 *  2. No callback runs inside a call that the user made; callbacks run only from `poll` and
 *     `closePhase`, which only the loop calls.
 *  3. EAGAIN, EWOULDBLOCK, EINPROGRESS and EINTR never reach a sink.
 *  4. The end of a stream is delivered once and is final, and never follows an error: once a call
 *     has failed, a receive that gives 0 is no end. Any number of bytes from 1 on per chunk is
 *     legal, and partial sends are normal.
 *  5. Bytes arrive in order, none twice, none lost; output queued before `finish` is sent before
 *     the FIN.
 *  6. Closing joins: mark closing, cancel, wait for the kernel to let go, forget the token,
 *     close(2), report once.
 *  7. A stale event (a closed descriptor, a reused number, an older generation) is dropped and
 *     counted.
 *  8. Work per turn is bounded (`limits.ts`); no connection starves another.
 *  9. A wake before or during a wait makes it return; wakes coalesce; none is lost.
 * 10. Timers never fire early; equal deadlines fire in order; due timers are collected, then run.
 * 11. Running out of descriptors never spins: a reserve descriptor sheds the connection, accepting
 *     pauses and resumes.
 * 12. Overflow of a queue is a counted condition with a defined path, never a lost operation.
 *
 * Descriptors that are handed to a backend are non-blocking and the backend's own from then on.
 * All methods belong to the thread of the loop.
 */
export interface Backend {
  readonly name: BackendName;
  /** Descriptors from this number on cannot be held: FD_SETSIZE for select, Infinity otherwise. */
  readonly fdLimit: number;
  readonly stats: BackendStats;
  /** For waking the loop from another thread. */
  readonly wakeHandle: WakeHandle;
  /** Whether the last wait was ended by a signal. */
  readonly interrupted: boolean;
  /** How many subscriptions and operations have not ended yet. */
  readonly active: number;

  /**
   * Accepts connections on a listening socket until it is closed. `limited` says that the sink
   * will pause it once it has enough: then none is taken ahead of the others.
   */
  accept(fd: number, sink: AcceptSink, limited?: boolean): Subscription;
  /**
   * Receives from a connected socket until its end, and sends on it. `tcp` says that it is a TCP
   * socket, of which a receive that falls short has taken all there was: epoll(7), question 9.
   */
  open(fd: number, sink: StreamSink, tcp?: boolean): Stream;
  /** Connects a socket to the sockaddr of `length` bytes in `address`, which is copied. */
  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle;
  /** Watches any descriptor. It stays its owner's, who unwatches before closing it. */
  watch(fd: number, interest: Interest, sink: WatchSink): Watch;

  /** Waits at most `timeoutMs` (0 does not wait, null for ever) and delivers what came. */
  poll(timeoutMs: number | null): void;
  /**
   * Hands over what was sent since the last wait, where the backend gathers that: the loop does not
   * wait for a while.
   */
  flush?(): void;
  /** The closes phase: closes what was marked for it and reports it. */
  closePhase(): void;
  /** Makes a wait return; from another thread, use the function `wake` on {@link wakeHandle}. */
  wake(): void;
  /** The descriptors that are open: those that were handed to it or accepted, and its own. */
  fds(): number[];
  /**
   * Closes everything that is open, without reports, and the backend itself. Called from a callback
   * it may leave that to the end of `poll`; not with `atOnce`, behind which the thread ends.
   */
  destroy(atOnce?: boolean): void;
}

/** The names of the backends, in the words of `--loop`. */
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

/** A connected socket. */
export interface Stream extends Subscription {
  /** Bytes that the kernel has not taken. On io_uring it may take a system call to know. */
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
   * Sends `length` bytes of `bytes` from `offset` on. What the kernel takes goes at once, without
   * a copy; the rest is copied to the stream's queue and follows in order. On a stream that is
   * finished, failed or closing the bytes are dropped; the sink has been or will be told.
   *
   * io_uring gathers the sends of one turn for one call. They count as taken, as they nearly
   * always are; after a short write the rest is queued ahead of everything sent later.
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
  readonly fd: number;
  /** Changes what it is watched for. */
  modify(interest: Interest): void;
  /** Ends it at once; nothing is reported. */
  unwatch(): void;
}

export interface AcceptSink {
  /** A new connection, non-blocking, owned by the sink. */
  accepted(fd: number): void;
  /**
   * Out of descriptors or memory (`errno`, positive): the backend has paused this subscription,
   * after it has turned `shed` connections away. The sink resumes it when it thinks fit.
   */
  exhausted(errno: number, shed: number): void;
  /** The listening socket is broken (`errno`, positive). Nothing follows but `closed`. */
  failed(errno: number): void;
  /** The descriptor is closed. */
  closed(): void;
}

export interface StreamSink {
  /** Bytes that came, 1 and more, lent for this call only. */
  received(chunk: Uint8Array): void;
  /** The peer has ended its side. */
  ended(): void;
  /** The connection broke (`errno`, positive). Nothing follows but `closed`. */
  failed(errno: number): void;
  /** The queue is empty again after it was not. */
  drained(): void;
  /** The descriptor is closed. */
  closed(): void;
}

export interface ConnectSink {
  /** The socket is connected, and the sink's own again, to be opened as a stream. */
  connected(fd: number): void;
  /** It is not (`errno`, positive). Its descriptor gets closed; `closed` follows. */
  failed(errno: number): void;
  /** The descriptor is closed: after `failed`, or after `close`. */
  closed(): void;
}

export interface WatchSink {
  /** The descriptor is ready. `errno` is what the kernel said beside, 0 as a rule. */
  ready(interest: Interest, errno: number): void;
}

/** Counters of one backend, from its beginning. */
export interface BackendStats {
  /** Waits in the kernel. */
  waits: number;
  /** Reports that were delivered to a live handle. */
  reports: number;
  /** Reports that were dropped because their handle has gone: law 7. */
  stale: number;
  accepted: number;
  /** Connections that were turned away for lack of descriptors: law 11. */
  shed: number;
  /** Receives and sends that gave nothing. */
  eagain: number;
  /** Waits and calls that a signal ended. */
  eintr: number;
  /** Sends that took a part: law 12, the rest is queued. */
  partialSends: number;
  /** Receives that stopped for lack of a buffer and went on when there was one: law 12. */
  outOfBuffers: number;
  /** Waits behind which the kernel held completions back, for lack of room: law 12. */
  overflows: number;
}

/** Counters at their beginning. */
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
