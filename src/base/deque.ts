/** A power of two: an index wraps by a mask. */
const CAPACITY_MIN = 16;

/**
 * A queue that is added to and taken from at both ends, in constant time.
 *
 * A ring of slots, which doubles when it is full and is kept when it empties: a queue of a steady
 * length allocates nothing. `Array.shift()` moves all that is behind the first element instead.
 */
export class Deque<Item> {
  #slots = new Array<Item | undefined>(CAPACITY_MIN);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds `item` behind the last one. */
  push(item: Item): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size += 1;
  }

  /** Adds `item` in front of the first one. */
  unshift(item: Item): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#size += 1;
  }

  /** The first item, undefined in an empty queue. */
  peek(): Item | undefined {
    return this.#slots[this.#head];
  }

  /** Removes and returns the first item; undefined in an empty queue. */
  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    // A slot must not keep what has left the queue alive.
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size -= 1;
    return item;
  }

  /** Removes and returns the last item; undefined in an empty queue. */
  pop(): Item | undefined {
    if (this.#size === 0) return undefined;
    this.#size -= 1;
    const last = (this.#head + this.#size) & (this.#slots.length - 1);
    const item = this.#slots[last];
    this.#slots[last] = undefined;
    return item;
  }

  /** Removes all items, and the memory that they took. */
  clear(): void {
    this.#slots = new Array<Item | undefined>(CAPACITY_MIN);
    this.#head = 0;
    this.#size = 0;
  }

  /** The items from the first to the last. */
  *[Symbol.iterator](): Generator<Item> {
    for (let index = 0; index < this.#size; index += 1) {
      yield this.#slots[(this.#head + index) & (this.#slots.length - 1)] as Item;
    }
  }

  #grow(): void {
    const { length } = this.#slots;
    const slots = new Array<Item | undefined>(2 * length);
    for (let index = 0; index < this.#size; index += 1) {
      slots[index] = this.#slots[(this.#head + index) & (length - 1)];
    }
    this.#slots = slots;
    this.#head = 0;
  }
}
