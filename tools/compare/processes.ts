import { nativeSys } from 'sockloop/sys';
import { type LoadLimits, loadLimits } from '../load/plan/check.ts';
import { type CallCounter, findCallCounter } from '../measure/call-counter.ts';
import type { Cleanup } from '../measure/cleanup.ts';
import { inTurns } from '../measure/in-turns.ts';
import { findProcessClock, type ProcessClock } from '../measure/process-clock.ts';
import { openDescriptors } from '../measure/process-facts.ts';
import { CompareClient } from './client/client.ts';
import { Contender, OWN_DESCRIPTORS, THREADS_ASKED_MAX } from './contender.ts';
import type { ComparedName } from './plan.ts';
import { CompareServer } from './server.ts';

/** The processes of a comparison: a server of each loop, and the client, a thread of this one. */
export class CompareProcesses {
  readonly client: CompareClient;
  readonly clock: ProcessClock;
  readonly limits: LoadLimits;
  readonly #cleanup: Cleanup;
  readonly #servers: CompareServer[] = [];

  /** Throws an Error where nothing tells the CPU time of a process. */
  constructor(cleanup: Cleanup) {
    this.clock = findProcessClock();
    // Lifts the limit on descriptors, and the servers inherit that.
    this.limits = loadLimits(nativeSys());
    this.client = new CompareClient();
    this.#cleanup = cleanup;
  }

  /** Starts a server of each loop, with so many of them. One that does not listen says why. */
  async start(
    names: readonly ComparedName[],
    threads: number,
  ): Promise<(Contender | NotStarted)[]> {
    const outcomes = await inTurns(names, (name) => this.#startOne(name, threads));
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  async #startOne(name: ComparedName, loops: number): Promise<Contender | NotStarted> {
    const threads = name === 'threads' ? THREADS_ASKED_MAX : loops;
    const more = threads === 1 ? [] : ['--threads', `${threads}`];
    const server = new CompareServer(name, more, this.#cleanup);
    this.#servers.push(server);
    try {
      const port = await server.port();
      const limit = name === 'select' ? connectionsOfSelect(server.pid) : Number.POSITIVE_INFINITY;
      return new Contender(name, server, port, limit);
    } catch (error) {
      return { name, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** What counts system calls here, on one of the servers; or why nothing does. */
  counter({ server }: Contender): Promise<CallCounter | { readonly reason: string }> {
    return findCallCounter(server.pid, this.#cleanup);
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await this.client.end();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

/** A loop whose server could not be started. */
export interface NotStarted {
  readonly name: ComparedName;
  readonly reason: string;
}

/** select(2) holds descriptors below FD_SETSIZE, of which the server has some of its own. */
function connectionsOfSelect(pid: number): number {
  return nativeSys().abi.constants.FD_SETSIZE - (openDescriptors(pid) ?? OWN_DESCRIPTORS) - 1;
}
