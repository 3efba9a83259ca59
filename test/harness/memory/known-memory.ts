/** Memory of the process that the kernel may be given the address of. */
interface Known {
  readonly start: number;
  readonly end: number;
  readonly what: string;
  /** Until munmap(2); else until its array is collected. */
  readonly isMapped: boolean;
}

/** What was wrong with the memory of calls: one list for the process, which tests look at. */
const faults: string[] = [];

/** The faults since the last look. */
export function takeMemoryFaults(): string[] {
  return faults.splice(0);
}

/** Writes a fault down, and throws it: what called may handle errors. */
export function memoryFault(words: string): never {
  faults.push(words);
  throw new Error(`memory: ${words}`);
}

/** Mapped memory, and arrays whose addresses were asked for, for as long as they are there. */
export class KnownMemory {
  readonly #all = new Map<number, Known>();
  /** An array is collected: its address is nobody's then. */
  readonly #collected = new FinalizationRegistry<Known>((known) => {
    if (this.#all.get(known.start) === known) this.#all.delete(known.start);
  });

  mapped(start: number, length: number, what: string): void {
    this.#all.set(start, { start, end: start + length, what, isMapped: true });
  }

  unmapped(start: number): void {
    this.#all.delete(start);
  }

  /** The address of `bytes` was asked for. Bytes within mapped memory are known already. */
  lent(start: number, bytes: Uint8Array): void {
    if (this.#find(start, bytes.length)?.isMapped === true) return;
    // One that was collected may have had the same address, and its finalizer may be late.
    const what = `an array of ${bytes.length} bytes`;
    const known = { start, end: start + bytes.length, what, isMapped: false };
    this.#all.set(start, known);
    this.#collected.register(bytes.buffer, known);
  }

  #find(start: number, length: number): Known | null {
    for (const known of this.#all.values()) {
      if (start >= known.start && start + length <= known.end) return known;
    }
    return null;
  }

  /** Faults unless `length` bytes at `start` lie in one piece of known memory. */
  require(start: number, length: number, what: string): void {
    if (length >= 0 && this.#find(start, length) !== null) return;
    const overlapping = [...this.#all.values()].find((known) => {
      return start < known.end && start + length > known.start;
    });
    const where =
      overlapping === undefined
        ? 'are in no memory that is known, or no more'
        : `do not fit into ${overlapping.what} from ${overlapping.start} to ${overlapping.end}`;
    memoryFault(`${what}: ${length} bytes at ${start} ${where}`);
  }
}
