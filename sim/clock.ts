/** How many nanoseconds there are in the units of the system calls. */
export const NS_PER_MS = 1_000_000;
export const NS_PER_US = 1_000;

/** The most actions at one moment: more call each other in a circle. */
const ACTIONS_AT_ONCE_MAX = 1_000_000;

/** A scheduled action. `order` breaks ties of one moment. */
interface Scheduled {
  readonly atNs: number;
  readonly order: number;
  readonly action: () => void;
}

/**
 * Virtual time and its scheduled actions. It advances only when told to, in whole nanoseconds, so
 * that no sum of durations is rounded.
 */
export class Clock {
  /** Now. It does not start at zero, so that a moment taken for a duration is noticed. */
  nowNs = 1_000_000 * NS_PER_MS;
  /** A binary heap, the earliest first. */
  readonly #heap: Scheduled[] = [];
  #order = 0;
  readonly #tickNs: number;

  /** What is scheduled happens at whole multiples of `tickNs`: the more of it at one moment. */
  constructor(tickNs = 1) {
    this.#tickNs = tickNs;
  }

  get nowMs(): number {
    return this.nowNs / NS_PER_MS;
  }

  /** The moment of the next action, Infinity where there is none. */
  get nextNs(): number {
    return this.#heap[0]?.atNs ?? Number.POSITIVE_INFINITY;
  }

  /** The number of scheduled actions. */
  get pending(): number {
    return this.#heap.length;
  }

  /** Schedules `action` for a moment; one that has passed means the next advance. */
  at(atNs: number, action: () => void): void {
    const wholeNs = Math.ceil(Math.round(atNs) / this.#tickNs) * this.#tickNs;
    const entry = { atNs: Math.max(this.nowNs, wholeNs), order: this.#order, action };
    this.#order += 1;
    this.#rise(entry);
  }

  /** Advances to `atNs` and runs the actions that are due on the way, each at its moment. */
  advanceTo(atNs: number): void {
    for (let count = 0; this.nextNs <= atNs; count += 1) {
      if (count > ACTIONS_AT_ONCE_MAX) throw new Error('the actions of the clock never end');
      const entry = this.#pop();
      this.nowNs = Math.max(this.nowNs, entry.atNs);
      entry.action();
    }
    this.nowNs = Math.max(this.nowNs, atNs);
  }

  #rise(entry: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Scheduled;
      if (!isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): Scheduled {
    const heap = this.#heap;
    const first = heap[0] as Scheduled;
    const last = heap.pop() as Scheduled;
    const count = heap.length;
    if (count === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= count) break;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, heap[below] as Scheduled)) below += 1;
      const child = heap[below] as Scheduled;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Scheduled, right: Scheduled): boolean {
  return left.atNs < right.atNs || (left.atNs === right.atNs && left.order < right.order);
}
