/** Messages of one connection that have room from the beginning: a cache line. */
const FIRST_CAPACITY = 4;

/** The times of many connections, side by side: an array for each would cost two lines more. */
export class InFlightTimes {
  readonly #times: Float64Array;
  readonly #capacity: number;
  #used = 0;

  /** Room for the messages of `connections`, of which each has at most `awaitedMax` as a rule. */
  constructor(connections: number, awaitedMax: number) {
    this.#capacity = 2 ** Math.ceil(Math.log2(Math.min(FIRST_CAPACITY, awaitedMax)));
    this.#times = new Float64Array(2 * connections * this.#capacity);
  }

  /** The messages of one connection more. */
  next(): InFlight {
    const base = 2 * this.#used++ * this.#capacity;
    return new InFlight(this.#times, base, this.#capacity);
  }
}

/**
 * The messages of one connection in order: those that wait to be sent behind those that wait for
 * their reply. Of each, when it was due and when it was sent. A ring that grows.
 */
class InFlight {
  /** Counters from the beginning: messages that were put, sent and taken off again. */
  #put = 0;
  #sent = 0;
  #taken = 0;
  #mask: number;
  /** When a message was due, and beside it when it was sent: they share a cache line. */
  #times: Float64Array;
  /** Where they begin. */
  #base: number;

  /** In `times` from `base` on; `capacity` is a power of two. More gets an array of its own. */
  constructor(times: Float64Array, base: number, capacity: number) {
    this.#mask = capacity - 1;
    this.#times = times;
    this.#base = base;
  }

  /** Messages that wait for their reply. */
  get awaited(): number {
    return this.#sent - this.#taken;
  }

  /** Messages that wait to be sent. */
  get waiting(): number {
    return this.#put - this.#sent;
  }

  /** Of the oldest message, whether it was sent or not. */
  get dueMs(): number {
    return this.#times[this.#base + 2 * (this.#taken & this.#mask)] ?? 0;
  }

  /** Of the oldest message that was sent. */
  get sentMs(): number {
    return this.#times[this.#base + 2 * (this.#taken & this.#mask) + 1] ?? 0;
  }

  /** Of the next message to send. */
  get nextDueMs(): number {
    return this.#times[this.#base + 2 * (this.#sent & this.#mask)] ?? 0;
  }

  /** A message is due. */
  put(dueMs: number): void {
    if (this.#put - this.#taken > this.#mask) this.#grow();
    this.#times[this.#base + 2 * (this.#put++ & this.#mask)] = dueMs;
  }

  /** The next message that waits was sent. */
  send(sentMs: number): void {
    this.#times[this.#base + 2 * (this.#sent++ & this.#mask) + 1] = sentMs;
  }

  /** The oldest message is over; one that was never sent is too. */
  take(): void {
    this.#taken += 1;
    if (this.#sent < this.#taken) this.#sent = this.#taken;
  }

  #grow(): void {
    const size = 2 * (this.#mask + 1);
    const times = new Float64Array(2 * size);
    for (let at = this.#taken; at < this.#put; at += 1) {
      const from = this.#base + 2 * (at & this.#mask);
      times.set(this.#times.subarray(from, from + 2), 2 * (at & (size - 1)));
    }
    this.#mask = size - 1;
    this.#times = times;
    this.#base = 0;
  }
}
