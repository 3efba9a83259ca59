import type { Endpoint, LoopName } from 'sockloop';
import type { EchoMode } from '../echo/session.ts';

/** Request for a load run: plain data, passed to threads and into the JSON unchanged. */
export interface LoadPlan {
  readonly endpoint: Endpoint;
  readonly loop: LoopName;
  readonly threads: number;
  /** Total connections that carry messages. */
  readonly connections: number;
  /** Total further connections that stay open and idle. */
  readonly idleConnections: number;
  readonly model: LoadModel;
  readonly message: MessagePlan;
  /** What the server does: `line` and `once` send lines. With `once` every message reconnects. */
  readonly mode: EchoMode;
  /** Messages after which a connection is replaced; null keeps it for the whole run. */
  readonly messagesPerConnection: number | null;
  /** Length of the warm-up, in which nothing counts, and of the measured time. */
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Part of the warm-up in which connections (closed loop) or rate (open loop) rise from 0. */
  readonly rampMs: number;
  /** Longest wait for a reply: then the message has timed out, and its connection is replaced. */
  readonly timeoutMs: number;
  /** Loopback addresses to connect from, in turn; empty leaves it to the kernel. */
  readonly sourceAddresses: readonly string[];
  /** The first and last local port to connect from; null leaves it to the kernel. */
  readonly sourcePorts: readonly [first: number, last: number] | null;
  /** When to begin, in milliseconds of the wall clock (Date.now()); null begins at once. */
  readonly startAtMs: number | null;
  /** Seed of the messages' bytes and of Poisson arrivals. */
  readonly seed: number;
}

/** How messages follow one another. The two are never mixed. */
export type LoadModel = ClosedLoop | OpenLoop;

/** The next message begins when a reply is there: the server sets the pace. */
interface ClosedLoop {
  readonly kind: 'closed';
  /** Messages in flight on each connection. */
  readonly pipeline: number;
}

/** Messages begin when they are due, whether or not the server keeps up. */
export interface OpenLoop {
  readonly kind: 'open';
  readonly arrivals: 'uniform' | 'poisson';
  /** One stage after the other, in order; their durations add up to the plan's. */
  readonly stages: readonly Stage[];
}

/** A rate and how long it holds. */
export interface Stage {
  readonly durationMs: number;
  /** Messages per second over all connections and threads, above 0. */
  readonly ratePerSecond: number;
}

/** What a message is. */
export type MessagePlan =
  /** Bytes that differ along every connection, so that loss, duplication and mix-up show. */
  | { readonly kind: 'bytes'; readonly bytes: number }
  /** The same bytes every time, from the command line or a file, in base64. */
  | { readonly kind: 'given'; readonly base64: string; readonly source: string };
