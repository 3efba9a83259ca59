import type { Abi } from '../../sys/abi/abi.ts';
import { addressFrom, type DatagramAddress } from './datagram-address.ts';

/** Entries: a power of two. A peer that is known allocates nothing. */
const ENTRIES = 1024;
/** The first of two places, which are side by side. */
const FIRST_MASK = ENTRIES - 2;

/** The first odd number behind 2^32 divided by the golden ratio: it spreads what is multiplied. */
const SPREAD = 0x9e3779b1;

/**
 * The peers of a socket by their sockaddrs, the last ones only: each has two places, by its hash,
 * and a new one takes that of the older.
 */
export class AddressTable {
  readonly #abi: Abi;
  #entries: (DatagramAddress | undefined)[] = [];

  constructor(abi: Abi) {
    this.#abi = abi;
  }

  /** The address whose sockaddr is at offset `at` of the memory `bytes`, which `words` are too. */
  find(bytes: Uint8Array, words: Int32Array, at: number, length: number): DatagramAddress {
    let hash = length;
    for (let word = at >> 2; word < (at + length) >> 2; word++) {
      hash = Math.imul(hash ^ (words[word] ?? 0), SPREAD);
    }
    const first = (hash ^ (hash >>> 15)) & FIRST_MASK;
    const known = this.#entries[first];
    if (known !== undefined && isSame(known.sockaddr, bytes, at, length)) return known;
    const other = this.#entries[first + 1];
    if (other !== undefined && isSame(other.sockaddr, bytes, at, length)) return other;
    if (this.#entries.length === 0) this.#entries = new Array(ENTRIES).fill(undefined);
    const address = addressFrom(this.#abi, bytes.slice(at, at + length));
    this.#entries[first + 1] = known;
    this.#entries[first] = address;
    return address;
  }
}

function isSame(sockaddr: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (sockaddr.length !== length) return false;
  for (let index = 0; index < length; index++) {
    if (sockaddr[index] !== bytes[at + index]) return false;
  }
  return true;
}
