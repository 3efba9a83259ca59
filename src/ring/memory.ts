import type { StructLayout } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { noteMapped, noteUnmapping } from '../sys/thread-resources.ts';

/** Sizes of a submission and a completion queue entry, in 32-bit words. */
const SQE_WORDS = 16;
const CQE_WORDS = 4;

/**
 * The submission and completion queues in memory shared with the kernel. No other file accesses
 * them, and only this room can: {@link Ring} keeps it protected.
 *
 * The memory order is that of liburing: completions are read after an acquire of the completion
 * tail, and returned to the kernel by a release of the completion head. The submission tail needs
 * neither, because only io_uring_enter(2) of this thread reads it: there is no SQPOLL thread.
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
  // The indices of the kernel's words in `#words`.
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #overflowFlag: number;
  #tail: number;
  #taken: number;
  #head: number;
  #posted: number;
  /** Whether the completion queue was full, so that the kernel may hold some back. */
  #wasFull = false;

  /** Maps the queues of the ring `fd`, described by the `params` of io_uring_setup(2). */
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
    // Entry n is at index n, as it is without an array (IORING_SETUP_NO_SQARRAY).
    if (array > 0) for (let i = 0; i < submissions; i++) this.#words[array + i] = i;
    // 0 in a new ring; tests start just before the wrap.
    this.#tail = this.#words[this.#sqTail] ?? 0;
    this.#taken = this.#tail;
    this.#head = this.#words[this.#cqHead] ?? 0;
    this.#posted = this.#head;
  }

  /** Entries that the kernel has not taken yet. */
  get pending(): number {
    return (this.#tail - this.#taken) | 0;
  }

  /** Whether there is room for another entry. */
  get hasRoom(): boolean {
    return this.pending < this.#submissions;
  }

  /** Whether the kernel holds completions back for lack of room. */
  get overflowed(): boolean {
    // The flag lies on another cache line, and can be set only after the queue was full.
    if (!this.#wasFull) return false;
    this.#wasFull = ((this.#words[this.#sqFlags] ?? 0) & this.#overflowFlag) !== 0;
    return this.#wasFull;
  }

  /**
   * Appends an entry to the submission queue, which must have room. `code` is the opcode, the flags
   * from bit 8 on and the ioprio from bit 16 on; 64-bit fields are two words, the lower first.
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
    // The words 10 (buffer group 0, no personality) and from 12 on are never set.
    sqes[at] = code;
    sqes[at + 1] = fd;
    sqes[at + 2] = offsetLow;
    sqes[at + 4] = addressLow;
    sqes[at + 5] = addressHigh;
    sqes[at + 6] = length;
    sqes[at + 7] = flags;
    sqes[at + 8] = dataLow;
    sqes[at + 9] = dataHigh;
    sqes[at + 11] = 0;
    this.#tail = (this.#tail + 1) | 0;
  }

  /** Sets the word of the last entry that limits the bytes of a multishot receive: `optlen`. */
  limitLast(bytes: number): void {
    this.#sqes[((this.#tail - 1) & (this.#submissions - 1)) * SQE_WORDS + 11] = bytes;
  }

  /**
   * Adds `bytes` to the length of the last entry. False, without effect, if that carries other data
   * or was taken already.
   */
  lengthenLast(dataLow: number, dataHigh: number, bytes: number): boolean {
    const at = ((this.#tail - 1) & (this.#submissions - 1)) * SQE_WORDS;
    const sqes = this.#sqes;
    if (this.pending === 0 || sqes[at + 8] !== dataLow || sqes[at + 9] !== dataHigh) return false;
    sqes[at + 6] = (sqes[at + 6] ?? 0) + bytes;
    return true;
  }

  /** Makes the entries visible to the kernel. Returns how many it has not taken yet. */
  publish(): number {
    this.#words[this.#sqTail] = this.#tail;
    return this.pending;
  }

  /** Updates the count of taken entries after io_uring_enter(2) returned `result`. */
  called(published: number, result: number): void {
    // The result is the number of entries taken, unless the wait failed.
    if (result === published) this.#taken = (this.#taken + published) | 0;
    else this.#taken = this.#words[this.#sqHead] ?? 0;
  }

  /** Reads what the kernel has posted, after each call. Returns the number of completions. */
  acquire(): number {
    this.#posted = Atomics.load(this.#words, this.#cqTail);
    const count = this.completions;
    if (count > this.#completionMask) this.#wasFull = true;
    return count;
  }

  /** The number of completions as of the last {@link acquire}. */
  get completions(): number {
    return (this.#posted - this.#head) | 0;
  }

  /** Returns the position of the `index`-th completion, for the methods below. */
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

  /** Replaces the data of a completion by (0, `high`). */
  overwriteData(place: number, high: number): void {
    this.#cqes[place] = 0;
    this.#cqes[place + 1] = high;
  }

  /** Returns the first `count` completions to the kernel. */
  release(count: number): void {
    this.#head = (this.#head + count) | 0;
    Atomics.store(this.#words, this.#cqHead, this.#head);
  }

  /** Unmaps the queues. Close the ring's descriptor first. */
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
  if (address >= 0) {
    noteMapped(address, length);
    return { address, bytes: sys.view(address, length) };
  }
  if (first !== undefined) unmap(sys, first);
  throw sysError(sys, address, 'mmap', 'map the queues of an io_uring');
}

function unmap(sys: Sys, { address, bytes }: Mapping): void {
  noteUnmapping(address);
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
