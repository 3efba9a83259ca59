import type { Sys } from '../sys/sys.ts';
import type { BackendStats } from './backend.ts';

/** What every handle asks of its backend. */
export interface HandleOwner {
  readonly sys: Sys;
  readonly stats: BackendStats;
  /** What the handle wants of the kernel has changed: it is updated before the next wait. */
  markDirty(handle: BaseHandle): void;
  /** Calls `report()` in the next turn. */
  reportLater(handle: BaseHandle): void;
  /** Ends the handle: its descriptor is closed once the kernel has let go of it. */
  remove(handle: BaseHandle): void;
  /** Ends the handle without closing its descriptor, which has another owner now. */
  release(handle: BaseHandle): void;
}

/** An operation or subscription of any backend, with what the backend keeps about it. */
export abstract class BaseHandle<Owner extends HandleOwner = HandleOwner> {
  // Fields used by every report come first, to share a cache line.
  readonly fd: number;
  token = -1;
  protected readonly owner: Owner;
  /** Whether it was removed: only `closed` follows. */
  gone = false;
  protected paused = false;
  dirty = false;
  reporting = false;

  constructor(owner: Owner, fd: number) {
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
