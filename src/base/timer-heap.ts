import { CHECKED_MAX, checking, invariant } from './invariants.ts';

/** An entry of a {@link TimerHeap}. */
export interface HeapEntry {
  /** The time at which it is due. */
  deadlineMs: number;
  /** Breaks ties: the smaller one was set first. */
  sequence: number;
  /** Its index in the heap, which the heap maintains; -1 in none. */
  heapIndex: number;
}

/**
 * A binary heap of deadlines: the earliest first, equal ones in the order in which they were set.
 *
 * push and remove take O(log n), peek O(1). An entry knows its index, so that removing it needs no
 * search.
 */
export class TimerHeap<Entry extends HeapEntry> {
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The earliest entry, undefined in an empty heap. */
  peek(): Entry | undefined {
    return this.#entries[0];
  }

  /** Adds an entry that is in no heap. */
  push(entry: Entry): void {
    if (checking) invariant(entry.heapIndex < 0, 'a timer is set twice');
    this.#entries.push(entry);
    this.#rise(entry, this.#entries.length - 1);
    if (checking && this.size < CHECKED_MAX) this.#check();
  }

  /** Removes an entry; does nothing if it is in no heap. */
  remove(entry: Entry): void {
    const index = entry.heapIndex;
    if (index < 0) return;
    entry.heapIndex = -1;
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return;
    this.#rise(last, index);
    this.#sink(last, last.heapIndex);
    if (checking && this.size < CHECKED_MAX) this.#check();
  }

  /** Every entry knows its place, behind none that is due later. */
  #check(): void {
    for (const [index, entry] of this.#entries.entries()) {
      invariant(entry.heapIndex === index, 'a timer does not know its place');
      const parent = this.#entries[(index - 1) >> 1];
      const isInOrder = parent === undefined || !isBefore(entry, parent);
      invariant(isInOrder, 'timers are out of order');
    }
  }

  #rise(entry: Entry, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#entries[parentIndex];
      if (parent === undefined || !isBefore(entry, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(entry, index);
  }

  #sink(entry: Entry, from: number): void {
    let index = from;
    for (;;) {
      const left = this.#entries[2 * index + 1];
      const right = this.#entries[2 * index + 2];
      const child =
        right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, entry)) break;
      const childIndex = child.heapIndex;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(entry, index);
  }

  #place(entry: Entry, index: number): void {
    this.#entries[index] = entry;
    entry.heapIndex = index;
  }
}

function isBefore(one: HeapEntry, other: HeapEntry): boolean {
  if (one.deadlineMs !== other.deadlineMs) return one.deadlineMs < other.deadlineMs;
  return one.sequence < other.sequence;
}
