import type { MissingLoop, WakeHandle } from 'sockloop';
import type { ErrorKind, LossKind, Throttled } from '../document.ts';
import type { LoadPlan } from '../plan.ts';
import type { Target } from '../target.ts';
import type { SparseCounts } from './latency-counts.ts';

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

/** What a thread came to. */
export interface ThreadResult {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly connections: number;
  /** In the measured time, and before it. */
  readonly trouble: TroubleCounts;
  readonly warmup: TroubleCounts;
  readonly connect: SparseCounts;
  /** How much later than due the thread turned to messages. Empty in a closed loop. */
  readonly lag: SparseCounts;
  /** Of those messages that had to wait for a connection, how long. Empty in a closed loop. */
  readonly connectionWait: SparseCounts;
  /** Messages that the schedule held for the measured time; in a closed loop those that began. */
  readonly due: number;
  /** Replies that came within the measured time, whenever their message was due. */
  readonly repliesInTime: number;
  /** The measured time of this thread. */
  readonly measuredMs: number;
  /** CPU time within it, null where the system does not tell. */
  readonly cpuMs: number | null;
  /** Time within it in which the thread was able to run and had no CPU; null likewise. */
  readonly waitedMs: number | null;
  /** Time within it by which waits lasted longer than they were to. */
  readonly oversleptMs: number;
  readonly turnMaxMs: number;
  /** What the CPU quota did to the whole control group within it; null where there is none. */
  readonly throttled: Throttled | null;
  /** The longest time without a reply though one was awaited. */
  readonly silence: Silence;
  /** Connections that waited for the server's end, in a mode where it closes, when it was over. */
  readonly awaitingEnd: number;
}

/** A stretch of the measured time, from its beginning on. */
export interface Silence {
  readonly startMs: number;
  readonly durationMs: number;
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
