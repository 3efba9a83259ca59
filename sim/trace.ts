import type { Abi } from '#src/sys/abi/abi.js';
import { errnoName } from '#src/sys/errno.js';

/** The 32-bit offset and prime of FNV-1a, and another prime for the second half of the hash. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b;

/** A recorded call: moment, name, three arguments and result. */
type Noted = readonly [
  atNs: number,
  name: string,
  first: number,
  second: number,
  third: number,
  result: number,
];

/**
 * The record of a run: a hash over all calls, and the last lines. Two runs with the same hash made
 * the same calls in the same order at the same times.
 */
export class Trace {
  /** The number of calls by name. */
  readonly counts = new Map<string, number>();
  readonly #abi: Abi;
  readonly #linesMax: number;
  readonly #ring: Noted[] = [];
  readonly #codes = new Map<string, number>();
  #next = 0;
  #high = FNV_OFFSET;
  #low = FNV_OFFSET;

  /** Keeps the last `linesMax` lines, 0 for none. */
  constructor(abi: Abi, linesMax: number) {
    this.#abi = abi;
    this.#linesMax = linesMax;
  }

  /** The hash so far: 16 hexadecimal digits. */
  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** Adds a number to the hash. */
  mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, FNV_PRIME);
    this.#low = Math.imul(this.#low ^ value ^ (this.#low >>> 15), SECOND_PRIME);
  }

  /** Adds a call and its result. */
  note(
    atNs: number,
    name: string,
    first: number,
    second: number,
    third: number,
    result: number,
  ): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.mix(this.#codeOf(name));
    this.mix(atNs | 0);
    this.mix(first);
    this.mix(second);
    this.mix(third);
    this.mix(result);
    if (this.#linesMax === 0) return;
    this.#ring[this.#next] = [atNs, name, first, second, third, result];
    this.#next = (this.#next + 1) % this.#linesMax;
  }

  /** The last calls, oldest first: `1000000.123 send(5, 64, 16384) = -11 EAGAIN`. */
  lines(): string[] {
    const { length } = this.#ring;
    const start = length < this.#linesMax ? 0 : this.#next;
    const ordered = [...this.#ring.slice(start), ...this.#ring.slice(0, start)];
    return ordered.map(([atNs, name, first, second, third, result]) => {
      const outcome = result < 0 ? `${result} ${errnoName(this.#abi, result)}` : String(result);
      return `${(atNs / 1e6).toFixed(3)} ${name}(${first}, ${second}, ${third}) = ${outcome}`;
    });
  }

  #codeOf(name: string): number {
    const known = this.#codes.get(name);
    if (known !== undefined) return known;
    let code = FNV_OFFSET;
    for (let index = 0; index < name.length; index += 1) {
      code = Math.imul(code ^ name.charCodeAt(index), FNV_PRIME);
    }
    this.#codes.set(name, code);
    return code;
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
