import type { Sys } from '../sys.ts';
import { arm64Numbers, type CallNumbers, x64Numbers } from './call-numbers.ts';

/** The size of a record in bytes, and in words of 32 bits. */
export const RECORD_BYTES = 64;
const WORDS = 16;

/** Indices of the words of a record. An argument has two, the lower first. */
export const RecordWord = {
  number: 0,
  /** Twice the {@link Call}, plus {@link STOP}. */
  call: 1,
  argument1: 2,
  argument2: 4,
  argument3: 6,
  argument4: 8,
  argument5: 10,
  argument6: 12,
  result: 14,
} as const;

/** Ends the list after a record whose result is not the expected one. */
export const STOP = 1;

/** The call of a record. */
export const Call = {
  /** Does nothing: a record that was taken back. */
  none: 0,
  send: 1,
  recv: 2,
  accept: 3,
  shutdown: 4,
  close: 5,
  epollControl: 6,
  /** A wait, which is made only where a list is one foreign call. */
  wait: 7,
} as const;
export type Call = (typeof Call)[keyof typeof Call];

/** Bytes of a timespec, for the timeout of a wait. */
const TIMESPEC_BYTES = 16;

/** The memory that a list of `records` needs besides the data. */
export function listBytes(records: number): number {
  return records * RECORD_BYTES + TIMESPEC_BYTES;
}

/**
 * A list of system calls for `makeCalls`: records in memory, followed by the data that they
 * send and receive. Every record gets the result of its call, `>= 0` or `-errno`.
 *
 * An offset counts from the start of the memory. The methods that add a record return its index;
 * {@link count} must be below {@link room} then.
 */
export class CallList {
  readonly memory: Uint8Array;
  /** The address of the first record, 0 where the calls are made one by one. */
  readonly address: number;
  readonly room: number;
  /** The number of records; set it to 0 to begin anew. */
  count = 0;
  readonly #words: Int32Array;
  readonly #numbers: CallNumbers;
  /** The address of the memory, and the offset at which its upper word grows by 1. */
  readonly #addressLow: number;
  readonly #addressHigh: number;
  readonly #carryAt: number;
  /** The offset of the first record. */
  readonly #at: number;
  readonly #acceptFlags: number;

