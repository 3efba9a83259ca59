import type { StructLayout } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';

/** An entry of the submission queue, and one of the completion queue, in words of 32 bits. */
const SQE_WORDS = 16;
const CQE_WORDS = 4;

/**
 * The two queues as they lie in memory that is shared with the kernel. No other file touches them.
 *
 * The order of the accesses is liburing's: what the kernel wrote is read behind an acquire of the
 * completion tail, what it may overwrite is given back with a release of the completion head. The
 * submission tail needs none, since only io_uring_enter(2) of this thread looks at it: there is no
 * kernel thread that polls.
 */
export class RingMemory {
  readonly #sys: Sys;
  readonly #rings: Mapping;
  readonly #entries: Mapping;
  readonly #words: Int32Array;
  readonly #sqes: Uint32Array;
  readonly #cqes: Int32Array;
  readonly #submissions: number;
  readonly #completionMask: number;
  // Where each of the kernel's words lies among `#words`.
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #overflowFlag: number;
  #tail: number;
  #taken: number;
  #head: number;
  /** Whether the completion queue was full, and the kernel may have kept some back. */
  #wasFull = false;

  /** Maps the queues of the ring `fd`, which io_uring_setup(2) has described in `params`. */
  constructor(sys: Sys, fd: number, params: DataView) {
    const abi = sys.abi.ioUring;
    if (abi === null) throw new Error('this platform has no io_uring');
    this.#sys = sys;
    const { io_uring_params, io_sqring_offsets, io_cqring_offsets } = abi.structs;
    const at = io_uring_params.fields;
    const submissions = params.getUint32(at.sq_entries.offset, true);
    const completions = params.getUint32(at.cq_entries.offset, true);
    const sq = offsetsIn(params, at.sq_off.offset, io_sqring_offsets);
    const cq = offsetsIn(params, at.cq_off.offset, io_cqring_offsets);
    const { IORING_OFF_SQ_RING, IORING_OFF_SQES } = abi.constants;
    // One mapping holds both queues: IORING_FEAT_SINGLE_MMAP. The array of the submission queue
    // comes last where there is one, and one entry is 4 bytes.
    const withArray = sq('array') + submissions * 4;
    const length = Math.max(withArray, cq('cqes') + completions * CQE_WORDS * 4);
    this.#rings = map(sys, fd, length, IORING_OFF_SQ_RING);
    this.#entries = map(sys, fd, submissions * SQE_WORDS * 4, IORING_OFF_SQES, this.#rings);
    const { buffer } = this.#rings.bytes;
    this.#words = new Int32Array(buffer, 0, length >> 2);
    this.#cqes = new Int32Array(buffer, cq('cqes'), completions * CQE_WORDS);
    this.#sqes = new Uint32Array(this.#entries.bytes.buffer, 0, submissions * SQE_WORDS);
    this.#submissions = submissions;
    this.#completionMask = completions - 1;
    this.#sqHead = sq('head') >> 2;
    this.#sqTail = sq('tail') >> 2;
    this.#sqFlags = sq('flags') >> 2;
    this.#cqHead = cq('head') >> 2;
    this.#cqTail = cq('tail') >> 2;
    this.#overflowFlag = abi.constants.IORING_SQ_CQ_OVERFLOW;
    const array = sq('array') >> 2;
    // Entry n at place n, for ever. Without an array (IORING_SETUP_NO_SQARRAY) that is how it is.
    if (array > 0) for (let i = 0; i < submissions; i++) this.#words[array + i] = i;
    // 0 in a new ring; a test begins shortly before they wrap.
    this.#tail = this.#words[this.#sqTail] ?? 0;
    this.#taken = this.#tail;
    this.#head = this.#words[this.#cqHead] ?? 0;
  }

