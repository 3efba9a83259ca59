import type { Sys } from '../sys/sys.ts';
import type { ThreadLedger } from '../sys/thread-resources.ts';
import { LEDGER_FDS_MAX, LEDGER_MAPPINGS_MAX } from './limits.ts';

/** Numbers per mapping: its address, 0 in a free place, and its length. */
const MAPPING_NUMBERS = 2;
const MAPPING_BYTES = LEDGER_MAPPINGS_MAX * MAPPING_NUMBERS * 8;

/**
 * What the loops of a thread hold, in memory that its owner reads once the thread has ended. The
 * thread alone writes it: mappings, then a bit for each descriptor.
 */
export class SharedLedger implements ThreadLedger {
  readonly memory: SharedArrayBuffer;
  readonly #mappings: Float64Array<SharedArrayBuffer>;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  /** Descriptors from here on have no bit. */
  readonly #fdMax: number;

  /** Maps `memory` of another thread, or allocates some for descriptors below a number. */
  constructor(memory: SharedArrayBuffer | number) {
    if (typeof memory === 'number') {
      const words = Math.ceil(Math.min(memory, LEDGER_FDS_MAX) / 32);
      this.memory = new SharedArrayBuffer(MAPPING_BYTES + words * 4);
    } else {
      this.memory = memory;
    }
    this.#mappings = new Float64Array(this.memory, 0, MAPPING_BYTES / 8);
    this.#words = new Uint32Array(this.memory, MAPPING_BYTES);
    this.#fdMax = this.#words.length * 32;
  }

  opened(fd: number): void {
    if (fd >= this.#fdMax) return;
    const word = fd >>> 5;
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (fd & 31));
  }

  closing(fd: number): void {
    if (fd >= this.#fdMax) return;
    const word = fd >>> 5;
    this.#words[word] = (this.#words[word] ?? 0) & ~(1 << (fd & 31));
  }

  mapped(address: number, length: number): void {
    const place = this.#mappingOf(0);
    if (place === null) return;
    this.#mappings[place + 1] = length;
    this.#mappings[place] = address;
  }

  unmapping(address: number): void {
    const place = this.#mappingOf(address);
    if (place !== null) this.#mappings[place] = 0;
  }

  #mappingOf(address: number): number | null {
    for (let place = 0; place < this.#mappings.length; place += MAPPING_NUMBERS) {
      if (this.#mappings[place] === address) return place;
    }
    return null;
  }

  /**
   * Lets go of all that the thread has left, which has ended.
   *
   * The mappings come first: the queues of a ring would keep it alive, and with it an accept that
   * takes the wake-ups of its successor. What its operations read and write is free as well: they
   * run in their thread only (IORING_SETUP_DEFER_TASKRUN), and this one runs no more. No
   * shutdown(2): a listening socket is shared with the owner.
   */
  closeAll(sys: Pick<Sys, 'close' | 'munmap'>): void {
    for (let place = 0; place < this.#mappings.length; place += MAPPING_NUMBERS) {
      const [address = 0, length = 0] = this.#mappings.subarray(place, place + 2);
      if (address !== 0) sys.munmap(address, length);
    }
    for (const [index, word] of this.#words.entries()) {
      for (let bit = 0; bit < 32; bit++) {
        if ((word >>> bit) & 1) sys.close(index * 32 + bit);
      }
    }
    this.clear();
  }

  /** Forgets all. */
  clear(): void {
    this.#mappings.fill(0);
    this.#words.fill(0);
  }
}
