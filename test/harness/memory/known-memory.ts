import { appendFileSync } from 'node:fs';

/** Memory of the process that the kernel may be given the address of. */
interface Known {
  readonly start: number;
  readonly end: number;
  readonly what: string;
  /** Until munmap(2); else until its array is collected. */
  readonly isMapped: boolean;
  /** All of it, once somebody has looked: a view of an address costs 20 us and more. */
  view: Uint8Array | null;
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
  const page = process.env['SOCKLOOP_MEMORY_FAULTS'];
  if (page !== undefined) appendFileSync(page, `${new Error(words).stack}\n`);
  throw new Error(`memory: ${words}`);
}

/** Mapped memory, and arrays whose addresses were asked for, for as long as they are there. */
export class KnownMemory {
  readonly #viewOf: (address: number, length: number) => Uint8Array;
  readonly #all = new Map<number, Known>();
  /** An array is collected: its address is nobody's then. */
  readonly #collected = new FinalizationRegistry<Known>((known) => {
    if (this.#all.get(known.start) === known) this.#all.delete(known.start);
  });

  /** `viewOf` makes a view of memory. */
  constructor(viewOf: (address: number, length: number) => Uint8Array) {
    this.#viewOf = viewOf;
  }

  mapped(start: number, length: number, what: string): void {
    this.#all.set(start, { start, end: start + length, what, isMapped: true, view: null });
  }

  unmapped(start: number): void {
    this.#all.delete(start);
  }

  /** The address of `bytes` was asked for. Bytes within mapped memory are known already. */
  lent(start: number, bytes: Uint8Array): void {
    if (this.#find(start, bytes.length)?.isMapped === true) return;
    // One that was collected may have had the same address, and its finalizer may be late.
    const what = `an array of ${bytes.length} bytes`;
    const known = { start, end: start + bytes.length, what, isMapped: false, view: null };
    this.#all.set(start, known);
    this.#collected.register(bytes.buffer, known);
  }

  #find(start: number, length: number): Known | null {
    for (const known of this.#all.values()) {
      if (start >= known.start && start + length <= known.end) return known;
    }
    return null;
  }

  /** The `length` bytes at `start`. Faults unless they lie in one piece of known memory. */
  bytes(start: number, length: number, what: string): Uint8Array {
    const known = this.#require(start, length, what);
    known.view ??= this.#viewOf(known.start, known.end - known.start);
    return known.view.subarray(start - known.start, start - known.start + length);
  }

  /** The same for who does not look at them. */
  require(start: number, length: number, what: string): void {
    this.#require(start, length, what);
  }

  #require(start: number, length: number, what: string): Known {
    const known = length >= 0 ? this.#find(start, length) : null;
    if (known !== null) return known;
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