  /** Entries that were put and not taken by the kernel yet. */
  get pending(): number {
    return (this.#tail - this.#taken) | 0;
  }

  /** Whether another entry can be put. */
  get hasRoom(): boolean {
    return this.pending < this.#submissions;
  }

  /** Whether completions wait in the kernel because there was no room for them here. */
  get overflowed(): boolean {
    // The kernel's flag lies on a cache line of its own, and can be up only after a full queue.
    if (!this.#wasFull) return false;
    this.#wasFull = ((this.#words[this.#sqFlags] ?? 0) & this.#overflowFlag) !== 0;
    return this.#wasFull;
  }

  /**
   * Puts an entry, all of it, into the submission queue, which has room. `code` is the opcode, the
   * flags from bit 8 and the ioprio from bit 16 on; 64-bit fields are two words, the lower first.
   */
  push(
    code: number,
    fd: number,
    offsetLow: number,
    addressLow: number,
    addressHigh: number,
    length: number,
    flags: number,
    dataLow: number,
    dataHigh: number,
  ): void {
    const sqes = this.#sqes;
    const at = (this.#tail & (this.#submissions - 1)) * SQE_WORDS;
    // The words from 10 on (buffer group 0, no personality, no file index) are never set.
    sqes[at] = code;
    sqes[at + 1] = fd;
    sqes[at + 2] = offsetLow;
    sqes[at + 4] = addressLow;
    sqes[at + 5] = addressHigh;
    sqes[at + 6] = length;
    sqes[at + 7] = flags;
    sqes[at + 8] = dataLow;
    sqes[at + 9] = dataHigh;
    this.#tail = (this.#tail + 1) | 0;
  }

  /**
   * Adds `bytes` to the length of the entry that was put last. False, and nothing happens, if that
   * carries other data or was taken already.
   */
  lengthenLast(dataLow: number, dataHigh: number, bytes: number): boolean {
    const at = ((this.#tail - 1) & (this.#submissions - 1)) * SQE_WORDS;
    const sqes = this.#sqes;
    if (this.pending === 0 || sqes[at + 8] !== dataLow || sqes[at + 9] !== dataHigh) return false;
    sqes[at + 6] = (sqes[at + 6] ?? 0) + bytes;
    return true;
  }

  /** Shows the kernel what was put. Returns how many entries it has not taken yet. */
  publish(): number {
    this.#words[this.#sqTail] = this.#tail;
    return this.pending;
  }

  /** The kernel has been called, and has taken what it took of the `published` entries. */
  called(published: number, result: number): void {
    // What it returns is that number, but for an error of the wait, which hides it.
    if (result === published) this.#taken = (this.#taken + published) | 0;
    else this.#taken = this.#words[this.#sqHead] ?? 0;
  }

  /** How many completions are there. */
  acquire(): number {
    const count = (Atomics.load(this.#words, this.#cqTail) - this.#head) | 0;
    if (count > this.#completionMask) this.#wasFull = true;
    return count;
  }

  /** Where the `index`-th completion that is there begins, for the four methods below. */
  place(index: number): number {
    return ((this.#head + index) & this.#completionMask) * CQE_WORDS;
  }

  dataLow(place: number): number {
    return this.#cqes[place] ?? 0;
  }

  dataHigh(place: number): number {
    return this.#cqes[place + 1] ?? 0;
  }

  result(place: number): number {
    return this.#cqes[place + 2] ?? 0;
  }

  flags(place: number): number {
    return this.#cqes[place + 3] ?? 0;
  }

  /** Marks a completion as dealt with before its turn: it then carries the data (0, `high`). */
  overwriteData(place: number, high: number): void {
    this.#cqes[place] = 0;
    this.#cqes[place + 1] = high;
  }

  /** Gives the first `count` completions back to the kernel. */
  release(count: number): void {
    this.#head = (this.#head + count) | 0;
    Atomics.store(this.#words, this.#cqHead, this.#head);
  }

  /** Unmaps the queues. The ring's descriptor is closed first. */
  unmap(): void {
    unmap(this.#sys, this.#entries);
    unmap(this.#sys, this.#rings);
  }
}

interface Mapping {
  readonly address: number;
  readonly bytes: Uint8Array;
}

function map(sys: Sys, fd: number, length: number, offset: number, first?: Mapping): Mapping {
  const { PROT_READ, PROT_WRITE } = sys.abi.constants;
  const { MAP_SHARED = 0, MAP_POPULATE = 0 } = sys.abi.ioUring?.constants ?? {};
  const flags = MAP_SHARED | MAP_POPULATE;
  const address = sys.mmap(length, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (address >= 0) return { address, bytes: sys.view(address, length) };
  if (first !== undefined) unmap(sys, first);
  throw sysError(sys, address, 'mmap', 'map the queues of an io_uring');
}

function unmap(sys: Sys, { address, bytes }: Mapping): void {
  sys.munmap(address, bytes.length);
}

/** Reads the offsets that the kernel wrote into one of the two structures for them. */
function offsetsIn<Name extends string>(
  params: DataView,
  base: number,
  layout: StructLayout<Name>,
): (name: Name) => number {
  return (name) => params.getUint32(base + layout.fields[name].offset, true);
}
