import type { Buffers } from '../../ring/buffers.ts';
import type { Submission } from '../../ring/submission.ts';
import type { Sys } from '../../sys/sys.ts';
import type { BackendStats } from '../backend.ts';
import type { RingSends } from './sends.ts';

/** What an operation is, as it stands beside its handle's token in what the kernel carries. */
export const Operation = {
  /** What nobody waits for: a cancellation, or a completion that was dealt with before its turn. */
  none: 0,
  receive: 1,
  /** A send that posts a completion only where it fell short. */
  sendNow: 2,
  send: 3,
  accept: 4,
  connect: 5,
  poll: 6,
  wake: 7,
  wakeTimer: 8,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** What a handle of the ring backend may ask of it. */
export interface RingHandleOwner {
  readonly sys: Sys;
  readonly stats: BackendStats;
  /** The flags of every send(2). */
  readonly sendFlags: number;
  readonly submission: Submission;
  readonly buffers: Buffers;
  readonly sends: RingSends;
  /** `prepare()` is to be called before the next wait. */
  markDirty(handle: RingHandle): void;
  /** `report()` is to be called in the next turn. */
  reportLater(handle: RingHandle): void;
  /** A receive has ended because no buffer was left. */
  outOfBuffers(): void;
  /** Submits what was put, and looks at what became of the sends. */
  flushSends(): void;
  /** The handle has ended: once the kernel has let go of it, its descriptor is closed. */
  remove(handle: RingHandle): void;
  /** The kernel has let go of a handle that was removed. */
  letGo(handle: RingHandle): void;
  /** The handle has ended, and its descriptor goes on elsewhere. */
  release(handle: RingHandle): void;
}

/** Something that the ring backend works for, with all that the backend keeps about it. */
export abstract class RingHandle {
  // What every report touches comes first, so that it shares a cache line.
  readonly fd: number;
  token = -1;
  protected readonly owner: RingHandleOwner;
  /** Whether it was removed: no callback follows but `closed`. */
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

  /** Whether the kernel works for it, so that a completion is still to come. */
  abstract get inFlight(): boolean;
  /** Whether something of it was put that must be submitted before its descriptor is closed. */
  get unsubmitted(): boolean {
    return false;
  }

  /** Puts what it wants and is not under way, and cancels what it does not want any more. */
  abstract prepare(): void;
  /** An operation gave `result`; `more` says that it has not ended with that. */
  abstract completed(operation: Operation, result: number, more: boolean): void;
  /** Something came up inside a call, and it is time to report it. */
  abstract report(): void;
  /** The descriptor is closed. */
  abstract closed(): void;

  /** The descriptors that it holds beside its own. */
  get extraFds(): readonly number[] {
    return [];
  }

  /** Frees what it holds beside its descriptor. */
  dispose(): void {
    // Most hold nothing.
  }
}
