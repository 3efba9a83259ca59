import type { Abi, Field } from './abi/abi.ts';
import {
  layoutOf,
  requireMemory,
  requireSize,
  strideOf,
  wholePages,
  wordOf,
} from './message-layout.ts';
import type { Sys } from './sys.ts';

/** The sizes of a {@link MessageVector}. */
export interface MessageVectorSizes {
  /** How many messages it holds. */
  readonly count: number;
  /** Room of each for a sockaddr in bytes: a multiple of 8. */
  readonly nameBytes: number;
  /** Room of each for control messages in bytes: a multiple of 8, 0 for none. */
  readonly controlBytes: number;
  /** Room of each for its bytes. */
  readonly bufferBytes: number;
}

/** Where {@link MessageVector.collect} puts what it reads, by slot. */
export interface ReceivedLengths {
  /** msg_len. */
  readonly byteLengths: Int32Array;
  /** msg_namelen, at most the room. */
  readonly nameLengths: Int32Array;
  /** msg_controllen. */
  readonly controlLengths: Int32Array;
  /** msg_flags. */
  readonly flags: Int32Array;
}

/**
 * The messages of sendmmsg(2) and recvmmsg(2): one memory that holds `count` slots. A slot is an
 * mmsghdr, one iovec, and room for a sockaddr, for control messages and for bytes.
 *
 * All parts of a message lie in {@link bytes}, and the methods give and take offsets in it. What is
 * read or written is a word of 32 bits at most; no length is longer.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { MessageVector, nativeSys } from 'sockloop/sys';
 *
 * const sizes = { count: 64, nameBytes: 128, controlBytes: 64, bufferBytes: 2048 };
 * const messages = new MessageVector(nativeSys(), sizes);
 * assert.equal(messages.count, 64);
 * assert.equal(messages.bufferLength(0), 2048);
 * ```
 */
export class MessageVector {
  /** How many messages it holds. */
  readonly count: number;
  /** Room of each for a sockaddr in bytes. */
  readonly nameBytes: number;
  /** Room of each for control messages in bytes. */
  readonly controlBytes: number;
  /** Room of each for its bytes. */
  readonly bufferBytes: number;
  /** The memory, which V8 does not move. */
  readonly bytes: Uint8Array;
  /** The same memory by words of 32 bits. */
  readonly words: Int32Array;
  /** The address of {@link bytes}. */
  readonly address: number;
  /** The size of an mmsghdr: the message of slot `n` is at {@link address} + `n` times this. */
  readonly recordBytes: number;
  /** The address as two words. */
  readonly #low: number;
  readonly #high: number;
  readonly #recordWords: number;
  /** Words of the fields in a record, and in an iovec. */
  readonly #nameWord: number;
  readonly #nameLengthWord: number;
  readonly #controlWord: number;
  readonly #controlLengthWord: number;
  readonly #flagsWord: number;
  readonly #lengthWord: number;
  readonly #baseWord: number;
  readonly #bufferLengthWord: number;
  readonly #iovecWords: number;
  /** Offsets of the parts. */
  readonly #iovecsAt: number;
  readonly #namesAt: number;
  readonly #controlsAt: number;
  readonly #buffersAt: number;
  readonly #strideBytes: number;
  /** By slot: where the bytes of the message are. */
  readonly #offsets: Int32Array;

