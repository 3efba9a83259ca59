/** A Sys whose io_uring lies in plain memory, for tests that play its kernel. */

import assert from 'node:assert/strict';
import type { IoUringAbi } from '#src/sys/abi/abi.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { standIn } from '#test/sys/stand-in.js';

/** Sizes of the queues: small, so that they wrap often. */
export const SUBMISSIONS = 8;
export const COMPLETIONS = 16;

// Where the words of both queues lie, in bytes: any place will do.
const AT = { sqHead: 0, sqTail: 4, sqFlags: 8, cqHead: 64, cqTail: 68, array: 128, cqes: 192 };
const SQE_BYTES = 64;
const CQE_BYTES = 16;

/** One call of io_uring_enter(2), as far as the tests look at it. */
interface Enter {
  readonly fd: number;
  readonly toSubmit: number;
  readonly minComplete: number;
  readonly flags: number;
  readonly argument: number;
}

/** The kernel's side of one ring. */
export class PlainRing {
  readonly sys: Sys;
  readonly enters: Enter[] = [];
  /** What io_uring_enter(2) does and returns: it takes all there is unless a test says else. */
  onEnter: (toSubmit: number, flags: number) => number = (toSubmit) => this.take(toSubmit);
  /** The calls of io_uring_setup(2), and the errno of one with `flags`; 0 for none. */
  readonly setUps: { entries: number; completions: number; flags: number }[] = [];
  onSetUp: (flags: number) => number = () => 0;
  /** What io_uring_register(2) returns. */
  onRegister: (opcode: number, argument: number) => number;
  readonly #abi: IoUringAbi;
  readonly #start: number;
  readonly #withArray: boolean;
  readonly #memory = new Map<number, Uint8Array>();
  #words: Int32Array = new Int32Array(0);
  #sqes: Uint32Array = new Uint32Array(0);

  /** Both queues begin at the index `start`; `withArray` gives the first an array of indices. */
  constructor(start: number, withArray: boolean) {
    const real = nativeSys();
    this.#abi = real.abi.ioUring ?? assert.fail('only Linux has io_uring');
    this.#start = start;
    this.#withArray = withArray;
    this.onRegister = () => -real.abi.errno.EINVAL;
    this.sys = standIn(real, {
      io_uring_setup: (entries, params) => this.#setUp(entries, params),
      io_uring_register: (_fd, opcode, argument) => this.onRegister(opcode, argument),
      io_uring_enter: (fd, toSubmit, minComplete, flags, argument) => {
        this.enters.push({ fd, toSubmit, minComplete, flags, argument });
        return this.onEnter(toSubmit, flags);
      },
      mmap: (length, _protection, _flags, fd, offset) => this.#map(length, fd, offset),
      munmap: () => 0,
      view: (address) => this.#memory.get(address) ?? assert.fail('nothing is mapped there'),
      close: () => 0,
    });
  }

  #setUp(entries: number, bytes: Uint8Array): number {
    const params = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const { io_uring_params, io_sqring_offsets, io_cqring_offsets } = this.#abi.structs;
    const { sq_entries, cq_entries, sq_off, cq_off, flags } = io_uring_params.fields;
    const read = (at: number): number => params.getUint32(at, true);
    const asked = { entries, completions: read(cq_entries.offset), flags: read(flags.offset) };
    this.setUps.push(asked);
    const errno = this.onSetUp(asked.flags);
    if (errno !== 0) return -errno;
    const write = (at: number, value: number): void => params.setUint32(at, value, true);
    write(sq_entries.offset, SUBMISSIONS);
    write(cq_entries.offset, COMPLETIONS);
    const sq = io_sqring_offsets.fields;
    write(sq_off.offset + sq.head.offset, AT.sqHead);
    write(sq_off.offset + sq.tail.offset, AT.sqTail);
    write(sq_off.offset + sq.flags.offset, AT.sqFlags);
    write(sq_off.offset + sq.array.offset, this.#withArray ? AT.array : 0);
    const cq = io_cqring_offsets.fields;
    write(cq_off.offset + cq.head.offset, AT.cqHead);
    write(cq_off.offset + cq.tail.offset, AT.cqTail);
    write(cq_off.offset + cq.cqes.offset, AT.cqes);
    return 1000;
  }

  #map(length: number, fd: number, offset: number): number {
    const bytes = new Uint8Array(length);
    const address = 2 ** 32 + this.#memory.size * 2 ** 28;
    this.#memory.set(address, bytes);
    const { IORING_OFF_SQES } = this.#abi.constants;
    if (fd >= 0 && offset === IORING_OFF_SQES) this.#sqes = new Uint32Array(bytes.buffer);
    else if (fd >= 0) {
      this.#words = new Int32Array(bytes.buffer);
      for (const at of [AT.sqHead, AT.sqTail, AT.cqHead, AT.cqTail]) this.#set(at, this.#start);
    }
    return address;
  }

  #get(at: number): number {
    return this.#words[at >> 2] ?? 0;
  }

  #set(at: number, value: number): void {
    this.#words[at >> 2] = value;
  }

  /** The word `word` of the entry at the index `index` of the submission queue. */
  #entry(index: number, word: number): number {
    const place = index & (SUBMISSIONS - 1);
    const slot = this.#withArray ? this.#get(AT.array + place * 4) : place;
    return this.#sqes[(slot * SQE_BYTES) / 4 + word] ?? 0;
  }

  /** The data (low, high) of each entry that was published and not taken yet, in order. */
  get offered(): [number, number][] {
    const head = this.#get(AT.sqHead);
    const count = (this.#get(AT.sqTail) - head) | 0;
    return Array.from({ length: count }, (_, i) => [
      this.#entry(head + i, 8),
      this.#entry(head + i, 9),
    ]);
  }

  /** The first `count` of them, each with its words. */
  entries(count: number): Uint32Array[] {
    const head = this.#get(AT.sqHead);
    const words = SQE_BYTES / 4;
    return Array.from({ length: count }, (_, i) =>
      Uint32Array.from({ length: words }, (_word, word) => this.#entry(head + i, word)),
    );
  }

  /** `length` bytes of what was mapped, at an address as the kernel gets it. */
  bytesAt(address: number, length: number): Uint8Array {
    for (const [start, bytes] of this.#memory) {
      const at = address - start;
      if (at >= 0 && at + length <= bytes.length) return bytes.subarray(at, at + length);
    }
    assert.fail('nothing is mapped there');
  }

  /** The word `word` of the entry that was published last. */
  lastEntry(word: number): number {
    return this.#entry(this.#get(AT.sqTail) - 1, word);
  }

  /** Takes `count` entries, as the kernel does in a call, and returns how many. */
  take(count: number): number {
    this.#set(AT.sqHead, this.#get(AT.sqHead) + count);
    return count;
  }

  /** Posts a completion. Where there is no room it keeps it back and says so: false. */
  post(low: number, high: number, result: number, flags = 0): boolean {
    const tail = this.#get(AT.cqTail);
    if (((tail - this.#get(AT.cqHead)) | 0) === COMPLETIONS) {
      this.#set(AT.sqFlags, this.#abi.constants.IORING_SQ_CQ_OVERFLOW);
      return false;
    }
    const at = AT.cqes + (tail & (COMPLETIONS - 1)) * CQE_BYTES;
    for (const [index, word] of [low, high, result, flags].entries()) {
      this.#set(at + index * 4, word);
    }
    this.#set(AT.cqTail, tail + 1);
    return true;
  }

  /** What was kept back has come. */
  flush(): void {
    this.#set(AT.sqFlags, 0);
  }
}
