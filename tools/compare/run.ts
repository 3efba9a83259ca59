import { counted } from '#src/base/number-format.js';
import { Random } from '#src/base/random.js';
import type { CallCounter } from '../measure/call-counter.ts';
import type { Cores } from '../measure/cores.ts';
import type { Children } from './children.ts';
import { type Contender, OWN_DESCRIPTORS, totalOf } from './contender.ts';
import type { ComparedName, Comparison, Place } from './plan.ts';
import { Field, type NotStarted } from './processes.ts';
import { COUNTED_MS, REST_MS, SliceFailure, Stopped, Subject } from './slices.ts';
import { placeWords } from './wording.ts';

/** How far a comparison is. */
export interface CompareProgress {
  /** Where, and beside it what in particular. */
  readonly words: string;
  readonly detail: string;
  /** Of the time that all slices take, 0 as long as that is not known. */
  readonly doneMs: number;
  readonly totalMs: number;
}

/** What a comparison came to. */
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

const NOWHERE: Place = { connections: 0, idleConnections: 0 };
const ONE: Place = { connections: 1, idleConnections: 0 };

/** One comparison, from the first server to the last slice. */
export class CompareRun {
  readonly #comparison: Comparison;
  readonly #field: Field;
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
    surroundings: { readonly children: Children; readonly cores: Cores },
    progress: (now: CompareProgress) => void,
  ) {
    this.#comparison = comparison;
    this.#random = new Random(comparison.plan.seed);
    this.#progress = progress;
    this.#field = new Field(surroundings.children);
    this.#cores = surroundings.cores;
  }

  /** Ends it early: what was measured so far counts. Idempotent. */
  stop(): void {
    this.#stopping = true;
    this.#field.client.stop();
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
        stepUs: this.#field.clock.stepUs,
        endedEarly: this.#stopping,
        startedAt,
      };
    } finally {
      await this.#field.close();
    }
  }

  async #start(names: readonly ComparedName[]): Promise<NotStarted[]> {
    this.#tell(`starting ${counted(names.length, 'server')}`);
    const started = await this.#field.start(names);
    this.#contenders = started.filter((one): one is Contender => !('reason' in one));
    return started.filter((one) => 'reason' in one);
  }

  async #measureAll(): Promise<void> {
    const { places } = this.#comparison;
    const plan = places.map((place) => ({ place, contenders: this.#fitting(place) }));
    const count = plan.reduce((sum, { contenders }) => sum + contenders.length, 0);
    this.#totalMs = count * this.#placeMs + this.#contenders.length * FIRST_WARMUP_MS;
    for (const contender of this.#contenders) await this.#noteMemory(contender);
    // Up to here, two cores have done what one would take longer for.
    this.#cores.pinClient();
    for (const contender of this.#contenders) await this.#warmUp(contender);
    const [first] = this.#contenders.filter(({ gone }) => gone === null);
    if (first === undefined) return;
    this.#counter = await this.#field.counter(first);
    for (const { place, contenders } of plan) await this.#measure(place, contenders);
  }

  /** How long one loop takes at one place. */
  get #placeMs(): number {
    const { warmupMs, rounds, durationMs } = this.#comparison.plan;
    return warmupMs + COUNTED_MS + rounds * (durationMs + REST_MS);
  }

  /** While nothing has been used yet that is used again: on a server that has just begun. */
  async #noteMemory(contender: Contender): Promise<void> {
    const { limits } = this.#field;
    const places = this.#comparison.places.filter(
      (place) => contender.reasonAgainst(place, limits) === null,
    );
    const most = places.reduce(
      (best, place) => (totalOf(place) > totalOf(best) ? place : best),
      NOWHERE,
    );
    if (totalOf(most) < MEMORY_CONNECTIONS_MIN) return;
    this.#tell('resident memory', contender.name);
    // Loads the code that every connection runs through.
    await this.#alone(contender, ONE, (subject) => subject.flow(1));
    await this.#alone(contender, most, (subject) => subject.noteMemory());
  }

  async #warmUp(contender: Contender): Promise<void> {
    this.#tell('warming up', contender.name);
    const place = { connections: contender.warmUpConnections, idleConnections: 0 };
    await this.#alone(contender, place, (subject) => {
      this.#cores.pinServer(contender.server.pid);
      return subject.flow(FIRST_WARMUP_MS);
    });
    this.#doneMs += FIRST_WARMUP_MS;
  }

  /** Before the first place; a loop that fails there is out of it. */
  async #alone(contender: Contender, place: Place, step: Step): Promise<void> {
    const subject = this.#subject(contender, place, true);
    await this.#attempt(subject, null, () => step(subject));
    await subject.close();
  }

  /** The loops that are measured at a place; of the others it is noted why not. */
  #fitting(place: Place): Contender[] {
    return this.#contenders.filter((contender) => {
      const reason = contender.reasonAgainst(place, this.#field.limits);
      if (reason !== null) contender.tally.miss(place, reason);
      return reason === null;
    });
  }

  async #measure(place: Place, contenders: readonly Contender[]): Promise<void> {
    const { plan } = this.#comparison;
    // Where they cannot all have their connections at the same time, each gets them for its turns.
    const { descriptors } = this.#field.limits;
    const together = contenders.length * totalOf(place) + OWN_DESCRIPTORS <= descriptors;
    const all = contenders.map((one) => this.#subject(one, place, together));
    const left = new Set(all);
    const each = async (detail: string, takesMs: number, step: Step): Promise<void> => {
      for (const subject of this.#random.shuffled([...left])) {
        this.#tell(placeWords(place), `${detail}${subject.contender.name}`);
        const well = await this.#attempt(subject, place, () => step(subject));
        if (!well) {
          left.delete(subject);
          await subject.close();
        }
        this.#doneMs += takesMs;
      }
    };
    try {
      await each('connecting to ', 0, (subject) => subject.connect());
      await each('warming up ', plan.warmupMs, (subject) => subject.flow(plan.warmupMs));
      if (!('reason' in this.#counter)) {
        this.#tell(placeWords(place), 'counting system calls');
        await this.#count(place, left, this.#counter);
      }
      for (let round = 1; round <= plan.rounds; round += 1) {
        const detail = `round ${round} of ${plan.rounds}: `;
        await each(detail, plan.durationMs + REST_MS, (subject) => subject.measure());
      }
    } finally {
      for (const subject of all) await subject.close();
    }
  }

  /** To attach the counter takes longer than to count: it is attached to all servers at once. */
  async #count(place: Place, left: Set<Subject>, counter: CallCounter): Promise<void> {
    let last: Promise<unknown> = Promise.resolve();
    const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    };
    const countOne = async (subject: Subject): Promise<void> => {
      const well = await this.#attempt(subject, place, async () => {
        const failure = await subject.count(counter, inTurn);
        if (failure !== null) this.#uncounted.add(failure);
      });
      if (!well) left.delete(subject);
    };
    const outcomes = await Promise.allSettled([...left].map(countOne));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#doneMs += left.size * COUNTED_MS;
  }

  /**
   * Returns whether `step` went well; where it did not, the loop has no figures at that place, or
   * nowhere if `place` is null.
   */
  async #attempt(
    { contender }: Subject,
    place: Place | null,
    step: () => Promise<unknown>,
  ): Promise<boolean> {
    if (this.#stopping) throw new Stopped();
    let reason = contender.gone;
    try {
      if (reason === null) await step();
    } catch (error) {
      if (this.#stopping || error instanceof Stopped) throw new Stopped();
      reason = await this.#blame(contender, place, error);
    }
    if (reason !== null && place !== null) contender.tally.miss(place, reason);
    return reason === null;
  }

  /** What was wrong; throws what was not the server's. */
  async #blame(contender: Contender, place: Place | null, error: unknown): Promise<string> {
    const { name, server, failures } = contender;
    const death = await server.deathWords();
    if (death !== null) {
      contender.gone = `its server ended in the middle: ${death}`;
      failures.push(`the server of ${name} ended in the middle: ${death}`);
      return contender.gone;
    }
    if (!(error instanceof SliceFailure)) throw error;
    if (place === null) contender.gone = `its server does not answer: ${error.message}`;
    const where = place === null ? name : `${name} at ${placeWords(place)}`;
    failures.push(`${where}: ${error.message}`);
    return error.message;
  }

  #subject(contender: Contender, place: Place, keeps: boolean): Subject {
    const { plan } = this.#comparison;
    return new Subject(contender, place, { field: this.#field, plan, keeps });
  }

  #readLifetime({ server, tally }: Contender): void {
    try {
      tally.lifetime = this.#field.clock.times(server.pid);
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
type Step = (subject: Subject) => Promise<unknown>;