  /**
   * Allocates the memory, or takes `memory`, and has each message point to its parts.
   *
   * @param sys the system calls, for their layouts and the address.
   * @param sizes how many messages of what size.
   * @param memory at least {@link memoryBytes} bytes, whose ArrayBuffer is larger than 64 bytes and
   *   whose offset is a multiple of 8.
   * @throws RangeError for memory that is too small, moves or is not aligned.
   */
  constructor(sys: Sys, sizes: MessageVectorSizes, memory?: Uint8Array) {
    const { abi } = sys;
    const bytes = memory ?? new Uint8Array(MessageVector.memoryBytes(abi, sizes));
    requireMemory(bytes, MessageVector.memoryBytes(abi, sizes));
    const { recordBytes, lengthAt } = layoutOf(abi);
    const { msghdr, iovec } = abi.structs;
    this.count = sizes.count;
    this.nameBytes = sizes.nameBytes;
    this.controlBytes = sizes.controlBytes;
    this.bufferBytes = sizes.bufferBytes;
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.address = sys.address(bytes);
    this.#low = this.address | 0;
    this.#high = Math.floor(this.address / TWO_TO_THE_32);
    this.recordBytes = recordBytes;
    this.#recordWords = recordBytes >> 2;
    this.#nameWord = wordOf(msghdr.fields.msg_name);
    this.#nameLengthWord = wordOf(msghdr.fields.msg_namelen);
    this.#controlWord = wordOf(msghdr.fields.msg_control);
    this.#controlLengthWord = wordOf(msghdr.fields.msg_controllen);
    this.#flagsWord = wordOf(msghdr.fields.msg_flags);
    this.#lengthWord = lengthAt >> 2;
    this.#baseWord = wordOf(iovec.fields.iov_base);
    this.#bufferLengthWord = wordOf(iovec.fields.iov_len);
    this.#iovecWords = iovec.size >> 2;
    this.#iovecsAt = sizes.count * recordBytes;
    this.#namesAt = this.#iovecsAt + sizes.count * iovec.size;
    this.#controlsAt = this.#namesAt + sizes.count * sizes.nameBytes;
    this.#buffersAt = wholePages(this.#controlsAt + sizes.count * sizes.controlBytes);
    this.#strideBytes = strideOf(sizes.bufferBytes);
    this.#offsets = new Int32Array(sizes.count);
    for (let slot = 0; slot < sizes.count; slot++) this.#prepare(slot, msghdr.fields);
  }

  /**
   * The size of the memory of a vector.
   *
   * @param abi the table of the platform.
   * @param sizes how many messages of what size.
   * @returns bytes; the buffers come last, a cache line more than their size apart if that is a
   *   multiple of 4096.
   * @throws RangeError for a size that is no integer, out of its range or not aligned.
   */
  static memoryBytes(abi: Abi, sizes: MessageVectorSizes): number {
    const { count, nameBytes, controlBytes, bufferBytes } = sizes;
    requireSize('count', count, 1, COUNT_MAX, 1);
    requireSize('nameBytes', nameBytes, 0, ROOM_BYTES_MAX, 8);
    requireSize('controlBytes', controlBytes, 0, ROOM_BYTES_MAX, 8);
    requireSize('bufferBytes', bufferBytes, 1, BUFFER_BYTES_MAX, 1);
    const fixed = layoutOf(abi).recordBytes + abi.structs.iovec.size + nameBytes + controlBytes;
    return wholePages(count * fixed) + count * strideOf(bufferBytes);
  }

