/** Servers for the load tests, and plans to load them with. */

import { after, before } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Scope } from '#test/harness/command.js';
import type { LoadDocument } from '#tools/load/document.js';
import { startLoad } from '#tools/load/engine/run.js';
import type { LoadPlan } from '#tools/load/plan.js';

/** Servers without options. */
export type PlainKind =
  | 'echo'
  /** One bit of every chunk is flipped. */
  | 'other'
  /** A byte too many behind every chunk. */
  | 'more'
  | 'swap'
  | 'trickle'
  /** Half of the echo, and the end. */
  | 'half'
  /** The echo, and the end. */
  | 'once'
  | 'silent'
  | 'reset'
  | 'delay';

/** What a server does with a message. */
export type Behaviour =
  | { readonly kind: PlainKind }
  | { readonly kind: 'mortal'; readonly chunksMax: number }
  | { readonly kind: 'stall'; readonly afterMs: number; readonly stallMs: number }
  /** The echo, and a reset or an orderly end so long after the connection began. */
  | { readonly kind: 'leave'; readonly afterMs: number; readonly how: 'reset' | 'close' }
  /** One byte of every so many messages of 64 bytes is flipped, so many times. */
  | { readonly kind: 'flip'; readonly every: number; readonly most: number };

/** One thread may hold several servers. */
export interface ServerTask {
  readonly memory: SharedArrayBuffer;
  readonly behaviours: readonly Behaviour[];
}

export type ServerWords =
  | { readonly kind: 'ready'; readonly ports: readonly number[] }
  | { readonly kind: 'ended'; readonly delaysMs: readonly number[] };

export interface TestServer {
  readonly port: number;
  /** Ends it. Returns the time of each message in it, or a number for each byte that it changed. */
  stop(): Promise<readonly number[]>;
}

/** A thread of servers, which end together. */
interface Thread {
  readonly ports: readonly number[];
  stop(): Promise<readonly number[]>;
}

async function startThread(behaviours: readonly Behaviour[]): Promise<Thread> {
  const memory = new SharedArrayBuffer(8);
  const task: ServerTask = { memory, behaviours };
  const worker = new Worker(new URL('./server-thread.js', import.meta.url), { workerData: task });
  let delaysMs: readonly number[] = [];
  const exited = new Promise<void>((resolve, reject) => {
    worker.once('exit', () => resolve());
    worker.once('error', reject);
  });
  const ports = await new Promise<readonly number[]>((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (words: ServerWords) => {
      if (words.kind === 'ready') resolve(words.ports);
      else ({ delaysMs } = words);
    });
  });
  const stop = async (): Promise<readonly number[]> => {
    Atomics.store(new Int32Array(memory), 0, 1);
    await exited;
    return delaysMs;
  };
  return { ports, stop };
}

/** A server that ends with the test. */
export async function serve(scope: Scope, behaviour: Behaviour): Promise<TestServer> {
  const { ports, stop } = await startThread([behaviour]);
  scope.after(async () => {
    await stop();
  });
  const [port = 0] = ports;
  return { port, stop };
}

/** Servers for all tests of a file, on one thread. Returns the port of each. */
export function sharedServers(...kinds: readonly PlainKind[]): { port(kind: PlainKind): number } {
  let thread: Thread | null = null;
  before(async () => {
    thread = await startThread(kinds.map((kind) => ({ kind })));
  });
  after(async () => {
    await thread?.stop();
  });
  return {
    port: (kind) => {
      const port = thread?.ports[kinds.indexOf(kind)];
      if (port === undefined) throw new Error(`the file has no server of kind ${kind}`);
      return port;
    },
  };
}

/** A short closed loop on a few connections, with `changes`. */
export function planFor(port: number, changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    endpoint: { host: '127.0.0.1', port },
    loop: 'auto',
    threads: 1,
    connections: 4,
    idleConnections: 0,
    model: { kind: 'closed', pipeline: 1 },
    message: { kind: 'bytes', bytes: 64 },
    mode: 'echo',
    messagesPerConnection: null,
    warmupMs: 0,
    durationMs: 300,
    rampMs: 0,
    timeoutMs: 1000,
    sourceAddresses: [],
    sourcePorts: null,
    startAtMs: null,
    seed: 7,
    ...changes,
  };
}

/** An open loop at one rate. */
export function openPlan(
  port: number,
  ratePerSecond: number,
  durationMs: number,
  changes: Partial<LoadPlan> = {},
): LoadPlan {
  const stages = [{ durationMs, ratePerSecond }];
  const model = { kind: 'open', arrivals: 'uniform', stages } as const;
  return planFor(port, { model, durationMs, ...changes });
}

/** Loads a server that ends with the test. */
export async function load(
  scope: Scope,
  behaviour: Behaviour,
  changes: Partial<LoadPlan> = {},
): Promise<LoadDocument> {
  const { port } = await serve(scope, behaviour);
  return startLoad(planFor(port, changes)).done;
}

/** The kinds of errors that a run met. */
export function errorsOf({ counts }: LoadDocument): Record<string, number> {
  return Object.fromEntries(Object.entries(counts.errors).filter(([, count]) => count > 0));
}

/** One percentile of a distribution, in microseconds. */
export function percentileUs(of: LoadDocument['response'], percentile: number): number {
  return of.percentiles.find((entry) => entry.percentile === percentile)?.us ?? Number.NaN;
}
