import type { Backend, BackendStats } from '../loop/backend.ts';
import type { LagProbe, LagStats } from './lag-probe.ts';

/** What a loop has done since it was opened, and what it holds now: `EventLoop.stats`. */
export interface LoopStats {
  readonly turns: number;
  /** Waits in the kernel. */
  readonly waits: number;
  /** What the kernel has reported: a connection, bytes, room to send. */
  readonly reports: number;
  /** Reports that were dropped because what they were for had been closed. */
  readonly stale: number;
  /** Connections accepted. */
  readonly accepted: number;
  /** Connections turned away for lack of a descriptor. */
  readonly shed: number;
  /** Receives and sends that found nothing, or no room. */
  readonly eagain: number;
  /** Waits and calls that a signal interrupted. */
  readonly interrupted: number;
  /** Sends that the kernel took a part of; the rest was queued. */
  readonly partialSends: number;
  /** Receives that waited for a buffer: io_uring. */
  readonly outOfBuffers: number;
  /** How often the kernel had more to report than room for it: io_uring. */
  readonly overflows: number;
  /** Connections that are open now, accepted or not. */
  readonly connections: number;
  /** Bytes that they have written and the kernel has not taken, and those of this turn. */
  readonly queuedBytes: number;
  /** How late callbacks were; null unless `measureLag` was called. */
  readonly lag: LagStats | null;
}

/** The part of a loop that counts. */
interface Counted {
  readonly turns: number;
  readonly backend: Backend;
}

/** Reads the counters of a loop. */
export function statsOf({ turns, backend }: Counted, lag: LagProbe | null): LoopStats {
  const { eintr, ...counters }: BackendStats = backend.stats;
  const { streams, queuedBytes } = backend.streamTotals();
  return {
    turns,
    ...counters,
    interrupted: eintr,
    connections: streams,
    queuedBytes,
    lag: lag?.stats ?? null,
  };
}
