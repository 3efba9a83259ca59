import type { Buffers } from '../../ring/buffers.ts';
import type { Submission } from '../../ring/submission.ts';
import type { Sys } from '../../sys/sys.ts';
import type { BackendStats } from '../backend.ts';
import type { RingSends } from './sends.ts';

/** The kind of an operation, which the kernel carries beside the token of its handle. */
export const Operation = {
  /** A completion to ignore: of a cancellation, or one that was handled ahead of its turn. */
  none: 0,
  receive: 1,
  /** A send that posts a completion only after a short write. */
  sendNow: 2,
  send: 3,
  accept: 4,
  connect: 5,
  poll: 6,
  wake: 7,
  wakeTimer: 8,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** What a handle asks of the ring backend. */
export interface RingHandleOwner {
  readonly sys: Sys;
  readonly stats: BackendStats;
  /** The flags of every send(2). */
  readonly sendFlags: number;
  readonly submission: Submission;
  readonly buffers: Buffers;
  readonly sends: RingSends;
  /** Calls `prepare()` before the next wait. */
  markDirty(handle: RingHandle): void;
  /** Calls `report()` in the next turn. */
  reportLater(handle: RingHandle): void;
  /** A receive has ended for lack of a buffer. */
  outOfBuffers(): void;
  /** Submits what is queued, and handles short writes. */
  flushSends(): void;
  /** Ends the handle: its descriptor is closed once the kernel has let go of it. */
  remove(handle: RingHandle): void;
  /** The kernel has let go of a removed handle. */
  letGo(handle: RingHandle): void;
  /** Ends the handle without closing its descriptor, which has another owner now. */
  release(handle: RingHandle): void;
}

/** An operation or subscription on the ring, with what the backend keeps about it. */
export abstract class RingHandle {
  // Fields used by every report come first, to share a cache line.
  readonly fd: number;
  token = -1;
  protected readonly owner: RingHandleOwner;
  /** Whether it was removed: only `closed` follows. */
  gone = false;
  protected paused = false;
  dirty = false;
  reporting = false;

  constructor(owner: RingHandleOwner, fd: number) {
    this.fd = fd;
    this.owner = owner;
  }

  /** Whether the backend closes the descriptor. */
  get ownsFd(): boolean {
    return true;
  }

  pause(): void {
    this.setPaused(true);
  }

  resume(): void {
    this.setPaused(false);
  }

  close(): void {
    this.owner.remove(this);
  }

  protected setPaused(paused: boolean): void {
    if (this.paused === paused || this.gone) return;
    this.paused = paused;
    this.owner.markDirty(this);
  }

  /** Whether an operation of it is in flight, so that a completion is due. */
  abstract get inFlight(): boolean;
  /** Whether it has an operation that must be submitted before its descriptor is closed. */
  get unsubmitted(): boolean {
    return false;
  }

  /** Submits the operations that it needs, and cancels those that it no longer needs. */
  abstract prepare(): void;
  /** An operation returned `result`. `more` says that it goes on: IORING_CQE_F_MORE. */
  abstract completed(operation: Operation, result: number, more: boolean): void;
  /** Reports what came up inside a call. */
  abstract report(): void;
  /** The descriptor is closed. */
  abstract closed(): void;

  /** Further descriptors that it holds. */
  get extraFds(): readonly number[] {
    return [];
  }

  /** Frees what it holds besides its descriptor. */
  dispose(): void {
    // Most hold nothing.
  }
}
