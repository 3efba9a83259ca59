import type { Kernel } from '../kernel.ts';

const ENTRY_BYTES = 16;
/** Fills a buffer that was given to the kernel: who still reads it, reads this. */
const POISON = 0xa5;

/** A provided buffer: io_uring_buf. */
interface ProvidedBuffer {
  readonly id: number;
  readonly address: number;
  readonly length: number;
}

/** A ring of provided buffers: IORING_REGISTER_PBUF_RING. */
export class BufferGroup {
  readonly #kernel: Kernel;
  readonly #entries: DataView;
  readonly #count: number;
  #head = 0;
  /** How far the given buffers were looked at. */
  #seen = 0;
  /** The buffers in the ring, and those that completions have brought to the process. */
  readonly #given = new Set<number>();
  readonly #lent = new Map<number, number>();

  constructor(kernel: Kernel, address: number, count: number) {
    this.#kernel = kernel;
    const bytes = kernel.memory.at(address, count * ENTRY_BYTES);
    this.#entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#count = count;
  }

  /** The tail, which lies in the last two bytes of the first entry. */
  get #tail(): number {
    return this.#entries.getUint16(14, true);
  }

  /** How many buffers the process has. */
  get lent(): number {
    return this.#lent.size;
  }

  #at(place: number): ProvidedBuffer {
    const base = (place & (this.#count - 1)) * ENTRY_BYTES;
    const low = this.#entries.getUint32(base, true);
    const high = this.#entries.getUint32(base + 4, true);
    const length = this.#entries.getUint32(base + 8, true);
    return { id: this.#entries.getUint16(base + 12, true), address: low + high * 2 ** 32, length };
  }

  /** Looks at what was given since: no buffer twice, and none may be read any more. */
  look(): void {
    for (; this.#seen !== this.#tail; this.#seen = (this.#seen + 1) & 0xffff) {
      const { id, address } = this.#at(this.#seen);
      if (this.#given.has(id)) this.#kernel.complaints.push(`buffer ${id} was given twice`);
      this.#given.add(id);
      const used = this.#lent.get(id) ?? 0;
      if (used > 0) this.#kernel.memory.at(address, used).fill(POISON);
      this.#lent.delete(id);
    }
  }

  /** The next buffer, which stays in the ring; null for none. */
  get next(): ProvidedBuffer | null {
    return this.#head === this.#tail ? null : this.#at(this.#head);
  }

  /** Takes the next buffer out of the ring, with so many bytes in it. */
  take({ id }: ProvidedBuffer, bytes: number): void {
    this.look();
    this.#head = (this.#head + 1) & 0xffff;
    this.#given.delete(id);
    this.#lent.set(id, bytes);
  }
}
