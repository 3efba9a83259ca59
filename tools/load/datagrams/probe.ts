import type { Random } from '#src/base/random.js';

/** The shortest probe: what its number, by which it is known again, takes. */
export const PROBE_BYTES_MIN = 12;

/** The longest datagram over IPv4. */
export const PROBE_BYTES_MAX = 65_507;

/** The bytes behind the head are taken from here, from a place that depends on the number. */
const PATTERN_OFFSETS = 4096;

/** What {@link ProbeFormat.read} says of what is no probe of this run. */
export const FOREIGN = -1;
/** And of one whose bytes are other ones than were sent. */
export const CORRUPTED = -2;

/**
 * The datagrams of a run. A probe has the run's mark (32 bits), its number, and a check of both,
 * little-endian; then bytes that differ from probe to probe, every one of which is compared when it
 * comes back.
 */
export class ProbeFormat {
  readonly bytes: number;
  readonly #mark: number;
  readonly #pattern: Uint8Array;

  /** `bytes` is from {@link PROBE_BYTES_MIN} on. */
  constructor(bytes: number, random: Random) {
    this.bytes = bytes;
    this.#mark = random.word();
    this.#pattern = new Uint8Array(bytes + PATTERN_OFFSETS);
    for (let at = 0; at < this.#pattern.length; at++) this.#pattern[at] = random.word() & 255;
  }

  /** Writes the probe of a number into `into`, which has its length. */
  write(into: Uint8Array, number: number): void {
    putWord(into, 0, this.#mark);
    putWord(into, 4, number);
    putWord(into, 8, checkOf(this.#mark, number));
    const from = this.#offsetOf(number);
    into.set(this.#pattern.subarray(from, from + this.bytes - PROBE_BYTES_MIN), PROBE_BYTES_MIN);
  }

  /** The number of a probe that came back; {@link FOREIGN} or {@link CORRUPTED}. */
  read(bytes: Uint8Array): number {
    if (bytes.length < PROBE_BYTES_MIN || wordAt(bytes, 0) !== this.#mark) {
      return bytes.length === this.bytes ? CORRUPTED : FOREIGN;
    }
    const number = wordAt(bytes, 4);
    if (wordAt(bytes, 8) !== checkOf(this.#mark, number)) return CORRUPTED;
    if (bytes.length !== this.bytes) return CORRUPTED;
    const from = this.#offsetOf(number) - PROBE_BYTES_MIN;
    const pattern = this.#pattern;
    for (let at = PROBE_BYTES_MIN; at < bytes.length; at++) {
      if (bytes[at] !== pattern[from + at]) return CORRUPTED;
    }
    return number;
  }

  #offsetOf(number: number): number {
    return (Math.imul(number, 0x9e3779b1) >>> 0) % PATTERN_OFFSETS;
  }
}

function checkOf(mark: number, number: number): number {
  const mixed = Math.imul(mark ^ number, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}