  /**
   * `memory` starts at a multiple of 8 bytes and has room for {@link listBytes} at the offset `at`,
   * a multiple of 8 as well. `oneByOne` makes the calls one by one in any case.
   */
  constructor(sys: Sys, memory: Uint8Array, records: number, oneByOne: boolean, at = 0) {
    this.memory = memory;
    this.room = records;
    this.#at = at;
    const direct = !oneByOne && sys.batching === true;
    const address = direct ? sys.address(memory) : 0;
    this.address = direct ? address + at : 0;
    this.#words = new Int32Array(memory.buffer, memory.byteOffset + at, listBytes(records) / 4);
    this.#addressLow = address | 0;
    this.#addressHigh = Math.floor(address / 2 ** 32);
    this.#carryAt = 2 ** 32 - (address % 2 ** 32);
    // Calls made one by one ignore them.
    this.#numbers = sys.abi.platform === 'linux-arm64' ? arm64Numbers : x64Numbers;
    const { SOCK_CLOEXEC = 0, SOCK_NONBLOCK = 0 } = sys.abi.constants;
    this.#acceptFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  }

  /** Whether the list is one foreign call. */
  get direct(): boolean {
    return this.address !== 0;
  }

  /** The word of a record: see {@link RecordWord}. */
  word(index: number, word: number): number {
    return this.#words[index * WORDS + word] ?? 0;
  }

  call(index: number): Call {
    return (this.word(index, RecordWord.call) >> 1) as Call;
  }

  result(index: number): number {
    return this.#words[index * WORDS + RecordWord.result] ?? 0;
  }

  setResult(index: number, result: number): void {
    this.#words[index * WORDS + RecordWord.result] = result;
  }

  /** The offset that a send or receive has as its second argument. */
  offset(index: number): number {
    return (this.word(index, RecordWord.argument2) - this.#addressLow) >>> 0;
  }

  /** Where the epoll_event of an epoll_ctl(2) lies: in the last two arguments of its record. */
  eventOffset(index: number): number {
    return this.#at + (index * WORDS + RecordWord.argument5) * 4;
  }

  // A record that held the same call already keeps its other words: a message costs few stores.

  /** send(2) of `length` bytes at `offset`. Stops the list unless the kernel takes all of them. */
  send(fd: number, offset: number, length: number, flags: number): number {
    const words = this.#words;
    const index = this.count;
    const at = index * WORDS;
    if (
      words[at + RecordWord.call] === Call.send * 2 + STOP &&
      words[at + RecordWord.argument4] === flags
    ) {
      this.count = index + 1;
      words[at + RecordWord.argument1] = fd;
      words[at + RecordWord.argument3] = length;
    } else {
      this.#push(this.#numbers.sendto, Call.send * 2 + STOP, fd, length, flags);
      this.#setWord(index, RecordWord.argument5, 0); // No address of a peer.
    }
    this.#setAddress(at + RecordWord.argument2, offset);
    words[at + RecordWord.result] = length;
    words[at + RecordWord.result + 1] = 0;
    return index;
  }

  /** Adds `bytes` to the length of a send. */
  lengthen(index: number, bytes: number): void {
    const length = this.word(index, RecordWord.argument3) + bytes;
    this.#words[index * WORDS + RecordWord.argument3] = length;
    this.#words[index * WORDS + RecordWord.result] = length;
  }

  /** recv(2) of at most `length` bytes to `offset`. {@link tag} returns `tag`. */
  recv(fd: number, offset: number, length: number, tag = 0): number {
    const words = this.#words;
    const index = this.count;
    const at = index * WORDS;
    if (
      words[at + RecordWord.call] === Call.recv * 2 &&
      words[at + RecordWord.argument2] === ((this.#addressLow + offset) | 0) &&
      words[at + RecordWord.argument3] === length
    ) {
      this.count = index + 1;
      words[at + RecordWord.argument1] = fd;
      words[at + RecordWord.argument6] = tag;
      return index;
    }
    this.#push(this.#numbers.recvfrom, Call.recv * 2, fd, length, 0);
    this.#setAddress(at + RecordWord.argument2, offset);
    this.#setWord(index, RecordWord.argument5, 0);
    this.#setWord(index, RecordWord.argument6, tag);
    return index;
  }

  /** accept4(2) of a non-blocking descriptor, closed on exec. {@link tag} returns `tag`. */
  accept(fd: number, tag = 0): number {
    const index = this.#push(this.#numbers.accept4, Call.accept * 2, fd, 0, this.#acceptFlags);
    this.#setWord(index, RecordWord.argument2, 0);
    this.#setWord(index, RecordWord.argument6, tag);
    return index;
  }

  /**
   * The caller's number for a receive or accept: their last argument. The kernel ignores that of
   * recvfrom(2) (the length of an address) where no address is asked for; accept4(2) has none.
   */
  tag(index: number): number {
    return this.#words[index * WORDS + RecordWord.argument6] ?? 0;
  }

  /** shutdown(2). Stops the list if it fails. */
  shutdown(fd: number, how: number): number {
    const index = this.#push(this.#numbers.shutdown, Call.shutdown * 2 + STOP, fd, 0, 0);
    this.#setWord(index, RecordWord.argument2, how);
    this.#setWord(index, RecordWord.result, 0);
    return index;
  }

  /** close(2). */
  close(fd: number): number {
    return this.#push(this.#numbers.close, Call.close * 2, fd, 0, 0);
  }

  /** epoll_ctl(2); the words are those of the epoll_event. Stops the list if it fails. */
  epollControl(epfd: number, operation: number, fd: number, event: Int32Array): number {
    const index = this.#push(this.#numbers.epoll_ctl, Call.epollControl * 2 + STOP, epfd, fd, 0);
    const at = index * WORDS;
    this.#setWord(index, RecordWord.argument2, operation);
    this.#setAddress(at + RecordWord.argument4, this.eventOffset(index));
    for (let word = 0; word < event.length; word++) {
      this.#words[at + RecordWord.argument5 + word] = event[word] ?? 0;
    }
    this.#setWord(index, RecordWord.result, 0);
    return index;
  }

  /** epoll_wait(2) with `events` at an address; `timeoutMs` -1 waits for ever. */
  epollWait(epfd: number, events: number, maxevents: number, timeoutMs: number): number {
    const words = this.#words;
    const index = this.count;
    const at = index * WORDS;
    if (
      words[at + RecordWord.call] === Call.wait * 2 &&
      words[at + RecordWord.argument1] === epfd &&
      words[at + RecordWord.argument2] === (events | 0) &&
      words[at + RecordWord.argument3] === maxevents &&
      words[at + RecordWord.argument4] === timeoutMs
    ) {
      this.count = index + 1;
      return index;
    }
    this.#push(this.#numbers.epoll_pwait, Call.wait * 2, epfd, maxevents, timeoutMs);
    this.#setNumber(index, RecordWord.argument2, events);
    this.#setWord(index, RecordWord.argument5, 0);
    return index;
  }

  /** poll(2) of `count` pollfd structures at an address. */
  poll(fds: number, count: number, timeoutMs: number): number {
    const index = this.#push(this.#numbers.ppoll, Call.wait * 2, 0, 0, 0);
    this.#setNumber(index, RecordWord.argument1, fds);
    this.#setWord(index, RecordWord.argument2, count);
    this.#setTimeout(index, RecordWord.argument3, timeoutMs);
    this.#setWord(index, RecordWord.argument5, 0);
    return index;
  }

  /** select(2) with the two sets at their addresses, and a timeout as that of poll. */
  select(nfds: number, readfds: number, writefds: number, timeoutMs: number): number {
    const index = this.#push(this.#numbers.pselect6, Call.wait * 2, nfds, 0, 0);
    this.#setNumber(index, RecordWord.argument2, readfds);
    this.#setNumber(index, RecordWord.argument3, writefds);
    this.#setTimeout(index, RecordWord.argument5, timeoutMs);
    this.#setWord(index, RecordWord.argument5 + 2, 0);
    return index;
  }

  /** Takes a record back that was not made yet. */
  cancel(index: number): void {
    const at = index * WORDS;
    // close(-1) fails with EBADF, and costs nothing.
    this.#words[at] = this.#numbers.close;
    this.#words[at + RecordWord.call] = Call.none * 2;
    this.#words[at + RecordWord.argument1] = -1;
  }

  #push(number: number, call: number, first: number, third: number, fourth: number): number {
    const index = this.count;
    this.count = index + 1;
    const at = index * WORDS;
    const words = this.#words;
    words[at] = number;
    words[at + RecordWord.call] = call;
    words[at + RecordWord.argument1] = first;
    words[at + RecordWord.argument1 + 1] = 0;
    words[at + RecordWord.argument3] = third;
    words[at + RecordWord.argument3 + 1] = 0;
    words[at + RecordWord.argument4] = fourth;
    words[at + RecordWord.argument4 + 1] = 0;
    return index;
  }

  #setWord(index: number, word: number, value: number): void {
    this.#words[index * WORDS + word] = value;
    this.#words[index * WORDS + word + 1] = 0;
  }

  /** Sets an argument to the address of `offset`. */
  #setAddress(at: number, offset: number): void {
    this.#words[at] = this.#addressLow + offset;
    this.#words[at + 1] = offset < this.#carryAt ? this.#addressHigh : this.#addressHigh + 1;
  }

  /** Sets an argument to a number of up to 53 bits. */
  #setNumber(index: number, word: number, value: number): void {
    this.#words[index * WORDS + word] = value;
    this.#words[index * WORDS + word + 1] = value / 2 ** 32;
  }

  /** Sets an argument to a timeout: to NULL, which waits for ever, or to a timespec. */
  #setTimeout(index: number, word: number, timeoutMs: number): void {
    if (timeoutMs < 0) {
      this.#setWord(index, word, 0);
      return;
    }
    const timespec = this.room * WORDS;
    this.#words[timespec] = timeoutMs / 1000;
    this.#words[timespec + 2] = (timeoutMs % 1000) * 1_000_000;
    this.#setAddress(index * WORDS + word, this.#at + timespec * 4);
  }
}
