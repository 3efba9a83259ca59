import { Interest, type ReadySink } from './poller.ts';

/** What a poller has registered of a descriptor. */
export interface Registration {
  readonly fd: number;
  readonly token: number;
  readonly interest: Interest;
}

/** A bit next to those of the interest: registered, even with no interest. */
const REGISTERED = 4;

/** Descriptors allocated at first: enough for a small program. */
const INITIAL_FDS = 64;

/** The words of a descriptor: state, token, generation, edge. A quarter of a cache line. */
const WORDS = 4;
const TOKEN = 1;
const GENERATION = 2;
const EDGE = 3;

/**
 * The registrations of a poller: interest and token by descriptor, in one typed array, so that a
 * look-up allocates nothing and touches one cache line.
 *
 * Each registration has a generation, which events carry: it tells whether the registration is
 * still current. The number of a descriptor does not, because the kernel reuses it at once.
 */
export class Registry {
  #words = new Int32Array(INITIAL_FDS * WORDS);
  #latestGeneration = 0;

  /** All registered descriptors are below this number. */
  get fdEnd(): number {
    return this.#words.length / WORDS;
  }

  /** Whether `fd` is registered. */
  has(fd: number): boolean {
    return (this.#words[fd * WORDS] ?? 0) !== 0;
  }

  /** The interest in `fd`, none where it is not registered. */
  interestOf(fd: number): Interest {
    return ((this.#words[fd * WORDS] ?? 0) & Interest.both) as Interest;
  }

  /** The generation of the last registration of `fd`. */
  generationOf(fd: number): number {
    return this.#words[fd * WORDS + GENERATION] ?? 0;
  }

  /** A generation for the next registration. They repeat after 2^32 of them. */
  nextGeneration(): number {
    this.#latestGeneration = (this.#latestGeneration + 1) | 0;
    return this.#latestGeneration;
  }

  /** Registers `fd`, replacing an earlier registration. */
  enter(fd: number, interest: Interest, token: number, generation: number): void {
    const at = fd * WORDS;
    this.#reach(at);
    this.#words[at] = REGISTERED | interest;
    this.#words[at + TOKEN] = token;
    this.#words[at + GENERATION] = generation;
  }

  /** Whether the next registration of `fd` is edge-triggered. */
  markEdge(fd: number, edge: boolean): void {
    this.#reach(fd * WORDS);
    this.#words[fd * WORDS + EDGE] = edge ? 1 : 0;
  }

  /** Whether the registration of `fd` is edge-triggered. */
  isEdge(fd: number): boolean {
    return this.#words[fd * WORDS + EDGE] === 1;
  }

  #reach(at: number): void {
    if (at < this.#words.length) return;
    this.#words = lengthened(this.#words, Math.max(at + WORDS, 2 * this.#words.length));
  }

  /** Changes the current registration of `fd`. */
  change(fd: number, interest: Interest, token: number): void {
    this.#words[fd * WORDS] = REGISTERED | interest;
    this.#words[fd * WORDS + TOKEN] = token;
  }

  /** Forgets `fd`. */
  remove(fd: number): void {
    if (fd < this.fdEnd) this.#words[fd * WORDS] = 0;
  }

  /** All registrations, in no particular order. */
  *values(): Generator<Registration> {
    for (let fd = 0; fd < this.fdEnd; fd += 1) {
      if (!this.has(fd)) continue;
      yield { fd, token: this.#words[fd * WORDS + TOKEN] ?? 0, interest: this.interestOf(fd) };
    }
  }

  /**
   * Reports the part of `found` that is of interest, if the registration of this generation is
   * still current. Returns the number of reports, 0 or 1.
   */
  deliver(fd: number, generation: number, found: number, errno: number, sink: ReadySink): number {
    const words = this.#words;
    const at = fd * WORDS;
    if (words[at + GENERATION] !== generation) return 0;
    const ready = found & (words[at] ?? 0);
    if (ready === 0) return 0;
    sink.ready(words[at + TOKEN] ?? 0, ready as Interest, errno);
    return 1;
  }
}

/** A longer copy, with zeros at its end. */
export function lengthened(numbers: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length);
  longer.set(numbers);
  return longer;
}
