import { receiveMemory } from '../../base/borrowed.ts';
import type { RidingCalls } from '../../poller/riding-calls.ts';
import { BUFFER_STRIDE_BYTES, STAGING_BYTES } from '../../ring/limits.ts';
import { Call, CallList, listBytes, RecordWord } from '../../sys/batch/call-list.ts';
import { makeCalls } from '../../sys/batch/make-calls.ts';
import type { Sys } from '../../sys/sys.ts';
import type { ReceiveBuffers } from '../gathered-sends.ts';
import { CALLS_MAX, RECEIVES_MAX } from '../limits.ts';
import { ReceiveList } from './receive-list.ts';

/** A stream with a send or a FIN in the queue. */
interface Sender {
  shortWrite(result: number): void;
  finFailed(errno: number): void;
}

/** Hears of the results that are not the expected ones. It must not add calls. */
interface CallOutcomes {
  /** Adding `fd` to the poller's set failed, or changing what it is watched for. */
  controlFailed(fd: number): void;
  /** All calls of the queue are made. */
  confirmed(): void;
}

const PAGE_BYTES = 4096;
const LIST_BYTES = wholePages(listBytes(CALLS_MAX));
const STAGING_AT = LIST_BYTES + wholePages(listBytes(RECEIVES_MAX));
const BUFFERS_AT = STAGING_AT + STAGING_BYTES;

/**
 * The system calls of a turn, made together: the sends of the last turn, the changes of the
 * poller's set and the wait; then the {@link receives} and accepts of what is ready.
 *
 * The calls are made in order. A result that is not the expected one, such as a short write, ends
 * the list; it is handled before the next call is made. So a receive may use the buffer that a send
 * ahead of it is made from.
 */
export class CallQueue implements ReceiveBuffers, RidingCalls {
  readonly bytes: Uint8Array;
  readonly countMax = RECEIVES_MAX;
  readonly receives: ReceiveList;
  readonly #sys: Sys;
  readonly #outcomes: CallOutcomes;
  readonly #calls: CallList;
  /** By record: the stream of a send or a FIN. */
  readonly #senders: (Sender | undefined)[] = new Array(CALLS_MAX).fill(undefined);
  /** Whether a change of the poller's set is in the queue. */
  #controls = false;
  /** Whether an unexpected result left out the last wait. */
  #waitLeftOut = false;
  /** The memory of the last wait, for select(2) also that of its second set. */
  readonly #waitMemory = new LastAddress();
  readonly #secondMemory = new LastAddress();

  /** `memory` is that of an earlier queue that is not used any more. */
  constructor(
    sys: Sys,
    outcomes: CallOutcomes,
    oneByOne: boolean,
    memory = receiveMemory(BUFFERS_AT + RECEIVES_MAX * BUFFER_STRIDE_BYTES),
  ) {
    this.#sys = sys;
    this.#outcomes = outcomes;
    this.bytes = memory;
    this.#calls = new CallList(sys, this.bytes, CALLS_MAX, oneByOne);
    const places = { records: LIST_BYTES, buffers: BUFFERS_AT };
    this.receives = new ReceiveList(sys, this.bytes, places, oneByOne);
  }

  /** Offset of the memory for copies of what is sent. */
  get stagingAt(): number {
    return STAGING_AT;
  }

  /** Whether a turn is few foreign calls. */
  get direct(): boolean {
    return this.#calls.direct;
  }

  /** Whether an unexpected result kept the last wait from being made. */
  get waitLeftOut(): boolean {
    return this.#waitLeftOut;
  }

  offset(id: number): number {
    return this.receives.offset(id);
  }

  give(_id: number): void {
    // The buffers are free once all results were visited.
  }

  // The calls.

  /** Queues send(2) of `length` bytes at `offset` of the memory. */
  send(sender: Sender, fd: number, offset: number, length: number, flags: number): void {
    this.#makeRoom();
    this.#senders[this.#calls.send(fd, offset, length, flags)] = sender;
  }

  /** Lengthens the send of `sender`, if that is the last call. */
  lengthenSend(sender: Sender, bytes: number): boolean {
    const last = this.#calls.count - 1;
    if (last < 0 || this.#senders[last] !== sender || this.#calls.call(last) !== Call.send) {
      return false;
    }
    this.#calls.lengthen(last, bytes);
    return true;
  }

  /** Queues shutdown(2) of the sending side. */
  finish(sender: Sender, fd: number): void {
    this.#makeRoom();
    this.#senders[this.#calls.shutdown(fd, this.#sys.abi.constants.SHUT_WR)] = sender;
  }

  close(fd: number): void {
    this.#makeRoom();
    this.#calls.close(fd);
  }

  /** Whether no call is queued, nor a receive or accept. */
  get isEmpty(): boolean {
    return this.#calls.count === 0 && !this.receives.waiting;
  }

  // Making the calls.

