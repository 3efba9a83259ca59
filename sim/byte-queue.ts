/** The memory of all queues that have held nothing yet. */
const NOTHING = new Uint8Array(0);
const BYTES_MIN = 64;

/** A bounded queue of bytes between a writer and a reader. */
export class ByteQueue {
  capacity: number;
  #bytes: Uint8Array;
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    // Most queues stay nearly empty, so the memory grows with what they hold.
    this.#bytes = NOTHING;
  }

  get length(): number {
    return this.#length;
  }

  get free(): number {
    return Math.max(0, this.capacity - this.#length);
  }

  /** Appends as many of `length` bytes of `from` at `offset` as fit. Returns how many. */
  push(from: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.free);
    if (count === 0) return 0;
    this.#reserve(this.#length + count);
    const end = (this.#start + this.#length) % this.#bytes.length;
    const first = Math.min(count, this.#bytes.length - end);
    this.#bytes.set(from.subarray(offset, offset + first), end);
    this.#bytes.set(from.subarray(offset + first, offset + count), 0);
    this.#length += count;
    return count;
  }

  /** Copies at most `length` bytes into `into` at `offset` and keeps them. Returns how many. */
  peek(into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.#length);
    if (count === 0) return 0;
    const first = Math.min(count, this.#bytes.length - this.#start);
    into.set(this.#bytes.subarray(this.#start, this.#start + first), offset);
    into.set(this.#bytes.subarray(0, count - first), offset + first);
    return count;
  }

  /** As {@link peek}, and forgets them. */
  pull(into: Uint8Array, offset: number, length: number): number {
    const count = this.peek(into, offset, length);
    this.#drop(count);
    return count;
  }

  /** Moves at most `length` bytes to the end of `target`, as far as they fit. Returns how many. */
  moveTo(target: ByteQueue, length: number): number {
    let moved = 0;
    while (moved < length) {
      const piece = Math.min(length - moved, this.#length, this.#bytes.length - this.#start);
      const count = target.push(this.#bytes, this.#start, piece);
      if (count === 0) break;
      this.#drop(count);
      moved += count;
    }
    return moved;
  }

  clear(): void {
    this.#start = 0;
    this.#length = 0;
  }

  #drop(count: number): void {
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) % this.#bytes.length;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(BYTES_MIN, 2 ** Math.ceil(Math.log2(size))));
    const length = this.peek(grown, 0, this.#length);
    this.#bytes = grown;
    this.#start = 0;
    this.#length = length;
  }
}
