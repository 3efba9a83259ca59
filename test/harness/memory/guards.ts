import { RECORD_BYTES, RecordWord } from '#src/sys/batch/call-list.js';
import type { Sys } from '#src/sys/sys.js';

/** The unit of mprotect(2): at most so much on the platforms of the tests. */
const PAGE_BYTES = 4096;
const PROT_NONE = 0;

/** mprotect(2) by the name of the platform; not a call of Sys. */
const MPROTECT: Readonly<Record<string, number>> = { 'linux-x64': 10, 'linux-arm64': 226 };

/** Anonymous memory between two pages that nobody may touch, where mprotect(2) can be called. */
export class Guards {
  readonly #sys: Sys;
  readonly #number: number | undefined;
  readonly #mapped = new Map<number, number>();

  constructor(sys: Sys) {
    this.#sys = sys;
    this.#number = MPROTECT[sys.abi.platform];
  }

  map(length: number, protection: number, flags: number): number {
    const sys = this.#sys;
    if (this.#number === undefined || sys.batching !== true) {
      return sys.mmap(length, protection, flags, -1, 0);
    }
    const inside = Math.ceil(length / PAGE_BYTES) * PAGE_BYTES;
    const all = inside + 2 * PAGE_BYTES;
    const address = sys.mmap(all, protection, flags, -1, 0);
    if (address < 0) return address;
    this.#forbid(address);
    this.#forbid(address + PAGE_BYTES + inside);
    this.#mapped.set(address + PAGE_BYTES, all);
    return address + PAGE_BYTES;
  }

  unmap(address: number, length: number): number {
    const all = this.#mapped.get(address);
    if (all === undefined) return this.#sys.munmap(address, length);
    this.#mapped.delete(address);
    return this.#sys.munmap(address - PAGE_BYTES, all);
  }

  #forbid(page: number): void {
    const record = new Uint8Array(2 * RECORD_BYTES);
    const view = new DataView(record.buffer);
    view.setInt32(RecordWord.number * 4, this.#number ?? 0, true);
    view.setBigInt64(RecordWord.argument1 * 4, BigInt(page), true);
    view.setBigInt64(RecordWord.argument2 * 4, BigInt(PAGE_BYTES), true);
    view.setBigInt64(RecordWord.argument3 * 4, BigInt(PROT_NONE), true);
    this.#sys.batch(this.#sys.address(record), 1);
    const result = view.getInt32(RecordWord.result * 4, true);
    if (result !== 0) throw new Error(`mprotect of a guard page: ${result}`);
  }
}
