import type { IoUringAbi, StructLayout } from '#src/sys/abi/abi.js';
import { writeInteger } from '#src/sys/struct.js';

const SQE_BYTES = 64;
const CQE_BYTES = 16;

/** struct io_rings: the offsets of its words, and of the completions behind them. */
const PLACES = {
  sqHead: 0,
  sqTail: 64,
  cqHead: 128,
  cqTail: 192,
  sqMask: 256,
  cqMask: 260,
  sqEntries: 264,
  cqEntries: 268,
  sqDropped: 272,
  sqFlags: 276,
  cqFlags: 280,
  cqOverflow: 284,
  cqes: 320,
} as const;

/** An entry of the submission queue, as the process wrote it. */
export interface Entry {
  readonly opcode: number;
  /** IOSQE_*. */
  readonly flags: number;
  readonly ioprio: number;
  readonly fd: number;
  /** The lower half of `off`, which some operations call `addr2`. */
  readonly offset: number;
  readonly address: number;
  readonly length: number;
  /** `msg_flags`, `poll32_events`, `accept_flags`, `timeout_flags`, `cancel_flags`. */
  readonly opFlags: number;
  readonly dataLow: number;
  readonly dataHigh: number;
  readonly bufferGroup: number;
  /** `file_index`, which a receive of Linux 6.17 calls `optlen`. */
  readonly fileIndex: number;
}

/** The queues of a ring, in memory of its own that the process maps. */
export class Queues {
  readonly submissions: number;
  readonly completions: number;
  readonly rings: Uint8Array;
  readonly sqes: Uint8Array;
  readonly #words: Int32Array;
  readonly #entries: DataView;
  readonly #cqes: Int32Array;
  /** The place of the array of the submission queue in words, 0 without one. */
  readonly #array: number;

  /** Both sizes are powers of two. */
  constructor(submissions: number, completions: number, withArray: boolean) {
    this.submissions = submissions;
    this.completions = completions;
    const arrayAt = PLACES.cqes + completions * CQE_BYTES;
    this.rings = new Uint8Array(arrayAt + (withArray ? submissions * 4 : 0));
    this.sqes = new Uint8Array(submissions * SQE_BYTES);
    this.#words = new Int32Array(this.rings.buffer);
    this.#entries = new DataView(this.sqes.buffer);
    this.#cqes = new Int32Array(this.rings.buffer, PLACES.cqes, completions * 4);
    this.#array = withArray ? arrayAt >> 2 : 0;
    this.#set(PLACES.sqMask, submissions - 1);
    this.#set(PLACES.cqMask, completions - 1);
    this.#set(PLACES.sqEntries, submissions);
    this.#set(PLACES.cqEntries, completions);
  }

  #get(place: number): number {
    return this.#words[place >> 2] ?? 0;
  }

  #set(place: number, value: number): void {
    this.#words[place >> 2] = value;
  }

  /** Fills in what io_uring_setup(2) tells. */
  describe({ structs }: IoUringAbi, params: DataView): void {
    const { io_uring_params, io_sqring_offsets, io_cqring_offsets } = structs;
    const { fields } = io_uring_params;
    writeInteger(params, 0, fields.sq_entries, this.submissions);
    writeInteger(params, 0, fields.cq_entries, this.completions);
    writeOffsets(params, fields.sq_off.offset, io_sqring_offsets, {
      head: PLACES.sqHead,
      tail: PLACES.sqTail,
      ring_mask: PLACES.sqMask,
      ring_entries: PLACES.sqEntries,
      flags: PLACES.sqFlags,
      dropped: PLACES.sqDropped,
      array: this.#array * 4,
    });
    writeOffsets(params, fields.cq_off.offset, io_cqring_offsets, {
      head: PLACES.cqHead,
      tail: PLACES.cqTail,
      ring_mask: PLACES.cqMask,
      ring_entries: PLACES.cqEntries,
      overflow: PLACES.cqOverflow,
      cqes: PLACES.cqes,
      flags: PLACES.cqFlags,
    });
  }

  /** How many entries the process has submitted and the kernel has not taken. */
  get submitted(): number {
    return (this.#get(PLACES.sqTail) - this.#get(PLACES.sqHead)) | 0;
  }

  /** Takes the next entry; null for an index that is out of its range, which is dropped. */
  take(): Entry | null {
    const head = this.#get(PLACES.sqHead);
    const place = head & (this.submissions - 1);
    this.#set(PLACES.sqHead, (head + 1) | 0);
    const index = this.#array === 0 ? place : (this.#words[this.#array + place] ?? 0);
    if (index >>> 0 < this.submissions) return this.#entry(index * SQE_BYTES);
    this.#set(PLACES.sqDropped, this.#get(PLACES.sqDropped) + 1);
    return null;
  }

  #entry(at: number): Entry {
    const view = this.#entries;
    const word = (index: number): number => view.getUint32(at + index * 4, true);
    return {
      opcode: view.getUint8(at),
      flags: view.getUint8(at + 1),
      ioprio: view.getUint16(at + 2, true),
      fd: view.getInt32(at + 4, true),
      offset: word(2),
      address: word(4) + word(5) * 2 ** 32,
      length: word(6),
      opFlags: word(7),
      dataLow: word(8),
      dataHigh: word(9),
      bufferGroup: view.getUint16(at + 40, true),
      fileIndex: word(11),
    };
  }

  /** How many completions the process has not released. */
  get posted(): number {
    return (this.#get(PLACES.cqTail) - this.#get(PLACES.cqHead)) | 0;
  }

  /** Posts a completion. False if the queue is full. */
  post(dataLow: number, dataHigh: number, result: number, flags: number): boolean {
    if (this.posted >= this.completions) return false;
    const tail = this.#get(PLACES.cqTail);
    const at = (tail & (this.completions - 1)) * 4;
    this.#cqes[at] = dataLow;
    this.#cqes[at + 1] = dataHigh;
    this.#cqes[at + 2] = result;
    this.#cqes[at + 3] = flags;
    this.#set(PLACES.cqTail, (tail + 1) | 0);
    return true;
  }

  /**
   * Changes what was posted and not released, as a buggy process reads it: `change` gets the upper
   * half of the data, the result and the flags, and returns other data and flags, or null.
   */
  misread(
    change: (data: number, result: number, flags: number) => readonly [number, number] | null,
  ): void {
    const tail = this.#get(PLACES.cqTail);
    for (let place = tail - this.posted; place < tail; place += 1) {
      const at = (place & (this.completions - 1)) * 4;
      const [, data = 0, result = 0, flags = 0] = this.#cqes.subarray(at, at + 4);
      const changed = change(data, result, flags);
      if (changed === null) continue;
      this.#cqes[at + 1] = changed[0];
      this.#cqes[at + 3] = changed[1];
    }
  }

  /** Sets or clears a flag that the process sees: IORING_SQ_CQ_OVERFLOW. */
  flag(bit: number, on: boolean): void {
    const flags = this.#get(PLACES.sqFlags);
    this.#set(PLACES.sqFlags, on ? flags | bit : flags & ~bit);
  }
}

function writeOffsets<Name extends string>(
  view: DataView,
  base: number,
  layout: StructLayout<Name>,
  offsets: Readonly<Record<Name, number>>,
): void {
  for (const name of Object.keys(offsets) as Name[]) {
    writeInteger(view, base, layout.fields[name], offsets[name]);
  }
}
