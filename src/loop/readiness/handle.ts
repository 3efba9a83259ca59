import { Interest } from '../../poller/poller.ts';
import { BaseHandle } from '../base-handle.ts';
import type { StreamOwner } from '../base-stream.ts';
import type { CallQueue } from './call-queue.ts';

/** What a handle asks of the readiness backend. */
export interface ReadinessOwner extends StreamOwner {
  readonly calls: CallQueue;
  /** The result of `wanted()` has changed: the poller is updated before the next wait. */
  markDirty(handle: ReadinessHandle): void;
  /** Receives for the handle, which gets the result by `completed`. */
  receive(handle: ReadinessHandle): void;
  /** Likewise, accepts a connection. */
  acceptOne(handle: ReadinessHandle): void;
  /** Calls `retry()` in a few milliseconds. */
  retryLater(handle: ReadinessHandle): void;
  remove(handle: ReadinessHandle): void;
  release(handle: ReadinessHandle): void;
}

/** An operation or subscription on a readiness backend. */
export interface ReadinessHandle extends BaseHandle<ReadinessOwner> {
  /** Whether the poller knows the descriptor, and for what. */
  registered: boolean;
  installed: Interest;
  /** Whether to rearm the descriptor in the poller although its interest is the same. */
  rearm: boolean;
  /** The handle registered in place of this one where several share a descriptor. */
  shared: ReadinessHandle | null;
  /** Whether it uses edge triggering. */
  readonly edge: boolean;
  /** Switches to level triggering. */
  useLevels(): void;
  /** Returns what to watch the descriptor for. */
  wanted(): Interest;
  /** The descriptor is ready. */
  ready(interest: Interest, errno: number): void;
  /** A receive or accept returned `result`; `chunk` holds the bytes of a receive. */
  completed(result: number, chunk: Uint8Array | null): void;
  /**
   * The poller cannot register it (`errno`, positive). Returns whether it handles that in its next
   * report; else the error ends the turn.
   */
  refused(errno: number): boolean;
  /** The delay of {@link ReadinessOwner.retryLater} has passed. */
  retry(): void;
}

/** A handle that is no stream: level-triggered, with calls of its own. */
export abstract class LevelHandle extends BaseHandle<ReadinessOwner> implements ReadinessHandle {
  registered = false;
  installed: Interest = Interest.none;
  rearm = false;
  shared: ReadinessHandle | null = null;

  get edge(): boolean {
    return false;
  }

  useLevels(): void {
    // It does.
  }

  abstract wanted(): Interest;
  abstract ready(interest: Interest, errno: number): void;

  completed(_result: number, _chunk: Uint8Array | null): void {
    // Only acceptors and streams queue calls.
  }

  refused(_errno: number): boolean {
    return false;
  }

  retry(): void {
    // Only acceptors and streams ask for it.
  }
}
