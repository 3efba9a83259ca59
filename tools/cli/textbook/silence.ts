import { nativeSys } from 'sockloop/sys';

/** A client that pauses this long inside a line is answered. */
export const SILENCE_MS = 1000;

/**
 * Clients with an incomplete line. A C program may send one without a newline and wait: it is
 * answered once it is silent, as the textbook's server would.
 */
export class Silence<Client> {
  readonly #sys = nativeSys();
  /** When each client is answered, in that order. */
  readonly #answerMs = new Map<Client, number>();

  /** Input without a newline arrived from `client`. */
  heard(client: Client): void {
    this.#answerMs.delete(client);
    this.#answerMs.set(client, this.#sys.monotonicMs() + SILENCE_MS);
  }

  /** Stops waiting for `client`. */
  forget(client: Client): void {
    this.#answerMs.delete(client);
  }

  /** The time until the next client is due, at most `limitMs`; null waits for ever. */
  waitMs(limitMs: number | null): number | null {
    const first = this.#answerMs.values().next();
    if (first.done === true) return limitMs;
    const leftMs = Math.max(0, Math.ceil(first.value - this.#sys.monotonicMs()));
    return limitMs === null ? leftMs : Math.min(limitMs, leftMs);
  }

  /** Removes and yields the clients that are due. */
  *take(): Generator<Client> {
    const nowMs = this.#sys.monotonicMs();
    for (const [client, answerMs] of this.#answerMs) {
      if (answerMs > nowMs) return;
      this.#answerMs.delete(client);
      yield client;
    }
  }
}
