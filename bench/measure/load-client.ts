import { Child } from './child.ts';
import { CLIENT_CORE } from './machine.ts';

/** bench/load.c, as the benches talk to it. */

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
}

export interface LoadResult {
  readonly messages: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export class LoadClient {
  readonly connections: number;
  readonly #child: Child;

  private constructor(child: Child, connections: number) {
    this.#child = child;
    this.connections = connections;
  }

  static async connect(program: string, port: number, shape: LoadShape): Promise<LoadClient> {
    const { connections, bytes, inFlight, sources } = shape;
    const words = [port, connections, bytes, inFlight, ...(sources > 0 ? [sources] : [])];
    const child = new Child([program, ...words.map(String)], CLIENT_CORE);
    try {
      await child.line(CONNECT_MS);
      return new LoadClient(child, connections);
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  /** Keeps the connections busy for `ms`. */
  run(ms: number): Promise<LoadResult> {
    return this.#command(`run ${ms}`, ms + GRACE_MS);
  }

  /** One message on every connection, each byte checked. Throws unless all came back. */
  async verify(): Promise<void> {
    const { messages, errors } = await this.#command('each 1', GRACE_MS);
    if (errors === 0 && messages === this.connections) return;
    const why = this.#child.lastWords('no reason given');
    throw new Error(`only ${messages} of ${this.connections} connections echo (${why})`);
  }

  async #command(command: string, timeoutMs: number): Promise<LoadResult> {
    this.#child.tell(command);
    const line = await this.#child.line(timeoutMs);
    const values = new Map([...line.matchAll(/(\w+)=(\S+)/g)].map(([, k, v]) => [k, Number(v)]));
    const value = (name: string): number => values.get(name) ?? Number.NaN;
    return {
      messages: value('messages'),
      seconds: value('seconds'),
      errors: value('errors'),
      p50Us: value('p50'),
      p99Us: value('p99'),
    };
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
