import { counted } from '#src/base/number-format.js';
import { Random } from '#src/base/random.js';
import type { CallCounter } from '../measure/call-counter.ts';
import type { Cleanup } from '../measure/cleanup.ts';
import type { Cores } from '../measure/cores.ts';
import { REST_MS } from '../measure/timed-slice.ts';
import { type Contender, OWN_DESCRIPTORS, totalOf } from './contender.ts';
import type { LoadPoint } from './document.ts';
import { SliceFailure } from './full-slice.ts';
import type { ComparedName, Comparison } from './plan.ts';
import { CompareProcesses, type NotStarted } from './processes.ts';
import { COUNTED_MS, ConnectedContender, Stopped } from './slices.ts';
import { loadPointWords } from './wording.ts';

/** How far a comparison is. */
export interface CompareProgress {
  /** Where, and beside it what in particular. */
  readonly words: string;
  readonly detail: string;
  /** Of the time that all slices take, 0 as long as that is not known. */
  readonly doneMs: number;
  readonly totalMs: number;
}

/** Raw outcome of a comparison, input to `documentOf()`. */
export interface CompareOutcome {
  readonly contenders: readonly Contender[];
  readonly notStarted: readonly NotStarted[];
  /** What system calls were counted with, or why they were not. */
  readonly counter: CallCounter | { readonly reason: string };
  /** Why they were not counted now and then. */
  readonly uncounted: readonly string[];
  /** How finely CPU time was known, in microseconds. */
  readonly stepUs: number;
  readonly endedEarly: boolean;
  /** When the first slice began. */
  readonly startedAt: Date;
}

/** How long a server is busy before anything counts, so that V8 has compiled what matters. */
const FIRST_WARMUP_MS = 200;

/** Growth by so few connections is less than what memory differs by anyhow. */
const MEMORY_CONNECTIONS_MIN = 40;

const NOWHERE: LoadPoint = { connections: 0, idleConnections: 0 };
const ONE: LoadPoint = { connections: 1, idleConnections: 0 };

/** One comparison, from the first server to the last slice. */
export class CompareRun {
  readonly #comparison: Comparison;
  readonly #processes: CompareProcesses;
  readonly #cores: Cores;
  readonly #random: Random;
  readonly #progress: (now: CompareProgress) => void;
  #contenders: readonly Contender[] = [];
  #counter: CallCounter | { readonly reason: string } = { reason: 'no server was there' };
  readonly #uncounted = new Set<string>();
  #stopping = false;
  #totalMs = 0;
  #doneMs = 0;

  constructor(
    comparison: Comparison,
    surroundings: { readonly cleanup: Cleanup; readonly cores: Cores },
    progress: (now: CompareProgress) => void,
  ) {
    this.#comparison = comparison;
    this.#random = new Random(comparison.plan.seed);
    this.#progress = progress;
    this.#processes = new CompareProcesses(surroundings.cleanup);
    this.#cores = surroundings.cores;
  }

  /** Ends it early: what was measured so far counts. Idempotent. */
  stop(): void {
    this.#stopping = true;
    this.#processes.client.stop();
  }

