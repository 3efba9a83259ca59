import { receiveMemory } from '../../base/borrowed.ts';
import type { RidingCalls } from '../../poller/riding-calls.ts';
import { BufferViews } from '../../ring/buffer-views.ts';
import { BUFFER_BYTES, BUFFER_STRIDE_BYTES, STAGING_BYTES } from '../../ring/limits.ts';
import { Call, CallList, listBytes, RecordWord } from '../../sys/batch/call-list.ts';
import { makeCalls } from '../../sys/batch/make-calls.ts';
import type { Sys } from '../../sys/sys.ts';
import type { ReceiveBuffers } from '../gathered-sends.ts';
import { CALLS_MAX, RECEIVES_MAX } from '../limits.ts';

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
const LIST_BYTES = Math.ceil(listBytes(CALLS_MAX) / PAGE_BYTES) * PAGE_BYTES;
const BUFFERS_AT = LIST_BYTES + STAGING_BYTES;

/**
 * The system calls of a turn, made together: the sends of the last turn, the changes of the
 * poller's set and the wait; then the receives and accepts of what is ready.
 *
 * The calls are made in order. A result that is not the expected one, such as a short write, ends
 * the list; it is handled before the next call is made. So a receive may use the buffer that a send
 * ahead of it is made from.
 */
export class CallQueue implements ReceiveBuffers, RidingCalls {
  readonly bytes: Uint8Array;
  readonly countMax = RECEIVES_MAX;
  readonly #sys: Sys;
  readonly #outcomes: CallOutcomes;
  readonly #calls: CallList;
  /** By record: the stream of a send or a FIN. */
  readonly #senders: (Sender | undefined)[] = new Array(CALLS_MAX).fill(undefined);
  /** The receives and accepts of this round: handle, record, and then the result. */
  readonly #tokens = new Int32Array(RECEIVES_MAX);
  readonly #records = new Int32Array(RECEIVES_MAX);
  readonly #results = new Int32Array(RECEIVES_MAX);
  readonly #accepts = new Uint8Array(RECEIVES_MAX);
  /** How many were queued, have a result, and were visited by {@link next}. */
  #queued = 0;
  #made = 0;
  #visited = 0;
  /** Whether a change of the poller's set is in the queue. */
  #controls = false;
  /** Whether an unexpected result left out the last wait. */
  #waitLeftOut = false;
  readonly #views: BufferViews;
  readonly #addresses = new WeakMap<Uint8Array, number>();

  constructor(sys: Sys, outcomes: CallOutcomes, oneByOne: boolean) {
    this.#sys = sys;
    this.#outcomes = outcomes;
    this.bytes = receiveMemory(BUFFERS_AT + RECEIVES_MAX * BUFFER_STRIDE_BYTES);
    this.#views = new BufferViews(this.bytes, BUFFERS_AT);
    this.#calls = new CallList(sys, this.bytes, CALLS_MAX, oneByOne);
  }

  /** Offset of the memory for copies of what is sent. */
  get stagingAt(): number {
    return LIST_BYTES;
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
    return this.#views.offset(id);
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

  /** Whether a receive or accept is queued. */
  get receives(): boolean {
    return this.#queued > this.#visited;
  }

  /** Whether no call is queued. */
  get isEmpty(): boolean {
    return this.#calls.count === 0 && !this.receives;
  }

  /** Whether another receive or accept finds a buffer. */
  get hasBuffer(): boolean {
    return this.#queued < RECEIVES_MAX;
  }

  /** Queues recv(2). Requires {@link hasBuffer}. */
  receive(fd: number, token: number): void {
    this.#makeRoom();
    this.#await(this.#calls.recv(fd, this.offset(this.#queued), BUFFER_BYTES), token, false);
  }

  /** Queues accept4(2). Requires {@link hasBuffer}. */
  accept(fd: number, token: number): void {
    this.#makeRoom();
    this.#await(this.#calls.accept(fd), token, true);
  }

  /** The result of a record is for a handle. */
  #await(record: number, token: number, isAccept: boolean): void {
    const id = this.#queued;
    this.#accepts[id] = isAccept ? 1 : 0;
    this.#tokens[id] = token;
    this.#records[id] = record;
    this.#queued = id + 1;
  }

  // The results of receives and accepts.

  /** Moves to the next result. False if all were visited; the buffers are free then. */
  next(): boolean {
    if (this.#visited < this.#made) {
      this.#visited += 1;
      return true;
    }
    if (this.#made === this.#queued) {
      this.#queued = 0;
      this.#made = 0;
      this.#visited = 0;
    }
    return false;
  }

  /** The buffer of the visited result. */
  get buffer(): number {
    return this.#visited - 1;
  }

  get isAccept(): boolean {
    return this.#accepts[this.#visited - 1] === 1;
  }

  get token(): number {
    return this.#tokens[this.#visited - 1] ?? 0;
  }

  get result(): number {
    return this.#results[this.#visited - 1] ?? 0;
  }

  /** The bytes of the visited result. */
  chunk(): Uint8Array {
    return this.#views.chunk(this.buffer, this.result);
  }

  /** The connections that were accepted and not visited yet. */
  get acceptedFds(): number[] {
    const fds: number[] = [];
    for (let id = this.#visited; id < this.#made; id++) {
      const result = this.#results[id] ?? -1;
      if (this.#accepts[id] === 1 && result >= 0) fds.push(result);
    }
    return fds;
  }

  /** Closes them: after a handler that threw, or that closes the loop. */
  closeAccepted(): void {
    while (this.next()) if (this.isAccept && this.result >= 0) this.#sys.close(this.result);
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
    for (let id = this.#made; id < this.#queued; id++) {
      this.#results[id] = calls.result(this.#records[id] ?? 0);
    }
    this.#made = this.#queued;
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
    return this.#wait(calls.epollWait(epfd, this.#addressOf(events), maxevents, timeoutMs));
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    const calls = this.#calls;
    if (!calls.direct) return this.#flushed() ? this.#sys.poll(fds, count, timeoutMs) : 0;
    return this.#wait(calls.poll(this.#addressOf(fds), count, timeoutMs));
  }

  select(nfds: number, read: Uint8Array, write: Uint8Array, timeout: Uint8Array | null): number {
    const calls = this.#calls;
    if (!calls.direct) {
      return this.#flushed() ? this.#sys.select(nfds, read, write, timeout) : 0;
    }
    const timeoutMs = timeout === null ? -1 : millisecondsOf(timeout);
    const [reads, writes] = [this.#addressOf(read), this.#addressOf(write)];
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

  #addressOf(bytes: Uint8Array): number {
    let address = this.#addresses.get(bytes);
    if (address === undefined) {
      address = this.#sys.address(bytes);
      this.#addresses.set(bytes, address);
    }
    return address;
  }
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
