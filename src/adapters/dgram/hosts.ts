import { AsyncResource } from 'node:async_hooks';
import { lookup as systemLookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Lookup, SocketType } from './options.ts';

/** For so long a socket sends to the address that a name had. */
const ANSWER_MS = 10_000;

/** Names that are remembered, before all are forgotten. */
const NAMES_MAX = 256;

type Found = (error: Error | null, address: string) => void;

interface Answer {
  readonly address: string;
  readonly endMs: number;
}

/**
 * The addresses of the hosts of a socket. A numeric one is its own. A name is looked up once for
 * all sends of some seconds; the lookup of the program is asked each time, as by node:dgram.
 */
export class Hosts {
  readonly #family: 4 | 6;
  readonly #lookup: Lookup | undefined;
  readonly #nowMs: () => number;
  readonly #answers = new Map<string, Answer>();
  readonly #pending = new Map<string, Found[]>();

  constructor(type: SocketType, lookup: Lookup | undefined, nowMs: () => number) {
    this.#family = type === 'udp4' ? 4 : 6;
    this.#lookup = lookup;
    this.#nowMs = nowMs;
  }

  /** The address of `host` if it can be told at once, else null. */
  known(host: string): string | null {
    if (this.#lookup !== undefined) return null;
    if (isIP(host) !== 0) return host;
    const answer = this.#answers.get(host);
    return answer === undefined || answer.endMs < this.#nowMs() ? null : answer.address;
  }

  /** Calls `found` with the address of `host`, later. */
  find(host: string, found: Found): void {
    if (this.#lookup !== undefined) {
      this.#lookup(host, this.#family, found);
      return;
    }
    const known = this.known(host);
    if (known !== null) {
      process.nextTick(found, null, known);
      return;
    }
    const pending = this.#pending.get(host);
    if (pending !== undefined) {
      pending.push(AsyncResource.bind(found));
      return;
    }
    this.#pending.set(host, [found]);
    systemLookup(host, this.#family, (error, address) => this.#answered(host, error, address));
  }

  #answered(host: string, error: Error | null, address: string): void {
    const pending = this.#pending.get(host) ?? [];
    this.#pending.delete(host);
    if (error === null) {
      if (this.#answers.size >= NAMES_MAX) this.#answers.clear();
      this.#answers.set(host, { address, endMs: this.#nowMs() + ANSWER_MS });
    }
    for (const found of pending) found(error, address);
  }
}
