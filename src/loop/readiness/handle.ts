import { Interest } from '../../poller/poller.ts';
import type { Sys } from '../../sys/sys.ts';
import type { BackendStats } from '../backend.ts';
import type { ChunkViews } from './chunk-views.ts';

/** What a handle asks of the readiness backend. */
export interface HandleOwner {
  readonly sys: Sys;
  readonly stats: BackendStats;
  readonly receiveBuffer: Uint8Array;
  readonly views: ChunkViews;
  /** The last chunk delivered, which starts at the start of the buffer. */
  borrowed: Uint8Array | null;
  /** The flags of every send. */
  readonly sendFlags: number;
  /** The result of `wanted()` has changed: the poller is updated before the next wait. */
  interestChanged(handle: ReadinessHandle): void;
  /** Calls `report()` in the next turn. */
  reportLater(handle: ReadinessHandle): void;
  /** Calls `retry()` in a few milliseconds. */
  retryLater(handle: ReadinessHandle): void;
  /** Ends the handle: its descriptor is closed in the close phase. */
  remove(handle: ReadinessHandle): void;
  /** Ends the handle without closing its descriptor, which has another owner now. */
  release(handle: ReadinessHandle): void;
}

/** An operation or subscription on a readiness backend, with what the backend keeps about it. */
export abstract class ReadinessHandle {
  // Fields used by every report come first, to share a cache line.
  readonly fd: number;
  token = -1;
  protected readonly owner: HandleOwner;
  /** Whether it was removed: only `closed` follows. */
  gone = false;
  protected paused = false;
  /** Whether the poller knows the descriptor, and for what. */
  registered = false;
  installed: Interest = Interest.none;
  dirty = false;
  /** Whether to rearm the descriptor in the poller although its interest is the same. */
  rearm = false;
  reporting = false;
  /** The handle registered in place of this one where several share a descriptor. */
  shared: ReadinessHandle | null = null;

  constructor(owner: HandleOwner, fd: number) {
    this.fd = fd;
    this.owner = owner;
  }

  /** Whether it uses edge triggering. */
  get edge(): boolean {
    return false;
  }

  /** Switches to level triggering. */
  useLevels(): void {
    // Only streams use edges.
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

  /** Returns what to watch the descriptor for. */
  abstract wanted(): Interest;
  /** The descriptor is ready. */
  abstract ready(interest: Interest, errno: number): void;
  /**
   * The poller cannot register it (`errno`, positive). Returns whether it handles that in its next
   * report; else the error ends the turn.
   */
  refused(_errno: number): boolean {
    return false;
  }

  /** The delay of {@link HandleOwner.retryLater} has passed. */
  retry(): void {
    // Only streams ask for it.
  }

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
