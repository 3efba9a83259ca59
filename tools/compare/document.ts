import type { LoadMachine } from '../load/document.ts';

/** What `sockloop compare` found: what `--json` prints and the report draws. */
export interface CompareDocument {
  /** The name of the form; a change that breaks readers gets a new number. */
  readonly schema: 'sockloop-compare/1';
  readonly machine: CompareMachine;
  /** When the first slice began: ISO 8601, in UTC. */
  readonly startedAt: string;
  readonly elapsedMs: number;
  /** The command line, as it could be typed again. */
  readonly command: string;
  readonly plan: ComparePlan;
  /** Every loop that was asked for, in the order asked for, also those that could not be had. */
  readonly loops: readonly ComparedLoop[];
  /** Null where fewer than two loops were measured. */
  readonly winner: Winner | null;
  /** Sentences on what was peculiar: what could not be had, and what the figures depend on. */
  readonly remarks: readonly string[];
}

/** Server and client run on one machine; the loops are what differs. */
type CompareMachine = Omit<LoadMachine, 'loop' | 'run'>;

export interface ComparePlan {
  /** One slice: one loop at one point in one round. */
  readonly durationMs: number;
  readonly warmupMs: number;
  /** Slices of each loop at each point: in every round the loops take turns. */
  readonly rounds: number;
  /** Connections that carry messages; each number is measured without idle ones. */
  readonly connections: readonly number[];
  /** Connections that carry none, beside {@link besideIdle}; empty leaves the idle part out. */
  readonly idleConnections: readonly number[];
  /** How many connections carry messages beside the idle ones. */
  readonly besideIdle: number;
  readonly messageBytes: number;
  /** Event loops of each server, each in a thread. */
  readonly threads: number;
  /** Of the order of the slices. */
  readonly seed: number;
}

/** A loop with its figures, or with the reason why it has none. */
export type ComparedLoop = MeasuredLoop | AbsentLoop;

export interface MeasuredLoop {
  readonly name: string;
  readonly available: true;
  /** In rising order of connections, then of idle ones. */
  readonly points: readonly ComparePoint[];
  /** Points of the plan that this loop could not be measured at (select beyond 1023). */
  readonly missing: readonly MissingPoint[];
  /** Resident memory of the server that one more connection costs; null if not measured. */
  readonly memoryKibPerConnection: number | null;
}

interface AbsentLoop {
  readonly name: string;
  readonly available: false;
  readonly reason: string;
}

/** What a loop is measured at: busy connections, and idle ones beside them. */
export interface LoadPoint {
  /** These carry messages. */
  readonly connections: number;
  readonly idleConnections: number;
}

export interface ComparePoint extends LoadPoint {
  /** One for each round, in order. */
  readonly rounds: readonly CompareFigures[];
  /** Of each figure by itself over the rounds: half of them lie between `lower` and `upper`. */
  readonly median: CompareFigures;
  readonly lower: CompareFigures;
  readonly upper: CompareFigures;
  /** System calls of the server per message; null where they could not be counted. */
  readonly callsPerMessage: number | null;
}

export interface MissingPoint extends LoadPoint {
  readonly reason: string;
}

/** What one slice came to. CPU is that of the server's whole process. */
export interface CompareFigures {
  readonly messagesPerSecond: number;
  /** User and system time together. */
  readonly cpuUsPerMessage: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Which loop spends the least CPU on a message, and how sure that is. */
export interface Winner {
  /** Null where the margin does not exceed the spread: no loop is ahead. */
  readonly loop: string | null;
  /** The second best. Where no loop is ahead, `words` names the two that are too close. */
  readonly over: string;
  /** The load point of the decision: the most connections that both were measured at. */
  readonly connections: number;
  readonly idleConnections: number;
  /** How much less CPU per message than `over`, in percent of `over`'s. */
  readonly marginPercent: number;
  /** Between the quartiles of the margins that single rounds came to, in percent too. */
  readonly spreadPercent: number;
  /** The same in one sentence, with both figures. */
  readonly words: string;
}
