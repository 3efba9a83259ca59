import { Interest } from '../../poller/poller.ts';
import type { Sys } from '../../sys/sys.ts';
import type { BackendStats } from '../backend.ts';
import type { ChunkViews } from './chunk-views.ts';

/** What a handle of a readiness backend may ask of it. */
export interface HandleOwner {
  readonly sys: Sys;
  readonly stats: BackendStats;
  readonly receiveBuffer: Uint8Array;
  readonly views: ChunkViews;
  /** The last chunk that was delivered, which begins where the buffer begins. */
  borrowed: Uint8Array | null;
  /** The flags of every send. */
  readonly sendFlags: number;
  /** `wanted()` gives something else than before: the poller is told before the next wait. */
  interestChanged(handle: ReadinessHandle): void;
  /** `report()` is to be called in the next turn. */
  reportLater(handle: ReadinessHandle): void;
  /** `retry()` is to be called in a few milliseconds. */
  retryLater(handle: ReadinessHandle): void;
  /** The handle has ended: its descriptor is closed in the closes phase. */
  remove(handle: ReadinessHandle): void;
  /** The handle has ended, and its descriptor goes on elsewhere. */
  release(handle: ReadinessHandle): void;
}

/** Something that a readiness backend waits for, with all that the backend keeps about it. */
export abstract class ReadinessHandle {
  // What every report touches comes first, so that it shares a cache line.
  readonly fd: number;
  token = -1;
  protected readonly owner: HandleOwner;
  /** Whether it was removed: no callback follows but `closed`. */
  gone = false;
  protected paused = false;
  /** Whether the poller knows the descriptor, and for what. */
  registered = false;
  installed: Interest = Interest.none;
  dirty = false;
  /** Whether the kernel is to look at the descriptor again, though the interest is the same. */
  rearm = false;
  reporting = false;
  /** Where others want the same descriptor: who the poller knows in place of this one. */
  shared: ReadinessHandle | null = null;

  constructor(owner: HandleOwner, fd: number) {
    this.fd = fd;
    this.owner = owner;
  }

  /** Whether it copes with being told once of what is ready. */
  get edge(): boolean {
    return false;
  }

  /** From now on it is told again of what it has not dealt with. */
  useLevels(): void {
    // What copes with edges alone overrides it.
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
    this.owner.interestChanged(this);
  }

  /** What to watch the descriptor for. */
  abstract wanted(): Interest;
  /** The descriptor is ready. */
  abstract ready(interest: Interest, errno: number): void;
  /**
   * The kernel cannot watch it (`errno`, positive). Returns whether it deals with that, in its
   * next report; else the error ends the turn.
   */
  refused(_errno: number): boolean {
    return false;
  }

  /** The time of {@link HandleOwner.retryLater} is over. */
  retry(): void {
    // Most never ask for it.
  }

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
