import type { MissingLoop, WakeHandle } from 'sockloop';
import type { ErrorKind, LossKind, Throttled } from '../document.ts';
import type { LoadPlan } from '../plan.ts';
import type { Target } from '../target.ts';
import type { SparseCounts } from './latency-counts.ts';

/** Input of a thread of a run. */
export interface ThreadTask {
  readonly memory: SharedArrayBuffer;
  readonly plan: LoadPlan;
  /** Counted from 0. */
  readonly thread: number;
  /** The address behind the endpoint of the plan. */
  readonly target: Target;
}

export type ErrorCounts = Record<ErrorKind, number>;

/** What went wrong in a phase, as it is counted. */
export interface TroubleCounts {
  readonly errors: ErrorCounts;
  readonly lost: Record<LossKind, number>;
  replaced: number;
}

/** One second of one thread. */
export interface IntervalCounts {
  /** Counted from 0 at the beginning of the measured time. */
  readonly index: number;
  readonly messages: number;
  readonly errors: number;
  readonly response: SparseCounts;
  /** Null in a closed loop, where it is the same. */
  readonly service: SparseCounts | null;
}

/** Result of a thread. */
export interface ThreadResult {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly connections: number;
  /** In the measured time, and before it. */
  readonly trouble: TroubleCounts;
  readonly warmup: TroubleCounts;
  readonly connect: SparseCounts;
  /** Delay between a message being due and being handled. Empty in a closed loop. */
  readonly lag: SparseCounts;
  /** Wait of those messages that had to wait for a connection. Empty in a closed loop. */
  readonly connectionWait: SparseCounts;
  /** Messages due in the measured time; in a closed loop those that began in it. */
  readonly due: number;
  /** Replies received in the measured time, whenever their message was due. */
  readonly repliesInTime: number;
  /** The measured time of this thread. */
  readonly measuredMs: number;
  /** CPU time within it; null if unknown. */
  readonly cpuMs: number | null;
  /** Time within it in which the thread was runnable without a CPU; null if unknown. */
  readonly waitedMs: number | null;
  /** Time within it by which waits overran. */
  readonly oversleptMs: number;
  readonly turnMaxMs: number;
  /** Throttling of the control group within it; null without a quota. */
  readonly throttled: Throttled | null;
  /** Longest time without a reply though one was awaited. */
  readonly silence: Silence;
  /** Connections still waiting for the server to close them at the end of the run. */
  readonly awaitingEnd: number;
}

/** A stretch of the measured time, from its beginning on. */
export interface Silence {
  readonly startMs: number;
  readonly durationMs: number;
}

/** Messages of a thread to the main thread. */
export type ThreadMessage =
  /** All connects have succeeded or failed. */
  | { readonly kind: 'ready' }
  /** The loop exists and can be woken. */
  | {
      readonly kind: 'begun';
      readonly wakeHandle: WakeHandle;
      readonly loop: string;
      /** Better loops that were not available to `auto`. */
      readonly missing: readonly MissingLoop[];
    }
  | { readonly kind: 'interval'; readonly counts: IntervalCounts }
  | { readonly kind: 'ended'; readonly result: ThreadResult };
