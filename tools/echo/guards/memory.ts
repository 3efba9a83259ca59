import type { SocketAddress } from 'sockloop/sys';
import { TokenBucket, type TokenRate } from '#src/base/token-bucket.js';
import { type AddressKey, keyOf } from '#src/net/guards/address-table.js';
import { wordsOf } from '#src/net/guards/admission.js';
import { newRefusalCounts } from '#src/net/guards/refusals.js';
import { THREADS_MAX } from '../limits.ts';
import type { RefusalTotals } from './plan.ts';

const KINDS = Object.keys(newRefusalCounts()) as readonly (keyof RefusalTotals)[];

/** How long a thread sleeps in a row that waits for another one to decide. */
const LOCK_WAIT_MS = 100;

// 32-bit integers: the lock, and for each client that is served the words of its address.
const LOCK = 0;
const CLIENTS = 2;
/** Words of a client: whether there is one with an address, and the first 64 bits of it. */
const CLIENT_WORDS = 3;
const WORDS = CLIENTS + THREADS_MAX * CLIENT_WORDS;

/**
 * What the threads of a blocking server, each of which serves one client, share for their guards:
 * whom they serve, the accept rate, and what was refused.
 */
export class GuardMemory {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #rate: Float64Array<SharedArrayBuffer>;
  readonly #counts: BigInt64Array<SharedArrayBuffer>;

  /** On given memory, or on new memory. */
  constructor(memory?: SharedArrayBuffer) {
    const wordBytes = (WORDS + (WORDS % 2)) * Int32Array.BYTES_PER_ELEMENT;
    this.memory = memory ?? new SharedArrayBuffer(wordBytes + 8 * (2 + KINDS.length));
    this.#words = new Int32Array(this.memory, 0, WORDS);
    this.#rate = new Float64Array(this.memory, wordBytes, 2);
    this.#counts = new BigInt64Array(this.memory, wordBytes + 16, KINDS.length);
  }

  /** The bucket of all threads: to be used by {@link exclusively} alone. */
  bucket(rate: TokenRate, nowMs: number): TokenBucket {
    return this.exclusively(() => new TokenBucket(rate, nowMs, this.#rate));
  }

  /** Calls `decide` in one thread at a time. Others sleep. */
  exclusively<Result>(decide: () => Result): Result {
    const words = this.#words;
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) {
      Atomics.wait(words, LOCK, 1, LOCK_WAIT_MS);
    }
    try {
      return decide();
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK, 1);
    }
  }

  /** How many clients of an address are served: {@link exclusively}. */
  count(key: AddressKey): number {
    const words = this.#words;
    let count = 0;
    for (let at = CLIENTS; at < WORDS; at += CLIENT_WORDS) {
      if (words[at] === 0) continue;
      const served = [words[at + 1] ?? 0, words[at + 2] ?? 0].map((word) => word >>> 0);
      const shown = words[at] === 1 ? served.slice(0, 1) : [...served, 0, 0];
      if (keyOf(shown) === key) count += 1;
    }
    return count;
  }

  /** Notes a client that is served: {@link exclusively}. Returns where, for {@link left}. */
  served(remote: SocketAddress): number {
    const words = wordsOf(remote);
    if (words === null) return -1;
    const [first = 0, second = 0] = words;
    const clients = this.#words;
    for (let at = CLIENTS; at < WORDS; at += CLIENT_WORDS) {
      if (clients[at] !== 0) continue;
      clients[at] = words.length === 1 ? 1 : 2;
      clients[at + 1] = first;
      clients[at + 2] = second;
      return at;
    }
    return -1;
  }

  /** The client noted at `at` is served no more. */
  left(at: number): void {
    if (at >= 0) Atomics.store(this.#words, at, 0);
  }

  countRefusal(kind: keyof RefusalTotals): void {
    Atomics.add(this.#counts, KINDS.indexOf(kind), 1n);
  }

  get refused(): RefusalTotals {
    const totals = newRefusalCounts();
    for (const [index, kind] of KINDS.entries()) {
      totals[kind] = Number(Atomics.load(this.#counts, index));
    }
    return totals;
  }
}
