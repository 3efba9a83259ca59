import type { LoadPlan } from './plan.ts';

/** The name of the form of {@link LoadDocument}; a change that breaks readers gets a new number. */
export const LOAD_SCHEMA = 'sockloop-load/2';

/** What a load run came to: what `--json` prints, `merge` adds up and the report draws. */
export interface LoadDocument {
  readonly schema: typeof LOAD_SCHEMA;
  readonly plan: LoadPlan;
  /** One for each machine that took part: `merge` puts them together. */
  readonly machines: readonly LoadMachine[];
  /** When counting began and how long it lasted. */
  readonly startedAt: string;
  readonly measuredMs: number;
  /** Whether it was ended before its time (Ctrl-C). */
  readonly endedEarly: boolean;
  readonly counts: LoadCounts;
  /** What went wrong before the measured time; it is in none of the counts. */
  readonly warmup: Trouble;
  /** From the moment a message was due to its reply. In a closed loop the same as the next. */
  readonly response: Distribution;
  /** From the moment a message was sent to its reply. */
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
  /** Random, one for each run: by it `merge` finds a run that is there twice. */
  readonly run: string;
  readonly hostname: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly sockloop: string;
  /** The loop that `auto` came to; where it came to several on different threads, all of them. */
  readonly loop: string;
}

/** Only what lies in the measured time: what was due in it, whenever it came or failed. */
export interface LoadCounts extends Trouble {
  readonly messages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Connections that were established, from the beginning. */
  readonly connections: number;
}

/** What went wrong in a phase of a run. */
export interface Trouble {
  /** Messages without a good reply, and failures to connect, by kind; a kind without any is 0. */
  readonly errors: Readonly<Record<ErrorKind, number>>;
  /** Connections that were lost before they had carried what they were to carry, by kind. */
  readonly lost: Readonly<Record<LossKind, number>>;
  /** Connections that were opened in the place of lost ones. */
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
  /** All of it, in the V2 compressed form of HdrHistogram, in base64 and nanoseconds. */
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
  /** Messages per second that were asked for; null in a closed loop. */
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

/** How the generator itself did. */
export interface GeneratorFacts {
  readonly threads: readonly ThreadFacts[];
  /** CPU of the whole process over the measured time, per message. */
  readonly cpuUsPerMessage: number;
  readonly achievedPerSecond: number;
  /** Null in a closed loop. */
  readonly askedPerSecond: number | null;
  /** How the CPU quota of its control group stopped it; null where there is none. */
  readonly throttled: Throttled | null;
}

/** The CPU quota of a control group at work: cpu.stat of cgroups(7). */
export interface Throttled {
  /** Periods in which the quota was used up. */
  readonly periods: number;
  /** How long the threads of the group were stopped, all CPUs together. */
  readonly ms: number;
}

export interface ThreadFacts {
  readonly messages: number;
  /** CPU time of the thread over the measured time, 0 to 1. */
  readonly cpuShare: number;
  /**
   * How much of the measured time the thread was able to run and had no CPU, 0 to 1; null where the
   * system does not tell.
   */
  readonly waitedShare: number | null;
  /** How much of it waits and sleeps lasted longer than they were to: stopped, or not woken. */
  readonly oversleptShare: number;
  /** How much later than due the thread turned to messages, p99 and most; 0 in a closed loop. */
  readonly scheduleLagP99Us: number;
  readonly scheduleLagMaxUs: number;
  /** How long messages waited for a connection that could take them, p99; 0 in a closed loop. */
  readonly connectionWaitP99Us: number;
  /** The longest time that the thread was held up: in a turn, or asleep beyond its time. */
  readonly turnMaxMs: number;
}

export interface Verdict {
  readonly valid: boolean;
  /** Why not, in words that say what to do; also remarks on a valid run. */
  readonly reasons: readonly string[];
}
