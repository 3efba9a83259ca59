import { shown } from '../../base/arguments.ts';
import { parseIPv4, parseIPv6 } from '../../base/ip-address.ts';

/** The words of an IPv6 address; an IPv4 address is the first alone. */
const IPV6_WORDS = 4;

/** An address as numbers: one of 32 bits for IPv4, four for IPv6. */
export type AddressWords = readonly number[];

const bytes = new Uint8Array(16);
const view = new DataView(bytes.buffer);

/**
 * The words of an address without a zone; null for any other text. An IPv4-mapped IPv6 address is
 * the IPv4 address that it stands for.
 */
export function addressWords(text: string): AddressWords | null {
  if (parseIPv4(text, bytes, 0)) return [view.getUint32(0)];
  if (!parseIPv6(text, bytes, 0)) return null;
  const words = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
  return isMapped(words) ? words.slice(3) : words;
}

/** Whether the first 96 bits are those of `::ffff:0:0`. */
function isMapped(words: AddressWords): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

/** The first and the last address of a block. */
interface Range {
  readonly first: AddressWords;
  readonly last: AddressWords;
}

/**
 * A set of addresses, from blocks in CIDR notation. Ranges are sorted and do not overlap, so that
 * one binary search tells.
 */
export class AddressRanges {
  /** First words of ranges, then last words, per family. */
  readonly #ipv4: RangeTable;
  readonly #ipv6: RangeTable;

  /**
   * Reads the blocks: `192.0.2.0/24`, `2001:db8::/32`, or an address alone. Throws an error that
   * names the list `what` for any other text.
   */
  constructor(what: string, blocks: readonly string[]) {
    if (!Array.isArray(blocks)) {
      throw new TypeError(`${what} is an array of CIDR blocks, not ${shown(blocks)}`);
    }
    const ranges = blocks.map((block) => parsedBlock(what, block));
    this.#ipv4 = new RangeTable(ranges.filter(({ first }) => first.length === 1));
    this.#ipv6 = new RangeTable(ranges.filter(({ first }) => first.length === IPV6_WORDS));
  }

  /** Whether the address is in one of the blocks. */
  has(words: AddressWords): boolean {
    return (words.length === 1 ? this.#ipv4 : this.#ipv6).has(words);
  }
}

class RangeTable {
  readonly #ranges: readonly Range[];

  constructor(ranges: Range[]) {
    // Blocks either nest or are apart: of two that begin alike the longer one comes first.
    ranges.sort((one, other) => {
      return compare(one.first, other.first) || compare(other.last, one.last);
    });
    const merged: Range[] = [];
    for (const range of ranges) {
      const before = merged.at(-1);
      if (before === undefined || compare(range.first, before.last) > 0) merged.push(range);
    }
    this.#ranges = merged;
  }

  has(words: AddressWords): boolean {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.#ranges[middle];
      if (range !== undefined && compare(range.first, words) <= 0) low = middle + 1;
      else high = middle;
    }
    const range = this.#ranges[low - 1];
    return range !== undefined && compare(words, range.last) <= 0;
  }
}

/** Two addresses of one family. */
function compare(one: AddressWords, other: AddressWords): number {
  for (let index = 0; index < one.length; index++) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function parsedBlock(what: string, block: unknown): Range {
  if (typeof block !== 'string') {
    throw new TypeError(`${what} is an array of CIDR blocks, not of ${shown(block)}`);
  }
  const slash = block.indexOf('/');
  const address = slash < 0 ? block : block.slice(0, slash);
  const words = addressWords(address);
  if (words === null) throw noBlock(what, block);
  // A block of mapped addresses is one of IPv4.
  const ignored = words.length === 1 && address.includes(':') ? 96 : 0;
  const bits = 32 * words.length;
  if (slash < 0) return rangeOf(words, bits);
  const length = block.slice(slash + 1);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) - ignored : -1;
  if (prefix < 0 || prefix > bits) throw noBlock(what, block);
  return rangeOf(words, prefix);
}

/** The addresses that share the first `prefix` bits of `words`. */
function rangeOf(words: AddressWords, prefix: number): Range {
  const free = words.map((_, index) => freeBits(prefix - 32 * index));
  return {
    first: words.map((word, index) => (word & ~(free[index] ?? 0)) >>> 0),
    last: words.map((word, index) => (word | (free[index] ?? 0)) >>> 0),
  };
}

/** The bits of a word behind the first `prefix` ones. */
function freeBits(prefix: number): number {
  if (prefix <= 0) return 0xffffffff;
  return prefix >= 32 ? 0 : 0xffffffff >>> prefix;
}

function noBlock(what: string, block: string): RangeError {
  return new RangeError(`"${block}" in ${what} is no address and no CIDR block: 192.0.2.0/24`);
}
