import { Interest, type ReadySink } from './poller.ts';

/** Beside the bits of the interest, so that an interest in nothing is still a registration. */
const REGISTERED = 4;

/** How many descriptors have room at first: what a small program opens. */
const INITIAL_FDS = 64;

/** The words of one descriptor: state, token, generation, edge. 16 bytes, a quarter of a line. */
const WORDS = 4;
const TOKEN = 1;
const GENERATION = 2;
const EDGE = 3;

/**
 * What a poller was told: interest and token, by descriptor number, in one typed array, so that a
 * look-up allocates nothing and touches one cache line.
 *
 * Each registration has a generation, a number of its own. Whoever asks the kernel keeps it with
 * the question, and with it an answer finds out whether the registration is still in force: the
 * number of a descriptor does not tell, for the kernel hands it out again at once.
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

  /** Registers `fd`, in place of an earlier registration. The kernel has taken the number. */
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

  /** Changes the registration of `fd` that is in force. */
  change(fd: number, interest: Interest, token: number): void {
    this.#words[fd * WORDS] = REGISTERED | interest;
    this.#words[fd * WORDS + TOKEN] = token;
  }

  /** Forgets `fd`. */
  remove(fd: number): void {
    if (fd < this.fdEnd) this.#words[fd * WORDS] = 0;
  }

  /**
   * Reports `found` to `sink`, if the registration with this generation is still in force and as
   * far as it is of interest. Returns the number of reports, 0 or 1.
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
