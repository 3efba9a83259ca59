/** Messages per connection with preallocated room: a cache line. */
const FIRST_CAPACITY = 4;

/** Times of many connections in one array: an array for each would cost two cache lines more. */
export class InFlightTimes {
  readonly #times: Float64Array;
  readonly #capacity: number;
  #used = 0;

  /** Preallocates room for `connections` with usually up to `awaitedMax` messages each. */
  constructor(connections: number, awaitedMax: number) {
    this.#capacity = 2 ** Math.ceil(Math.log2(Math.min(FIRST_CAPACITY, awaitedMax)));
    this.#times = new Float64Array(2 * connections * this.#capacity);
  }

  /** Returns the queue of a further connection. */
  next(): InFlight {
    const base = 2 * this.#used++ * this.#capacity;
    return new InFlight(this.#times, base, this.#capacity);
  }
}

/**
 * Messages of one connection in order: those awaiting a reply, then those still to be sent. Holds
 * when each was due and sent. A ring that grows.
 */
class InFlight {
  /** Totals of messages added, sent and removed. */
  #put = 0;
  #sent = 0;
  #taken = 0;
  #mask: number;
  /** Pairs of due time and send time, which share a cache line. */
  #times: Float64Array;
  /** Where they begin. */
  #base: number;

  /** Uses `times` from `base` on until it grows; `capacity` is a power of two. */
  constructor(times: Float64Array, base: number, capacity: number) {
    this.#mask = capacity - 1;
    this.#times = times;
    this.#base = base;
  }

  /** Messages awaiting a reply. */
  get awaited(): number {
    return this.#sent - this.#taken;
  }

  /** Messages still to be sent. */
  get waiting(): number {
    return this.#put - this.#sent;
  }

  /** Due time of the oldest message, sent or not. */
  get dueMs(): number {
    return this.#times[this.#base + 2 * (this.#taken & this.#mask)] ?? 0;
  }

  /** Send time of the oldest message. */
  get sentMs(): number {
    return this.#times[this.#base + 2 * (this.#taken & this.#mask) + 1] ?? 0;
  }

  /** Due time of the next message to send. */
  get nextDueMs(): number {
    return this.#times[this.#base + 2 * (this.#sent & this.#mask)] ?? 0;
  }

  /** Adds a message. */
  put(dueMs: number): void {
    if (this.#put - this.#taken > this.#mask) this.#grow();
    this.#times[this.#base + 2 * (this.#put++ & this.#mask)] = dueMs;
  }

  /** Marks the next message as sent. */
  send(sentMs: number): void {
    this.#times[this.#base + 2 * (this.#sent++ & this.#mask) + 1] = sentMs;
  }

  /** Removes the oldest message, sent or not. */
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
