import { LoadClient } from './load-client.ts';
import { type Contender, type Programs, type Server, startServer } from './servers.ts';

/** The servers that are running: each is started when it is first asked for, and warmed up. */

const WARM_UP_CONNECTIONS = 50;
const WARM_UP_BYTES = 64;
const RUN_MS = 500;

export interface WarmUp {
  /** By then V8 has compiled all there is to compile; sooner, the first rounds cost more. */
  readonly messages: number;
  /** But no longer than this. */
  readonly ms: number;
}

export class RunningServers {
  readonly #programs: Programs;
  readonly #warmUp: WarmUp;
  readonly #running = new Map<string, Server>();

  constructor(programs: Programs, warmUp: WarmUp) {
    this.#programs = programs;
    this.#warmUp = warmUp;
  }

  /** The server of a contender, warm. `connectionsMax` is what it can hold. */
  async server(contender: Contender, connectionsMax: number): Promise<Server> {
    const running = this.#running.get(contender.name);
    if (running !== undefined) return running;
    const server = await startServer(contender);
    this.#running.set(contender.name, server);
    try {
      await this.#warm(server, Math.min(WARM_UP_CONNECTIONS, connectionsMax));
      return server;
    } catch (error) {
      await this.drop(contender.name);
      throw error;
    }
  }

  /** Ends a server that has failed, or is not needed any more: the next who asks gets a new one. */
  async drop(name: string): Promise<void> {
    const server = this.#running.get(name);
    this.#running.delete(name);
    await server?.stop();
  }

  async stop(): Promise<void> {
    for (const name of this.#running.keys()) await this.drop(name);
  }

  async #warm({ port }: Server, connections: number): Promise<void> {
    const shape = { connections, bytes: WARM_UP_BYTES, inFlight: 1, sources: 0 };
    const client = await LoadClient.connect(this.#programs.load, port, shape);
    try {
      await client.verify();
      let messages = 0;
      for (let ms = 0; ms < this.#warmUp.ms && messages < this.#warmUp.messages; ms += RUN_MS) {
        messages += (await client.run(RUN_MS)).messages;
      }
    } finally {
      await client.stop();
    }
  }
}
