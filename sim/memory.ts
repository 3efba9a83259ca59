/** Where the memory of mmap(2) begins: any address that is not 0. */
const MEMORY_START = 0x10_0000_0000;
const PAGE_BYTES = 4096;
/** The largest array that V8 may move: it has no address, as on the real machine. */
const ON_HEAP_BYTES_MAX = 64;

/** Mappings from this size on are kept for later simulations: V8 is slow to make them. */
const SPARE_BYTES_MIN = 2 ** 20;
const SPARES_MAX = 8;
const spares: ArrayBuffer[] = [];

/** Memory that has an address: a mapping, or memory of JavaScript for as long as that holds it. */
interface Region {
  readonly address: number;
  readonly bytes: Uint8Array | null;
  readonly borrowed: WeakRef<ArrayBufferLike> | null;
  readonly length: number;
}

/** The address space of the process: what was mapped, and what it has asked the address of. */
export class Memory {
  readonly #mapped = new Map<number, Region>();
  readonly #addresses = new WeakMap<ArrayBufferLike, number>();
  /** By address, as each is above those before. */
  #regions: Region[] = [];
  #next = MEMORY_START;
  #ended = false;

  /** Maps memory of the kernel, or anonymous memory of `length` bytes. Returns its address. */
  map(length: number, of?: Uint8Array): number {
    const address = this.#reserve(length);
    const bytes = of ?? new Uint8Array(taken(length), 0, length);
    const region = { address, bytes, borrowed: null, length };
    this.#regions.push(region);
    this.#mapped.set(address, region);
    this.#addresses.set(bytes.buffer, address);
    return address;
  }

  /** Whether there was a mapping. A thread that ends may know one of a process that has. */
  unmap(address: number): boolean {
    if (this.#ended) return true;
    const region = this.#mapped.get(address);
    if (region === undefined) return false;
    this.#mapped.delete(address);
    this.#regions = this.#regions.filter((one) => one !== region);
    return true;
  }

  /** Memory that was not mapped gets its address at the first call for it. */
  address(buffer: Uint8Array): number {
    const { buffer: memory, byteOffset } = buffer;
    if (memory.byteLength <= ON_HEAP_BYTES_MAX) throw new RangeError('no address that stays');
    let address = this.#addresses.get(memory);
    if (address === undefined) {
      address = this.#reserve(memory.byteLength);
      this.#addresses.set(memory, address);
      const { byteLength: length } = memory;
      this.#regions.push({ address, bytes: null, borrowed: new WeakRef(memory), length });
    }
    return address + byteOffset;
  }

  #reserve(length: number): number {
    const address = this.#next;
    // A page separates two mappings, so that an overrun does not reach the next one.
    this.#next += (Math.ceil(length / PAGE_BYTES) + 1) * PAGE_BYTES;
    return address;
  }

  /** A mapping from its beginning on. The real call ends the process; this one throws. */
  view(address: number, length: number): Uint8Array {
    const bytes = this.#mapped.get(address)?.bytes ?? null;
    if (bytes === null || length > bytes.length) throw new RangeError('no such memory');
    return bytes.subarray(0, length);
  }

  /**
   * What the kernel finds at an address. It says EFAULT of memory that is not there, or uses what
   * is there by now: a bug of the process, so this throws.
   */
  at(address: number, length: number): Uint8Array {
    const region = this.#regionOf(address);
    const offset = address - (region?.address ?? 0);
    if (region === undefined || offset + length > region.length) {
      throw new RangeError(`the kernel gets ${length} bytes at ${address}, which are not there`);
    }
    if (region.bytes !== null) return region.bytes.subarray(offset, offset + length);
    const memory = region.borrowed?.deref();
    if (memory === undefined) throw new RangeError('the kernel gets memory that was collected');
    return new Uint8Array(memory, offset, length);
  }

  /** The last region that begins at or before an address. */
  #regionOf(address: number): Region | undefined {
    let low = 0;
    let high = this.#regions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#regions[middle]?.address ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    return this.#regions[low - 1];
  }

  /** The process has ended. Nothing of it may be used any more. */
  end(): void {
    for (const { bytes } of this.#mapped.values()) {
      const memory = bytes?.buffer;
      if (!(memory instanceof ArrayBuffer) || memory.byteLength < SPARE_BYTES_MIN) continue;
      if (spares.length < SPARES_MAX) spares.push(memory);
    }
    this.#mapped.clear();
    this.#regions = [];
    this.#ended = true;
  }
}

/**
 * Memory for a mapping. No byte more than was asked for can be touched, but no small array has an
 * address. Spare memory holds the bytes of another simulation, where new memory would be zeros:
 * the callers of this project must not count on those.
 */
function taken(length: number): ArrayBuffer {
  const place = spares.findIndex(({ byteLength }) => byteLength === length);
  const [spare] = place < 0 ? [] : spares.splice(place, 1);
  return spare ?? new ArrayBuffer(Math.max(length, ON_HEAP_BYTES_MAX + 1));
}
