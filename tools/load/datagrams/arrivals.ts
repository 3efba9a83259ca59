/** What became of the datagrams of one socket, or of all. */
export interface ArrivalCounts {
  sent: number;
  /** Came back in time, each counted once. */
  answered: number;
  /** Came back once more. */
  duplicates: number;
  /** Came back behind one that was sent later: RFC 4737. */
  reordered: number;
  /** Did not come back within the timeout. */
  lost: number;
  /** Of these, came back later than that. */
  late: number;
  /** Came back with other bytes than were sent. */
  corrupted: number;
  /** Of another run, or of nobody who was asked. */
  foreign: number;
}

export function newArrivalCounts(): ArrivalCounts {
  return {
    sent: 0,
    answered: 0,
    duplicates: 0,
    reordered: 0,
    lost: 0,
    late: 0,
    corrupted: 0,
    foreign: 0,
  };
}

/** How many numbers are remembered: a power of two. */
const REMEMBERED = 1 << 17;

const UNDER_WAY = 1;
const ANSWERED = 2;
const LOST = 3;

/** What {@link Arrivals.arrived} gives for what has no latency. */
export const NO_LATENCY = -1;

/**
 * Follows the datagrams of one socket by their numbers, which rise by one. Memory is fixed: of the
 * last 131,072 numbers it knows when each was due and what became of it. One that is older and has
 * not come back is lost.
 */
export class Arrivals {
  readonly counts: ArrivalCounts = newArrivalCounts();
  readonly #timeoutMs: number;
  readonly #dueMs = new Float64Array(REMEMBERED);
  readonly #states = new Uint8Array(REMEMBERED);
  /** The number of the next datagram. */
  #next = 0;
  /** All before this one have come back or are lost. */
  #oldest = 0;
  #underWay = 0;
  /** The number behind the highest that has come back. */
  #expected = 0;
  /** Numbers before this one are not measured. */
  #measuredFrom = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** The number that the next datagram gets. */
  get next(): number {
    return this.#next;
  }

  /** How many may still come back in time. */
  get underWay(): number {
    return this.#underWay;
  }

  /** The next number was sent, and was due at `dueMs`. */
  sent(dueMs: number): void {
    const at = this.#next & (REMEMBERED - 1);
    if (this.#states[at] === UNDER_WAY && this.#next - REMEMBERED >= this.#measuredFrom) {
      this.#lose(at);
    }
    this.#states[at] = UNDER_WAY;
    this.#dueMs[at] = dueMs;
    this.#next += 1;
    if (this.#next - this.#oldest > REMEMBERED) this.#oldest = this.#next - REMEMBERED;
    this.#underWay += 1;
    this.counts.sent += 1;
  }

  /** A number came back. Returns its latency in ms, or {@link NO_LATENCY}. */
  arrived(number: number, nowMs: number): number {
    const { counts } = this;
    if (number >= this.#next) {
      counts.foreign += 1;
      return NO_LATENCY;
    }
    if (number < this.#measuredFrom) return NO_LATENCY;
    const isForgotten = this.#next - number > REMEMBERED;
    const at = number & (REMEMBERED - 1);
    const state = isForgotten ? LOST : this.#states[at];
    if (state === ANSWERED) {
      counts.duplicates += 1;
      return NO_LATENCY;
    }
    if (number < this.#expected) counts.reordered += 1;
    else this.#expected = number + 1;
    if (state === LOST) {
      counts.late += 1;
      if (!isForgotten) this.#states[at] = ANSWERED;
      return NO_LATENCY;
    }
    this.#states[at] = ANSWERED;
    this.#underWay -= 1;
    counts.answered += 1;
    return nowMs - (this.#dueMs[at] ?? nowMs);
  }

  /** Gives up what has taken too long. Returns how many. */
  expire(nowMs: number): number {
    const before = this.counts.lost;
    while (this.#oldest < this.#next) {
      const at = this.#oldest & (REMEMBERED - 1);
      if (this.#states[at] === UNDER_WAY) {
        if (nowMs - (this.#dueMs[at] ?? 0) < this.#timeoutMs) break;
        this.#lose(at);
      }
      this.#oldest += 1;
    }
    return this.counts.lost - before;
  }

  #lose(at: number): void {
    this.#states[at] = LOST;
    this.#underWay -= 1;
    this.counts.lost += 1;
  }

  /** Counts from 0 again: what was sent before is not measured, whatever becomes of it. */
  restart(): void {
    Object.assign(this.counts, newArrivalCounts());
    this.#measuredFrom = this.#next;
    this.#oldest = this.#next;
    this.#underWay = 0;
  }
}