  /** Whether another call can be queued. One record stays free for a wait. */
  get hasRoom(): boolean {
    return this.#calls.count < CALLS_MAX - 1;
  }

  #makeRoom(): void {
    if (!this.hasRoom) this.flush();
  }

  /** Makes the queued calls. True if all results are the expected ones. */
  flush(): boolean {
    return this.#calls.count === 0 || this.#run(NONE);
  }

  /** As {@link flush}. An unexpected result leaves out the record `wait`. */
  #run(wait: number): boolean {
    const calls = this.#calls;
    let isExpected = true;
    for (let from = 0; from < calls.count; ) {
      const made = makeCalls(this.#sys, calls, from);
      if (!this.#isExpected(made - 1)) {
        if (wait !== NONE) calls.cancel(wait);
        isExpected = false;
        this.#unexpected(made - 1);
      }
      from = made;
    }
    this.#controls = false;
    calls.count = 0;
    this.#outcomes.confirmed();
    return isExpected;
  }

  #isExpected(index: number): boolean {
    const calls = this.#calls;
    const call = calls.call(index);
    if (call === Call.send) return calls.result(index) === calls.word(index, RecordWord.argument3);
    if (call === Call.shutdown || call === Call.epollControl) return calls.result(index) >= 0;
    return true;
  }

  #unexpected(index: number): void {
    const calls = this.#calls;
    const call = calls.call(index);
    const result = calls.result(index);
    if (call === Call.epollControl) {
      this.#outcomes.controlFailed(calls.word(index, RecordWord.argument3));
      return;
    }
    const sender = this.#senders[index];
    if (call === Call.shutdown) {
      sender?.finFailed(-result);
      return;
    }
    // A FIN behind the send would end the stream ahead of the rest.
    for (let later = index + 1; later < calls.count; later++) {
      if (calls.call(later) === Call.shutdown && this.#senders[later] === sender) {
        calls.cancel(later);
      }
    }
    sender?.shortWrite(result);
  }

  // The calls of a poller.

  epollControl(epfd: number, operation: number, fd: number, event: Int32Array): void {
    this.#makeRoom();
    this.#calls.epollControl(epfd, operation, fd, event);
    this.#controls = true;
  }

  flushControls(): void {
    if (this.#controls) this.flush();
  }

  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number {
    const calls = this.#calls;
    if (!calls.direct) {
      return this.#flushed() ? this.#sys.epoll_wait(epfd, events, maxevents, timeoutMs) : 0;
    }
    const address = this.#waitMemory.of(events, this.#sys);
    return this.#wait(calls.epollWait(epfd, address, maxevents, timeoutMs));
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    const calls = this.#calls;
    if (!calls.direct) return this.#flushed() ? this.#sys.poll(fds, count, timeoutMs) : 0;
    return this.#wait(calls.poll(this.#waitMemory.of(fds, this.#sys), count, timeoutMs));
  }

  select(nfds: number, read: Uint8Array, write: Uint8Array, timeout: Uint8Array | null): number {
    const calls = this.#calls;
    if (!calls.direct) {
      return this.#flushed() ? this.#sys.select(nfds, read, write, timeout) : 0;
    }
    const timeoutMs = timeout === null ? -1 : millisecondsOf(timeout);
    const reads = this.#waitMemory.of(read, this.#sys);
    const writes = this.#secondMemory.of(write, this.#sys);
    return this.#wait(calls.select(nfds, reads, writes, timeoutMs));
  }

  /** kevent(2) is no system call on Linux, and no list is one foreign call where it is. */
  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number {
    if (!this.#flushed()) return 0;
    return this.#sys.kevent(kq, changes, changeCount, events, eventCount, timeout);
  }

  /** Makes the queued calls. True if the poller may wait then. */
  #flushed(): boolean {
    this.#waitLeftOut = !this.flush();
    return !this.#waitLeftOut;
  }

  /** Makes the queued calls, the last of which is the wait `index`. Returns its result. */
  #wait(index: number): number {
    this.#waitLeftOut = !this.#run(index);
    return this.#waitLeftOut ? 0 : this.#calls.result(index);
  }
}

/** The address of the memory that was asked for last: the same again, most times. */
class LastAddress {
  #bytes: Uint8Array | null = null;
  #address = 0;

  of(bytes: Uint8Array, sys: Sys): number {
    if (bytes !== this.#bytes) {
      this.#address = sys.address(bytes);
      this.#bytes = bytes;
    }
    return this.#address;
  }
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

/** No record. */
const NONE = -1;

/** The milliseconds of a timeval of Linux: two integers of 64 bits, below 2^32 here. */
function millisecondsOf(timeval: Uint8Array): number {
  return low32(timeval, 0) * 1000 + low32(timeval, 8) / 1000;
}

function low32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 2] ?? 0) + (bytes[at + 3] ?? 0) * 256;
  return (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256 + high * 65536;
}
