import { counted, formatCount } from '#src/base/number-format.js';
import type { CallCounter } from '../measure/call-counter.ts';
import { NO_TIME, timedSlice } from '../measure/timed-slice.ts';
import type { CompareAnswer } from './client/messages.ts';
import { type Contender, totalOf } from './contender.ts';
import type { ComparePlan, LoadPoint } from './document.ts';
import { fullSlice, SliceFailure } from './full-slice.ts';
import type { CompareProcesses } from './processes.ts';

/** How long system calls are counted. */
export const COUNTED_MS = 40;

/**
 * A server without a reply, or a connection, for so long has failed. With a third of a core,
 * `threads` takes more than 10 s to start two dozen threads at once.
 */
const TIMEOUT_MS = 30_000;

/** Runs `work` while no other client sends. */
type Turn = (work: () => Promise<void>) => Promise<void>;

/** The comparison ends early: the slice under way does not count. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** The connections of one loop at one load point, and what they measure. */
export class ConnectedContender {
  readonly contender: Contender;
  readonly #processes: CompareProcesses;
  readonly #plan: ComparePlan;
  readonly #loadPoint: LoadPoint;
  readonly #keeps: boolean;
  #group: number | null = null;

  /** With `keeps` it has its connections until it is closed, else for each of its turns. */
  constructor(
    contender: Contender,
    loadPoint: LoadPoint,
    { processes, plan, keeps }: { processes: CompareProcesses; plan: ComparePlan; keeps: boolean },
  ) {
    this.contender = contender;
    this.#loadPoint = loadPoint;
    this.#processes = processes;
    this.#plan = plan;
    this.#keeps = keeps;
  }

  /** Connects, where it keeps its connections. */
  async connect(): Promise<void> {
    if (this.#keeps) await this.#connect();
  }

  /** Notes what the server's memory grows by. Every connection echoes, or waits behind those. */
  async noteMemory(): Promise<void> {
    const { server, tally } = this.contender;
    const { clock } = this.#processes;
    const before = clock.residentBytes(server.pid);
    await this.#slice(1);
    const bytes = clock.residentBytes(server.pid) - before;
    tally.memoryKibPerConnection = Math.max(0, bytes / 1024 / totalOf(this.#loadPoint));
  }

  /** Lets messages flow for so long, and says how many. */
  async flow(durationMs: number): Promise<CompareAnswer> {
    const answer = await this.#slice(durationMs);
    if (!this.#keeps) await this.close();
    return answer;
  }

  /** One slice, which counts. */
  async measure(): Promise<void> {
    const { contender } = this;
    if (this.#group === null) await this.#connect();
    const { result, times } = await timedSlice(this.#processes.clock, [contender.server.pid], () =>
      this.#slice(this.#plan.durationMs),
    );
    if (!this.#keeps) await this.close();
    contender.tally.add(this.#loadPoint, { ...result, times: times[0] ?? NO_TIME });
  }

  /** Counts the system calls of the server, in its turn. Returns why not, where that failed. */
  async count(counter: CallCounter, turn: Turn): Promise<string | null> {
    const { server, tally } = this.contender;
    let messages = 0;
    let failure: unknown = null;
    const during = async (): Promise<void> => {
      try {
        ({ messages } = await this.flow(COUNTED_MS));
      } catch (error) {
        failure = error;
      }
    };
    try {
      const calls = await counter.count(server.pid, () => turn(during));
      if (messages > 0) tally.addCalls(this.#loadPoint, calls / messages);
    } catch (error) {
      // It is the counter that failed, which takes nothing from the rest.
      if (failure === null) return error instanceof Error ? error.message : String(error);
    }
    if (failure !== null) throw failure;
    return null;
  }

  async close(): Promise<void> {
    const group = this.#group;
    this.#group = null;
    if (group !== null) await this.#processes.client.close(group);
  }

  async #connect(): Promise<number> {
    const { connections, idleConnections } = this.#loadPoint;
    const answer = await this.#processes.client.connect({
      port: this.contender.port,
      connections,
      idleConnections,
      messageBytes: this.#plan.messageBytes,
      seed: this.#plan.seed,
      timeoutMs: TIMEOUT_MS,
    });
    this.#group = answer.group;
    this.#check(answer);
    return answer.group;
  }

  async #slice(durationMs: number): Promise<CompareAnswer> {
    const group = this.#group ?? (await this.#connect());
    return await fullSlice('message', async () => {
      const answer = await this.#processes.client.slice(group, durationMs);
      this.#check(answer);
      return answer.messages > 0 ? answer : null;
    });
  }

  #check({ open, errors, stopped }: CompareAnswer): void {
    if (stopped) throw new Stopped();
    const total = totalOf(this.#loadPoint);
    const kinds = Object.entries(errors);
    if (kinds.length > 0) {
      const words = kinds.map(([kind, count]) => `${kind} ${formatCount(count)}`).join(', ');
      throw new SliceFailure(`errors: ${words}`);
    }
    if (open < total) {
      throw new SliceFailure(
        `${formatCount(total - open)} of ${counted(total, 'connection')} broke`,
      );
    }
  }
}