  async run(): Promise<CompareOutcome> {
    const { loops } = this.#comparison;
    const names = loops.flatMap(({ name, reason }) => (reason === null ? [name] : []));
    try {
      const notStarted = await this.#start(names);
      const startedAt = new Date();
      try {
        await this.#measureAll();
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
      for (const contender of this.#contenders) this.#readLifetime(contender);
      return {
        contenders: this.#contenders,
        notStarted,
        counter: this.#counter,
        uncounted: [...this.#uncounted],
        stepUs: this.#processes.clock.stepUs,
        endedEarly: this.#stopping,
        startedAt,
      };
    } finally {
      await this.#processes.close();
    }
  }

  async #start(names: readonly ComparedName[]): Promise<NotStarted[]> {
    this.#tell(`starting ${counted(names.length, 'server')}`);
    const started = await this.#processes.start(names, this.#comparison.plan.threads);
    this.#contenders = started.filter((one): one is Contender => !('reason' in one));
    return started.filter((one) => 'reason' in one);
  }

  async #measureAll(): Promise<void> {
    const { loadPoints } = this.#comparison;
    const plan = loadPoints.map((loadPoint) => ({
      loadPoint,
      contenders: this.#fitting(loadPoint),
    }));
    const count = plan.reduce((sum, { contenders }) => sum + contenders.length, 0);
    this.#totalMs = count * this.#loadPointMs + this.#contenders.length * FIRST_WARMUP_MS;
    for (const contender of this.#contenders) await this.#noteMemory(contender);
    // Up to here, two cores have done what one would take longer for.
    this.#cores.pinClient();
    for (const contender of this.#contenders) await this.#warmUp(contender);
    const [first] = this.#contenders.filter(({ gone }) => gone === null);
    if (first === undefined) return;
    this.#counter = await this.#processes.counter(first);
    for (const { loadPoint, contenders } of plan) await this.#measure(loadPoint, contenders);
  }

  /** How long one loop takes at one load point. */
  get #loadPointMs(): number {
    const { warmupMs, rounds, durationMs } = this.#comparison.plan;
    return warmupMs + COUNTED_MS + rounds * (durationMs + REST_MS);
  }

  /** While nothing has been used yet that is used again: on a server that has just begun. */
  async #noteMemory(contender: Contender): Promise<void> {
    const { limits } = this.#processes;
    const loadPoints = this.#comparison.loadPoints.filter(
      (loadPoint) => contender.reasonAgainst(loadPoint, limits) === null,
    );
    const most = loadPoints.reduce(
      (best, loadPoint) => (totalOf(loadPoint) > totalOf(best) ? loadPoint : best),
      NOWHERE,
    );
    if (totalOf(most) < MEMORY_CONNECTIONS_MIN) return;
    this.#tell('resident memory', contender.name);
    // Loads the code that every connection runs through.
    await this.#alone(contender, ONE, (connected) => connected.flow(1));
    await this.#alone(contender, most, (connected) => connected.noteMemory());
  }

