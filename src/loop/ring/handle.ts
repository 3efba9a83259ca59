import type { Buffers } from '../../ring/buffers.ts';
import type { Submission } from '../../ring/submission.ts';
import type { BaseHandle } from '../base-handle.ts';
import type { StreamOwner } from '../base-stream.ts';
import type { DatagramOwner } from '../datagram/base-datagrams.ts';

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
export interface RingHandleOwner extends StreamOwner, DatagramOwner {
  readonly submission: Submission;
  readonly buffers: Buffers;
  /** Calls `prepare()` before the next wait. */
  markDirty(handle: RingHandle): void;
  /** A receive has ended for lack of a buffer: calls `prepare()` ahead of all others. */
  outOfBuffers(handle: RingHandle): void;
  remove(handle: RingHandle): void;
  /** The kernel has let go of a removed handle. */
  letGo(handle: RingHandle): void;
  release(handle: RingHandle): void;
}

/** An operation or subscription on the ring. */
export interface RingHandle extends BaseHandle<RingHandleOwner> {
  /** Whether an operation of it is in flight, so that a completion is due. */
  readonly inFlight: boolean;
  /** Whether it has a send that must be submitted before its descriptor is closed. */
  readonly unsubmitted?: boolean;
  /** Submits the operations that it needs, and cancels those that it no longer needs. */
  prepare(): void;
  /** An operation returned `result`. `more` says that it goes on: IORING_CQE_F_MORE. */
  completed(operation: Operation, result: number, more: boolean): void;
}
