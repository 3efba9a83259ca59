import { BufferViews } from '../../ring/buffer-views.ts';
import { BUFFER_BYTES } from '../../ring/limits.ts';
import { Call, CallList } from '../../sys/batch/call-list.ts';
import { makeCalls } from '../../sys/batch/make-calls.ts';
import type { Sys } from '../../sys/sys.ts';
import { RECEIVES_MAX } from '../limits.ts';

/** Where the list lies in the memory of a loop: its records, and the buffers of its receives. */
interface ReceivePlaces {
  readonly records: number;
  readonly buffers: number;
}

/**
 * The receives and accepts of what is ready: a list of calls of their own, made behind those of the
 * {@link CallQueue}. The record of a number always belongs to the buffer of that number, and keeps
 * the token of the handle and then the result: a receive touches one cache line.
 */
export class ReceiveList {
  readonly #sys: Sys;
  readonly #calls: CallList;
  readonly #views: BufferViews;
  /** How many have a result, and how many of these were visited by {@link next}. */
  #made = 0;
  #visited = 0;
  /** The visited result, its buffer, the token of its handle, and whether it is of an accept. */
  result = 0;
  buffer = 0;
  token = 0;
  isAccept = false;

  constructor(sys: Sys, memory: Uint8Array, places: ReceivePlaces, oneByOne: boolean) {
    this.#sys = sys;
    this.#calls = new CallList(sys, memory, RECEIVES_MAX, oneByOne, places.records);
    this.#views = new BufferViews(memory, places.buffers);
  }

  /** Whether a receive or accept is queued, or has a result that was not visited. */
  get waiting(): boolean {
    return this.#calls.count > this.#visited;
  }

  /** Whether another receive or accept finds a buffer. */
  get hasBuffer(): boolean {
    return this.#calls.count < RECEIVES_MAX;
  }

  /** The offset of a buffer. */
  offset(id: number): number {
    return this.#views.offset(id);
  }

  /** Queues recv(2) for the handle of `token`. Requires {@link hasBuffer}. */
  receive(fd: number, token: number): void {
    this.#calls.recv(fd, this.#views.offset(this.#calls.count), BUFFER_BYTES, token);
  }

  /** Queues accept4(2) for the handle of `token`. Requires {@link hasBuffer}. */
  accept(fd: number, token: number): void {
    this.#calls.accept(fd, token);
  }

  /** Makes the queued calls. What is sent from the buffers must be sent before. */
  make(): void {
    makeCalls(this.#sys, this.#calls, this.#made);
    this.#made = this.#calls.count;
  }

  /** Moves to the next result. False if all were visited; the buffers are free then. */
  next(): boolean {
    const calls = this.#calls;
    const id = this.#visited;
    if (id < this.#made) {
      this.#visited = id + 1;
      this.buffer = id;
      this.token = calls.tag(id);
      this.result = calls.result(id);
      this.isAccept = calls.call(id) === Call.accept;
      return true;
    }
    if (id === calls.count) {
      calls.count = 0;
      this.#made = 0;
      this.#visited = 0;
    }
    return false;
  }

  /** The bytes of the visited result. */
  chunk(): Uint8Array {
    return this.#views.chunk(this.buffer, this.result);
  }

  /** The connections that were accepted and not visited yet. */
  get acceptedFds(): number[] {
    const fds: number[] = [];
    for (let id = this.#visited; id < this.#made; id++) {
      const result = this.#calls.result(id);
      if (this.#calls.call(id) === Call.accept && result >= 0) fds.push(result);
    }
    return fds;
  }

  /** Closes them: after a handler that threw, or that closes the loop. */
  closeAccepted(): void {
    while (this.next()) if (this.isAccept && this.result >= 0) this.#sys.close(this.result);
  }
}
