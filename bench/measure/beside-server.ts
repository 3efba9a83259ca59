import { fileURLToPath } from 'node:url';
import type { Child } from '#tools/measure/child.js';
import { LoadClient } from './load-client.ts';
import { pinnedChild } from './pinned-child.ts';
import type { Programs } from './servers.ts';

/** The servers of bench/beside-node.ts: echo beside an HTTP server, each with its clients. */

/** Its servers, by name, and the words that start them. */
export const BESIDE_SERVERS = [
  { name: 'net', words: ['net'] },
  { name: 'net-again', words: ['net'] },
  { name: 'attach-epoll', words: ['attach', 'epoll'] },
  { name: 'attach-io_uring', words: ['attach', 'io_uring'] },
  { name: 'run-epoll', words: ['run', 'epoll'] },
  { name: 'run-io_uring', words: ['run', 'io_uring'] },
] as const;

export type BesideServerKind = (typeof BESIDE_SERVERS)[number];

/** What its servers have to do beside HTTP, by name. */
export const LOADS = [
  { name: 'idle', title: 'idle: 50 connections without a message' },
  { name: 'light', title: 'lightly loaded: 2,000 messages a second over 50 connections' },
  { name: 'full', title: 'fully loaded: 50 connections, a message in flight on each' },
] as const;

export type BesideLoad = (typeof LOADS)[number]['name'];

const CONNECTIONS = 50;
const BYTES = 64;
const RATE_PER_SECOND = 2000;
const PROGRAM = fileURLToPath(new URL('../beside-program.js', import.meta.url));
const START_MS = 10_000;
const GRACE_MS = 20_000;
/** A sample begins after its load and ends before it. */
const LONGER_MS = 50;

/** How long something took in one sample. */
export interface Waits {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** A server, the client of its HTTP server, and the load on its echo server. */
export class BesideServer {
  readonly name: string;
  readonly #server: Child;
  readonly #outside: Child;
  readonly #load: LoadClient;

  private constructor(name: string, server: Child, outside: Child, load: LoadClient) {
    this.name = name;
    this.#server = server;
    this.#outside = outside;
    this.#load = load;
  }

  /** Starts a server and its clients. Every connection has echoed a message then. */
  static async start(
    { name, words }: BesideServerKind,
    load: BesideLoad,
    programs: Programs,
  ): Promise<BesideServer> {
    const started: { stop(): Promise<void> }[] = [];
    try {
      const server = pinnedChild('server', [process.execPath, PROGRAM, 'server', ...words]);
      started.push(server);
      const port = await server.port(START_MS);
      const httpPort = (await server.line(START_MS)).split(' ')[1] ?? '';
      const outside = pinnedChild('client', [process.execPath, PROGRAM, 'client', httpPort]);
      started.push(outside);
      await outside.line(START_MS);
      const shape = { connections: CONNECTIONS, bytes: BYTES, sources: 0 };
      const client = await LoadClient.connect(programs.load, port, {
        ...shape,
        ...(load === 'light'
          ? { inFlight: CONNECTIONS, ratePerSecond: RATE_PER_SECOND }
          : { inFlight: 1 }),
      });
      started.push(client);
      await client.verify();
      return new BesideServer(name, server, outside, client);
    } catch (error) {
      for (const one of started) await one.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#server.pid;
  }

  /**
   * How long everything takes under the load, by name: first in the server's own process, then
   * outside of it, which is when the messages of the load are counted.
   */
  async sample(load: BesideLoad, ms: number): Promise<Map<string, Waits>> {
    const all = new Map<string, Waits>();
    for (const child of [this.#server, this.#outside]) {
      const loaded = load === 'idle' ? null : this.#load.run(ms + LONGER_MS);
      const [result, samples] = await Promise.all([loaded, sampled(child, ms)]);
      for (const [name, us] of Object.entries(samples)) all.set(name, waitsOf(us));
      if (result === null) continue;
      const { errors, latencies } = result;
      if (errors > 0) throw new Error(`${this.name}: ${this.#load.lastWords()}`);
      const [p50Us, p99Us] = [latencies.quantileUs(0.5), latencies.quantileUs(0.99)];
      all.set('message', { p50Us, p99Us });
    }
    return all;
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    await this.#outside.stop();
    await this.#server.stop();
  }
}

async function sampled(child: Child, ms: number): Promise<Record<string, number[]>> {
  child.tell(`sample ${ms}`);
  return JSON.parse(await child.line(ms + GRACE_MS)) as Record<string, number[]>;
}

function waitsOf(us: readonly number[]): Waits {
  const sorted = us.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN;
  return { p50Us: at(0.5), p99Us: at(0.99) };
}
