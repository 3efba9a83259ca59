import type { LoadPlan } from './plan.ts';

/** Schema name of {@link LoadDocument}; a change that breaks readers increments the number. */
export const LOAD_SCHEMA = 'sockloop-load/2';

/** Result of a load run: `--json` prints it, `merge` adds several up, the report draws it. */
export interface LoadDocument {
  readonly schema: typeof LOAD_SCHEMA;
  readonly plan: LoadPlan;
  /** One for each machine that took part. */
  readonly machines: readonly LoadMachine[];
  /** Beginning and length of the measured time. */
  readonly startedAt: string;
  readonly measuredMs: number;
  /** True if the run was ended early (Ctrl-C). */
  readonly endedEarly: boolean;
  readonly counts: LoadCounts;
  /** Errors and losses of the warm-up, which are in none of the counts. */
  readonly warmup: Trouble;
  /** Time from when a message was due to its reply. Equal to `service` in a closed loop. */
  readonly response: Distribution;
  /** Time from when a message was sent to its reply. */
  readonly service: Distribution;
  /**
   * From connect(2) to the established connection. Where connections come and go (`churn`, mode
   * `once`), those that began in the measured time; where they stay, all from the beginning.
   */
  readonly connect: Distribution;
  readonly intervals: readonly Interval[];
  readonly heat: HeatMap;
  readonly generator: GeneratorFacts;
  readonly verdict: Verdict;
}

export interface LoadMachine {
  /** Random id of the run, by which `merge` detects duplicates. */
  readonly run: string;
  readonly hostname: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly sockloop: string;
  /**
   * Loop in use. If `auto` chose different ones for the threads, all of them, separated by commas.
   */
  readonly loop: string;
}

/**
 * Counts of the messages that were due in the measured time, whenever they were answered or failed.
 */
export interface LoadCounts extends Trouble {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Connections established since the start of the run. */
  readonly connections: number;
}

/** What went wrong in a phase of a run. */
export interface Trouble {
  /** Failed messages and failed connects by kind. */
  readonly errors: Readonly<Record<ErrorKind, number>>;
  /** Connections lost before they had carried their share of messages, by kind. */
  readonly lost: Readonly<Record<LossKind, number>>;
  /** Connections opened to replace lost ones. */
  readonly replaced: number;
}

export const ERROR_KINDS = [
  'refused', // connect: nobody listens
  'unreachable', // connect: any other failure
  'connectTimeout', // connect: no answer in time
  'reset', // the connection broke while a reply was awaited
  'shortReply', // the server ended the connection before the whole reply was there
  'mismatch', // other bytes came back than were sent, or more of them
  'timeout', // no reply in time
  'lost', // awaited on a connection that was given up because of another message
  'notClosed', // the server did not end the connection behind its reply (mode once) in time
  'resources', // out of descriptors or local ports
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

export const LOSS_KINDS = [
  'reset', // by the server, or by the network
  'closed', // the server ended it in order
  'timeout', // this side gave it up: no reply, or no end, in time
  'mismatch', // this side gave it up: other bytes came back than were sent
] as const;
export type LossKind = (typeof LOSS_KINDS)[number];

/** Times in microseconds. */
export interface Distribution {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  readonly maxUs: number;
  readonly stdDevUs: number;
  /** At 50, 75, 90, 95, 99, 99.9, 99.99 and 99.999, and 100. */
  readonly percentiles: readonly { readonly percentile: number; readonly us: number }[];
  /** The whole histogram: V2 compressed HdrHistogram in base64, in nanoseconds. */
  readonly histogram: string;
}

/** One second of the run. The response time in an open loop, the service time in a closed one. */
export interface Interval {
  readonly startMs: number;
  readonly durationMs: number;
  readonly messages: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Requested messages per second; null in a closed loop. */
  readonly askedPerSecond: number | null;
}

/**
 * Counts of messages by interval (outer) and time (inner): `counts[i][j]` lies below `edgesUs[j]`.
 */
export interface HeatMap {
  readonly intervalMs: number;
  readonly edgesUs: readonly number[];
  readonly counts: readonly (readonly number[])[];
}

/** Figures about the generator itself. */
export interface GeneratorFacts {
  readonly threads: readonly ThreadFacts[];
  /** CPU of the whole process over the measured time, per message. */
  readonly cpuUsPerMessage: number;
  readonly achievedPerSecond: number;
  /** Null in a closed loop. */
  readonly askedPerSecond: number | null;
  /** Throttling by the CPU quota of its control group; null without a quota. */
  readonly throttled: Throttled | null;
}

/** Throttling by the CPU quota of a control group: cpu.stat of cgroups(7). */
export interface Throttled {
  /** Periods in which the quota was exhausted. */
  readonly periods: number;
  /** Time for which threads of the group were stopped, summed over CPUs. */
  readonly ms: number;
}

export interface ThreadFacts {
  readonly messages: number;
  /** CPU time of the thread over the measured time, 0 to 1. */
  readonly cpuShare: number;
  /**
   * Share of the measured time in which the thread was runnable without a CPU, 0 to 1; null if
   * unknown.
   */
  readonly waitedShare: number | null;
  /** Share of the measured time by which waits and sleeps overran: stopped, or woken late. */
  readonly oversleptShare: number;
  /**
   * Delay between a message being due and the thread handling it, p99 and maximum; 0 in a closed
   * loop.
   */
  readonly scheduleLagP99Us: number;
  readonly scheduleLagMaxUs: number;
  /** Wait of messages for a free connection, p99; 0 in a closed loop. */
  readonly connectionWaitP99Us: number;
  /** Longest time for which the thread was held up: in a turn, or overslept. */
  readonly turnMaxMs: number;
}

export interface Verdict {
  readonly valid: boolean;
  /** Why the run is invalid and what to do about it; also remarks on a valid run. */
  readonly reasons: readonly string[];
}
