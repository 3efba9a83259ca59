import type { MissingLoop } from '../loop/backends.ts';
import type { WakeHandle } from '../poller/poller.ts';
import type { ErrorKind } from './document.ts';
import type { SparseCounts } from './latency-counts.ts';
import type { LoadPlan } from './plan.ts';
import type { Target } from './target.ts';

/** What a thread of a run is started with. */
export interface ThreadTask {
  readonly memory: SharedArrayBuffer;
  readonly plan: LoadPlan;
  /** Counted from 0. */
  readonly thread: number;
  /** The address behind the endpoint of the plan. */
  readonly target: Target;
}

export type ErrorCounts = Record<ErrorKind, number>;

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

/** What a thread came to. */
export interface ThreadResult {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly connections: number;
  readonly errors: ErrorCounts;
  readonly connect: SparseCounts;
  /** How much later than due messages were sent. Empty in a closed loop. */
  readonly lag: SparseCounts;
  /** Messages that the schedule held for the measured time; in a closed loop those that began. */
  readonly due: number;
  /** Replies that came within the measured time, whenever their message was due. */
  readonly repliesInTime: number;
  /** The measured time of this thread. */
  readonly measuredMs: number;
  /** CPU time within it, null where the system does not tell. */
  readonly cpuMs: number | null;
  readonly turnMaxMs: number;
}

/** What a thread tells. */
export type ThreadMessage =
  /** It has opened its connections, or found out that it cannot. */
  | { readonly kind: 'ready' }
  /** It has a loop, which can be woken. */
  | {
      readonly kind: 'begun';
      readonly wakeHandle: WakeHandle;
      readonly loop: string;
      /** The better loops that `auto` could not have. */
      readonly missing: readonly MissingLoop[];
    }
  | { readonly kind: 'interval'; readonly counts: IntervalCounts }
  | { readonly kind: 'ended'; readonly result: ThreadResult };