  #prepare(slot: number, fields: Readonly<Record<'msg_iov' | 'msg_iovlen', Field>>): void {
    const record = slot * this.#recordWords;
    this.#point(record + wordOf(fields.msg_iov), this.#iovecsAt + slot * this.#iovecWords * 4);
    this.words[record + wordOf(fields.msg_iovlen)] = 1;
    this.reset(slot);
    this.setBuffer(slot, this.bufferAt(slot), this.bufferBytes);
  }

  /** Writes a pointer to an offset in the memory: in words, for a double would be allocated. */
  #point(at: number, offset: number): void {
    const low = (this.#low + offset) | 0;
    // As unsigned numbers: the sum is less if it has wrapped.
    const carry = (low ^ SIGN) < (this.#low ^ SIGN) ? 1 : 0;
    this.words[at] = low;
    this.words[at + 1] = this.#high + carry;
  }

  /**
   * Readies a slot for a receive: all the room for the sockaddr and the control messages.
   *
   * @param slot from 0 to `count` - 1.
   */
  reset(slot: number): void {
    this.setNameLength(slot, this.nameBytes);
    this.setControlLength(slot, this.controlBytes);
    this.words[slot * this.#recordWords + this.#flagsWord] = 0;
  }

  /**
   * The offset of a slot's room for a sockaddr.
   *
   * @param slot from 0 to `count` - 1.
   * @returns an offset in {@link bytes}.
   */
  nameAt(slot: number): number {
    return this.#namesAt + slot * this.nameBytes;
  }

  /**
   * msg_namelen.
   *
   * @param slot from 0 to `count` - 1.
   * @returns the length of the sockaddr, or the room for it; after a receive it may be longer than
   *   the room.
   */
  nameLength(slot: number): number {
    return this.words[slot * this.#recordWords + this.#nameLengthWord] ?? 0;
  }

  /**
   * Sets msg_namelen; the name is NULL if it is 0, which the BSDs want of a message without one.
   *
   * @param slot from 0 to `count` - 1.
   * @param length in bytes, at most the room.
   * @throws RangeError for a longer one.
   */
  setNameLength(slot: number, length: number): void {
    if (length > this.nameBytes) throw new RangeError(`a sockaddr of ${length} bytes has no room`);
    const record = slot * this.#recordWords;
    const was = this.words[record + this.#nameLengthWord];
    this.words[record + this.#nameLengthWord] = length;
    if (length === 0) this.#clear(record + this.#nameWord);
    else if (was === 0) this.#point(record + this.#nameWord, this.nameAt(slot));
  }

  /**
   * The offset of a slot's room for control messages.
   *
   * @param slot from 0 to `count` - 1.
   * @returns an offset in {@link bytes}.
   */
  controlAt(slot: number): number {
    return this.#controlsAt + slot * this.controlBytes;
  }

  /**
   * msg_controllen.
   *
   * @param slot from 0 to `count` - 1.
   * @returns the length of the control messages, or the room for them.
   */
  controlLength(slot: number): number {
    return this.words[slot * this.#recordWords + this.#controlLengthWord] ?? 0;
  }

  /**
   * Sets msg_controllen; the control messages are NULL if it is 0.
   *
   * @param slot from 0 to `count` - 1.
   * @param length in bytes, at most the room.
   * @throws RangeError for a longer one.
   */
  setControlLength(slot: number, length: number): void {
    if (length > this.controlBytes) {
      throw new RangeError(`control messages of ${length} bytes have no room`);
    }
    const record = slot * this.#recordWords;
    const was = this.words[record + this.#controlLengthWord];
    this.words[record + this.#controlLengthWord] = length;
    if (length === 0) this.#clear(record + this.#controlWord);
    else if (was === 0) this.#point(record + this.#controlWord, this.controlAt(slot));
  }

  #clear(at: number): void {
    this.words[at] = 0;
    this.words[at + 1] = 0;
  }

  /**
   * The offset of a slot's own buffer.
   *
   * @param slot from 0 to `count` - 1.
   * @returns an offset in {@link bytes}, wherever the message's bytes are.
   */
  bufferAt(slot: number): number {
    return this.#buffersAt + slot * this.#strideBytes;
  }

  /**
   * Where the bytes of a message are: iov_base.
   *
   * @param slot from 0 to `count` - 1.
   * @returns an offset in {@link bytes}.
   */
  bufferOffset(slot: number): number {
    return this.#offsets[slot] ?? 0;
  }

  /**
   * iov_len.
   *
   * @param slot from 0 to `count` - 1.
   * @returns how many bytes the message has, or room for how many.
   */
  bufferLength(slot: number): number {
    const iovec = (this.#iovecsAt >> 2) + slot * this.#iovecWords;
    return this.words[iovec + this.#bufferLengthWord] ?? 0;
  }

  /**
   * Sets where the bytes of a message are.
   *
   * @param slot from 0 to `count` - 1.
   * @param offset in {@link bytes}, from the buffer of slot 0 on.
   * @param length how many bytes.
   * @throws RangeError for bytes outside of the buffers.
   */
  setBuffer(slot: number, offset: number, length: number): void {
    if (offset < this.#buffersAt || length < 0 || offset + length > this.bytes.length) {
      throw new RangeError(`${length} bytes at ${offset} are not in the buffers`);
    }
    const iovec = (this.#iovecsAt >> 2) + slot * this.#iovecWords;
    if (this.#offsets[slot] !== offset) {
      this.#point(iovec + this.#baseWord, offset);
      this.#offsets[slot] = offset;
    }
    this.words[iovec + this.#bufferLengthWord] = length;
  }

  /**
   * msg_flags of what was received.
   *
   * @param slot from 0 to `count` - 1.
   * @returns MSG_TRUNC, MSG_CTRUNC and others.
   */
  flags(slot: number): number {
    return this.words[slot * this.#recordWords + this.#flagsWord] ?? 0;
  }

  /**
   * msg_len.
   *
   * @param slot from 0 to `count` - 1.
   * @returns how many bytes were sent or received.
   */
  length(slot: number): number {
    return this.words[slot * this.#recordWords + this.#lengthWord] ?? 0;
  }

  /**
   * Reads what a receive has brought, and readies the slots for the next one, as {@link reset}
   * does: in one pass, for a slot is cold behind the kernel's path.
   *
   * @param count how many slots it has filled, from 0 to all.
   * @param lengths where to put msg_len, msg_namelen, msg_controllen and msg_flags of each.
   */
  collect(count: number, lengths: ReceivedLengths): void {
    const { words, nameBytes, controlBytes } = this;
    const { byteLengths, nameLengths, controlLengths, flags } = lengths;
    const recordWords = this.#recordWords;
    const nameLengthWord = this.#nameLengthWord;
    const controlLengthWord = this.#controlLengthWord;
    const flagsWord = this.#flagsWord;
    const lengthWord = this.#lengthWord;
    for (let slot = 0, record = 0; slot < count; slot++, record += recordWords) {
      byteLengths[slot] = words[record + lengthWord] ?? 0;
      nameLengths[slot] = Math.min(words[record + nameLengthWord] ?? 0, nameBytes);
      controlLengths[slot] = words[record + controlLengthWord] ?? 0;
      flags[slot] = words[record + flagsWord] ?? 0;
      words[record + nameLengthWord] = nameBytes;
      words[record + controlLengthWord] = controlBytes;
      words[record + flagsWord] = 0;
    }
  }

  /**
   * Writes down what a receive has brought, where the kernel has not: a call slot by slot, or a
   * simulated kernel.
   *
   * @param slot from 0 to `count` - 1.
   * @param length msg_len.
   * @param flags msg_flags.
   */
  setReceived(slot: number, length: number, flags: number): void {
    this.words[slot * this.#recordWords + this.#lengthWord] = length;
    this.words[slot * this.#recordWords + this.#flagsWord] = flags;
  }

  /**
   * Likewise, the lengths of the sockaddr and of the control messages, which may be longer than
   * their room.
   *
   * @param slot from 0 to `count` - 1.
   * @param nameLength msg_namelen.
   * @param controlLength msg_controllen.
   */
  setLengths(slot: number, nameLength: number, controlLength: number): void {
    this.words[slot * this.#recordWords + this.#nameLengthWord] = nameLength;
    this.words[slot * this.#recordWords + this.#controlLengthWord] = controlLength;
  }
}

const TWO_TO_THE_32 = 2 ** 32;
/** The sign of a word. */
const SIGN = -0x80000000;

/** UIO_MAXIOV: the kernel takes no more in one call. */
const COUNT_MAX = 1024;
const ROOM_BYTES_MAX = 65536;
const BUFFER_BYTES_MAX = 2 ** 24;
