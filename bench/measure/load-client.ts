import type { Child } from '#tools/measure/child.js';
import { Latencies } from './latencies.ts';
import { pinnedChild } from './pinned-child.ts';

/** bench/load.c and bench/churn.c, as the benches talk to them. */

/** Connecting 10,000 takes a second or two; a full backlog makes some wait a second each. */
const CONNECT_MS = 60_000;
/** Beyond the time asked for: the client gives up what stalls for 5 s. */
const GRACE_MS = 20_000;

export interface LoadShape {
  readonly connections: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** Loopback addresses to connect from; 0 leaves that to the kernel. */
  readonly sources: number;
  /** Messages a second in all, by a schedule; undefined is a closed loop. */
  readonly ratePerSecond?: number;
}

export type ChurnShape = Pick<LoadShape, 'connections' | 'bytes' | 'sources'>;

export interface LoadResult {
  readonly messages: number;
  readonly seconds: number;
  readonly errors: number;
  readonly latencies: Latencies;
}

export class LoadClient {
  readonly connections: number;
  readonly #child: Child;
  readonly #ratePerSecond: number | undefined;

  private constructor(child: Child, connections: number, ratePerSecond?: number) {
    this.#child = child;
    this.connections = connections;
    this.#ratePerSecond = ratePerSecond;
  }

  /** Connections that stay: `program` is bench/load.c. */
  static connect(program: string, port: number, shape: LoadShape): Promise<LoadClient> {
    const { connections, bytes, inFlight, sources, ratePerSecond } = shape;
    const words = [port, connections, bytes, inFlight, ...(sources > 0 ? [sources] : [])];
    return LoadClient.#start([program, ...words.map(String)], connections, ratePerSecond);
  }

  /** Connections that come and go, each for one message: `program` is bench/churn.c. */
  static churn(program: string, port: number, shape: ChurnShape): Promise<LoadClient> {
    const { connections, bytes, sources } = shape;
    const words = [port, connections, bytes, sources];
    return LoadClient.#start([program, ...words.map(String)], connections);
  }

  static async #start(
    command: readonly string[],
    connections: number,
    ratePerSecond?: number,
  ): Promise<LoadClient> {
    const child = pinnedChild('client', command);
    try {
      await child.line(CONNECT_MS);
      return new LoadClient(child, connections, ratePerSecond);
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Keeps the connections busy for `ms`. */
  run(ms: number): Promise<LoadResult> {
    const rate = this.#ratePerSecond;
    const command = rate === undefined ? `run ${ms}` : `open ${ms} ${rate}`;
    return this.#command(command, ms + GRACE_MS);
  }

  /** One message on every connection, each byte checked. Throws unless all came back. */
  async verify(): Promise<void> {
    const { messages, errors } = await this.#command('each 1', GRACE_MS);
    if (errors === 0 && messages === this.connections) return;
    const why = this.lastWords();
    throw new Error(`only ${messages} of ${this.connections} connections echo (${why})`);
  }

  /** What the client said was wrong. */
  lastWords(): string {
    return this.#child.lastWords('no reason given');
  }

  async #command(command: string, timeoutMs: number): Promise<LoadResult> {
    this.#child.tell(command);
    const line = await this.#child.line(timeoutMs);
    const values = new Map([...line.matchAll(/(\w+)=(\S*)/g)].map(([, k = '', v = '']) => [k, v]));
    return {
      messages: Number(values.get('messages')),
      seconds: Number(values.get('seconds')),
      errors: Number(values.get('errors')),
      latencies: Latencies.parse(values.get('buckets') ?? ''),
    };
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
