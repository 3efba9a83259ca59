import type { AddressWords } from './address-ranges.ts';

/** What counts as one address: an IPv4 address, or the /64 of an IPv6 address. */
export type AddressKey = number | string;

/** A home or a machine has a /64, and may use any address in it. */
export function keyOf(words: AddressWords): AddressKey {
  const [first = 0, second = 0] = words;
  return words.length === 1 ? first : `${first} ${second}`;
}

/**
 * How many connections of each address are open. An address without one has no entry, so that the
 * table never has more entries than there are connections.
 */
export class AddressTable {
  readonly #counts = new Map<AddressKey, number>();

  /** How many addresses have a connection. */
  get size(): number {
    return this.#counts.size;
  }

  count(key: AddressKey): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: AddressKey): void {
    this.#counts.set(key, this.count(key) + 1);
  }

  remove(key: AddressKey): void {
    const count = this.count(key);
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }
}
