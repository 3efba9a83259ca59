import { checking, invariant } from '../base/invariants.ts';
import type { ReadySink } from './poller.ts';
import { lengthened, type Registry } from './registry.ts';

/** The words of an entry: descriptor, generation, readiness, errno. */
const ENTRY_WORDS = 4;

/** Entries allocated at first. */
const INITIAL_ENTRIES = 64;

/**
 * The results of a wait, complete before the first report: a report may register and deregister,
 * and so change the arrays that the kernel's result refers to.
 */
export class ReadyList {
  #words = new Int32Array(INITIAL_ENTRIES * ENTRY_WORDS);
  /** The index of the entry of a descriptor. Never cleared: check it against the entry. */
  #positions = new Int32Array(INITIAL_ENTRIES);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  /** Adds what `fd` is ready for. Two entries of one registration become one report. */
  add(fd: number, generation: number, found: number, errno: number): void {
    const words = this.#words;
    const position = this.#positions[fd] ?? 0;
    const at = position * ENTRY_WORDS;
    if (position < this.#count && words[at] === fd && words[at + 1] === generation) {
      words[at + 2] = (words[at + 2] ?? 0) | found;
      if (errno !== 0) words[at + 3] = errno;
      return;
    }
    this.#append(fd, generation, found, errno);
  }

  #append(fd: number, generation: number, found: number, errno: number): void {
    const at = this.#count * ENTRY_WORDS;
    if (at === this.#words.length) this.#words = lengthened(this.#words, 2 * at);
    if (fd >= this.#positions.length) this.#positions = lengthened(this.#positions, 2 * fd);
    const words = this.#words;
    words[at] = fd;
    words[at + 1] = generation;
    words[at + 2] = found;
    words[at + 3] = errno;
    this.#positions[fd] = this.#count;
    this.#count += 1;
  }

  /** A registration is reported once in a wait. */
  #check(): void {
    const seen = new Set<string>();
    for (let at = 0; at < this.#count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const fd = this.#words[at] ?? -1;
      invariant(fd >= 0, 'no descriptor is ready');
      seen.add(`${fd} ${this.#words[at + 1]}`);
    }
    invariant(seen.size === this.#count, 'a descriptor is ready twice');
  }

  /** Reports what is still registered. Returns the number of reports. */
  deliver(registry: Registry, sink: ReadySink): number {
    if (checking) this.#check();
    let reports = 0;
    for (let entry = 0; entry < this.#count; entry += 1) {
      const words = this.#words;
      const at = entry * ENTRY_WORDS;
      const fd = words[at] ?? 0;
      const generation = words[at + 1] ?? 0;
      reports += registry.deliver(fd, generation, words[at + 2] ?? 0, words[at + 3] ?? 0, sink);
    }
    return reports;
  }
}
