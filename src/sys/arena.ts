import type { Sys } from './sys.ts';
import { sysError } from './sys-error.ts';

/** The longest typed array of every platform. */
const ARENA_BYTES_MAX = 2 ** 31 - 1;

/**
 * Memory outside of the JavaScript heap, mapped with mmap(2).
 *
 * V8 may move the bytes of a small typed array, so memory that the kernel accesses after a call has
 * returned (a ring, its buffers) must be mapped. A page costs nothing until it is touched. The
 * arena owns the mapping. Close it after the last use of {@link bytes} on any thread: touching
 * unmapped memory ends the process.
 *
 * @example
 * ```ts
 * import { Arena, nativeSys } from 'sockloop/sys';
 *
 * using arena = new Arena(nativeSys(), 65536);
 * arena.bytes[0] = 42;
 * ```
 */
export class Arena implements Disposable {
  readonly #sys: Sys;
  #bytes: Uint8Array | null;
  /** The address of the mapping, as system calls take it. */
  readonly address: number;
  /** The size of the mapping. */
  readonly length: number;

  /**
   * Maps memory, filled with zeros.
   *
   * @param sys the system calls to use.
   * @param length how many bytes, 1 to 2^31 - 1.
   * @throws SysError `ENOMEM`.
   * @throws RangeError for a length out of its range.
   */
  constructor(sys: Sys, length: number) {
    if (!Number.isInteger(length) || length < 1 || length > ARENA_BYTES_MAX) {
      throw new RangeError(`an arena holds 1 to ${ARENA_BYTES_MAX} bytes, not ${length}`);
    }
    const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } = sys.abi.constants;
    const [protection, flags] = [PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS];
    const address = sys.mmap(length, protection, flags, -1, 0);
    if (address < 0) throw sysError(sys, address, 'mmap', `map ${length} bytes`);
    this.#sys = sys;
    this.#bytes = sys.view(address, length);
    this.address = address;
    this.length = length;
  }

  /**
   * The mapped memory.
   *
   * @throws Error once the arena is closed.
   */
  get bytes(): Uint8Array {
    if (this.#bytes === null) throw new Error('the arena is closed');
    return this.#bytes;
  }

  /**
   * munmap(2): unmaps the memory. A second call does nothing.
   *
   * @throws SysError if the kernel refuses.
   */
  close(): void {
    if (this.#bytes === null) return;
    this.#bytes = null;
    const result = this.#sys.munmap(this.address, this.length);
    if (result < 0) throw sysError(this.#sys, result, 'munmap', `unmap ${this.length} bytes`);
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