  async #warmUp(contender: Contender): Promise<void> {
    this.#tell('warming up', contender.name);
    const loadPoint = { connections: contender.warmUpConnections, idleConnections: 0 };
    await this.#alone(contender, loadPoint, (connected) => {
      this.#cores.pinServer(contender.server.pid);
      return connected.flow(FIRST_WARMUP_MS);
    });
    this.#doneMs += FIRST_WARMUP_MS;
  }

  /** Before the first load point; a loop that fails there is out of it. */
  async #alone(contender: Contender, loadPoint: LoadPoint, step: Step): Promise<void> {
    const connected = this.#connected(contender, loadPoint, true);
    await this.#attempt(connected, null, () => step(connected));
    await connected.close();
  }

  /** The loops that are measured at a load point; of the others it is noted why not. */
  #fitting(loadPoint: LoadPoint): Contender[] {
    return this.#contenders.filter((contender) => {
      const reason = contender.reasonAgainst(loadPoint, this.#processes.limits);
      if (reason !== null) contender.tally.miss(loadPoint, reason);
      return reason === null;
    });
  }

  async #measure(loadPoint: LoadPoint, contenders: readonly Contender[]): Promise<void> {
    const { plan } = this.#comparison;
    // Where they cannot all have their connections at the same time, each gets them for its turns.
    const { descriptors } = this.#processes.limits;
    const together = contenders.length * totalOf(loadPoint) + OWN_DESCRIPTORS <= descriptors;
    const all = contenders.map((one) => this.#connected(one, loadPoint, together));
    const left = new Set(all);
    const each = async (detail: string, takesMs: number, step: Step): Promise<void> => {
      for (const connected of this.#random.shuffled([...left])) {
        this.#tell(loadPointWords(loadPoint), `${detail}${connected.contender.name}`);
        const well = await this.#attempt(connected, loadPoint, () => step(connected));
        if (!well) {
          left.delete(connected);
          await connected.close();
        }
        this.#doneMs += takesMs;
      }
    };
    try {
      await each('connecting to ', 0, (connected) => connected.connect());
      await each('warming up ', plan.warmupMs, (connected) => connected.flow(plan.warmupMs));
      if (!('reason' in this.#counter)) {
        this.#tell(loadPointWords(loadPoint), 'counting system calls');
        await this.#count(loadPoint, left, this.#counter);
      }
      for (let round = 1; round <= plan.rounds; round += 1) {
        const detail = `round ${round} of ${plan.rounds}: `;
        await each(detail, plan.durationMs + REST_MS, (connected) => connected.measure());
      }
    } finally {
      for (const connected of all) await connected.close();
    }
  }

  /** To attach the counter takes longer than to count: it is attached to all servers at once. */
  async #count(
    loadPoint: LoadPoint,
    left: Set<ConnectedContender>,
    counter: CallCounter,
  ): Promise<void> {
    let last: Promise<unknown> = Promise.resolve();
    const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    };
    const countOne = async (connected: ConnectedContender): Promise<void> => {
      const well = await this.#attempt(connected, loadPoint, async () => {
        const failure = await connected.count(counter, inTurn);
        if (failure !== null) this.#uncounted.add(failure);
      });
      if (!well) left.delete(connected);
    };
    const outcomes = await Promise.allSettled([...left].map(countOne));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#doneMs += left.size * COUNTED_MS;
  }

  /**
   * Returns whether `step` went well; else the loop has no figures at that load point, or
   * nowhere if `loadPoint` is null.
   */
  async #attempt(
    { contender }: ConnectedContender,
    loadPoint: LoadPoint | null,
    step: () => Promise<unknown>,
  ): Promise<boolean> {
    if (this.#stopping) throw new Stopped();
    let reason = contender.gone;
    try {
      if (reason === null) await step();
    } catch (error) {
      if (this.#stopping || error instanceof Stopped) throw new Stopped();
      reason = await this.#blame(contender, loadPoint, error);
    }
    if (reason !== null && loadPoint !== null) contender.tally.miss(loadPoint, reason);
    return reason === null;
  }

  /** What was wrong; throws what was not the server's. */
  async #blame(contender: Contender, loadPoint: LoadPoint | null, error: unknown): Promise<string> {
    const { name, server, failures } = contender;
    const death = await server.deathWords();
    if (death !== null) {
      contender.gone = `its server ended in the middle: ${death}`;
      failures.push(`the server of ${name} ended in the middle: ${death}`);
      return contender.gone;
    }
    if (!(error instanceof SliceFailure)) throw error;
    if (loadPoint === null) contender.gone = `its server does not answer: ${error.message}`;
    const where = loadPoint === null ? name : `${name} at ${loadPointWords(loadPoint)}`;
    failures.push(`${where}: ${error.message}`);
    return error.message;
  }

  #connected(contender: Contender, loadPoint: LoadPoint, keeps: boolean): ConnectedContender {
    const { plan } = this.#comparison;
    return new ConnectedContender(contender, loadPoint, {
      processes: this.#processes,
      plan,
      keeps,
    });
  }

  #readLifetime({ server, tally }: Contender): void {
    try {
      tally.lifetime = this.#processes.clock.times(server.pid);
    } catch (error) {
      // It is known why there is nothing to read of a server that has ended.
      if (server.end === null) throw error;
    }
  }

  #tell(words: string, detail = ''): void {
    this.#progress({ words, detail, doneMs: this.#doneMs, totalMs: this.#totalMs });
  }
}

/** What is done with each loop in turn. */
type Step = (connected: ConnectedContender) => Promise<unknown>;
