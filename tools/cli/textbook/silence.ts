import { nativeSys } from 'sockloop/sys';

/** A client that has sent something and then nothing for so long waits for its answer. */
export const SILENCE_MS = 1000;

/**
 * Clients whose line is not whole yet. A program in C may send one without a newline and wait: it
 * is answered as the textbook's server would, once it is silent.
 */
export class Silence<Client> {
  readonly #sys = nativeSys();
  /** In the order in which they were heard last, each with when it is answered. */
  readonly #answerMs = new Map<Client, number>();

  /** Something came from `client`, but no newline. */
  heard(client: Client): void {
    this.#answerMs.delete(client);
    this.#answerMs.set(client, this.#sys.monotonicMs() + SILENCE_MS);
  }

  /** Nothing of `client` is waited for any more. */
  forget(client: Client): void {
    this.#answerMs.delete(client);
  }

  /** How long to wait at the most, `limitMs` among others; null is for ever. */
  waitMs(limitMs: number | null): number | null {
    const first = this.#answerMs.values().next();
    if (first.done === true) return limitMs;
    const leftMs = Math.max(0, Math.ceil(first.value - this.#sys.monotonicMs()));
    return limitMs === null ? leftMs : Math.min(limitMs, leftMs);
  }

  /** Those that have been silent for long enough, for the last time. */
  *take(): Generator<Client> {
    const nowMs = this.#sys.monotonicMs();
    for (const [client, answerMs] of this.#answerMs) {
      if (answerMs > nowMs) return;
      this.#answerMs.delete(client);
      yield client;
    }
  }
}
