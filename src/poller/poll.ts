import type { Sys } from '../sys/sys.ts';
import { BasePoller } from './base-poller.ts';
import { Interest, type ReadySink, type WakeHandle } from './poller.ts';
import { ReadyList } from './ready-list.ts';
import { lengthened } from './registry.ts';
import { startOf, timeLeftMs, wholeMs } from './timeouts.ts';
import { type DescriptorWaker, openWaker, type WakerKind } from './wakers.ts';

/** Entries allocated at first. */
const INITIAL_ENTRIES = 64;

/** The index of the waker's entry. No descriptor has it, so it also means "none". */
const WAKER = 0;

/**
 * poll(2): an array of descriptors, all of which the kernel checks at each wait.
 *
 * The array has no holes: the last entry replaces a removed one. A descriptor closed without
 * deregistering (POLLNVAL) loses its entry and keeps its registration.
 */
export class PollPoller extends BasePoller {
  readonly name = 'poll';
  readonly wakeHandle: WakeHandle;
  protected readonly installCall = 'poll';
  protected override readonly kernelChecks = false;
  readonly #waker: DescriptorWaker;
  readonly #ready = new ReadyList();
  /** The indices of the entries, by descriptor. */
  #places = new Int32Array(INITIAL_ENTRIES);
  #count = 0;
  // The array and two views of it, with the places of the fields in units of these.
  #entries = new Uint8Array(0);
  #words = new Int32Array(0);
  #halves = new Int16Array(0);
  readonly #sizeWords: number;
  readonly #events: number;
  readonly #revents: number;
  // Taken out of the table once: each wait compares with them.
  readonly #POLLIN: number;
  readonly #POLLOUT: number;
  readonly #POLLNVAL: number;

  constructor(sys: Sys, waker?: WakerKind) {
    super(sys);
    const { size, fields } = sys.abi.structs.pollfd;
    this.#sizeWords = size / 4;
    this.#events = fields.events.offset / 2;
    this.#revents = fields.revents.offset / 2;
    this.#POLLIN = sys.abi.constants.POLLIN;
    this.#POLLOUT = sys.abi.constants.POLLOUT;
    this.#POLLNVAL = sys.abi.constants.POLLNVAL;
    this.#resize(INITIAL_ENTRIES);
    this.#waker = openWaker(sys, waker);
    this.wakeHandle = this.#waker.handle;
    this.#append(this.#waker.fd, Interest.read);
  }

  get fds(): readonly number[] {
    return this.#waker.fds;
  }

  wait(timeoutMs: number | null, sink: ReadySink): number {
    this.requireOpen();
    const startMs = startOf(this.sys, timeoutMs);
    for (let leftMs = timeoutMs; ; leftMs = timeLeftMs(this.sys, timeoutMs, startMs)) {
      const found = this.waits.poll(this.#entries, this.#count, wholeMs(leftMs));
      this.waited(found, 'poll');
      if (found <= 0) return 0;
      const closed = this.#collect(found);
      // Only closed descriptors, which were removed: wait for the rest of the time.
      if (closed < found) return this.#ready.deliver(this.registry, sink);
    }
  }

  protected install(fd: number, installed: Interest, wanted: Interest): number {
    const place = this.#places[fd] ?? WAKER;
    if (wanted === Interest.none) {
      if (place !== WAKER) this.#removeAt(place);
    } else if (installed === Interest.none || place === WAKER) {
      this.#append(fd, wanted);
    } else {
      this.#halves[2 * place * this.#sizeWords + this.#events] = this.#eventsOf(wanted);
    }
    return 0;
  }

  protected release(): void {
    this.#waker.close();
  }

  /** Notes what is ready, and removes what is closed. Returns how many were closed. */
  #collect(found: number): number {
    this.#ready.clear();
    let closed = 0;
    for (let place = 0, left = found; left > 0 && place < this.#count; place += 1) {
      const revents = this.#reventsAt(place);
      if (revents === 0) continue;
      left -= 1;
      if (place === WAKER) {
        this.#waker.drain();
      } else if ((revents & this.#POLLNVAL) !== 0) {
        closed += 1;
      } else {
        const fd = this.#words[place * this.#sizeWords] ?? 0;
        // A hang-up or an error is neither bit, and so means ready for both.
        const read = (revents & ~this.#POLLOUT) !== 0 ? Interest.read : 0;
        const write = (revents & ~this.#POLLIN) !== 0 ? Interest.write : 0;
        this.#ready.add(fd, this.registry.generationOf(fd), read | write, 0);
      }
    }
    if (closed > 0) this.#removeClosed();
    return closed;
  }

  #removeClosed(): void {
    // From the end, because the last entry replaces a removed one.
    for (let place = this.#count - 1; place > WAKER; place -= 1) {
      if ((this.#reventsAt(place) & this.#POLLNVAL) !== 0) this.#removeAt(place);
    }
  }

  #reventsAt(place: number): number {
    return this.#halves[2 * place * this.#sizeWords + this.#revents] ?? 0;
  }

  #append(fd: number, interest: Interest): void {
    const place = this.#count;
    const at = place * this.#sizeWords;
    if (at === this.#words.length) this.#resize(2 * place);
    this.#words[at] = fd;
    this.#halves[2 * at + this.#events] = this.#eventsOf(interest);
    this.#halves[2 * at + this.#revents] = 0;
    if (fd >= this.#places.length) this.#places = lengthened(this.#places, 2 * fd);
    this.#places[fd] = place;
    this.#count += 1;
  }

  #removeAt(place: number): void {
    const size = this.#sizeWords;
    this.#count -= 1;
    const last = this.#count * size;
    const gone = this.#words[place * size] ?? 0;
    this.#words.copyWithin(place * size, last, last + size);
    this.#places[this.#words[place * size] ?? 0] = place;
    this.#places[gone] = WAKER;
  }

  #eventsOf(interest: Interest): number {
    return (
      ((interest & Interest.read) !== 0 ? this.#POLLIN : 0) |
      ((interest & Interest.write) !== 0 ? this.#POLLOUT : 0)
    );
  }

  #resize(entries: number): void {
    this.#words = lengthened(this.#words, entries * this.#sizeWords);
    this.#entries = new Uint8Array(this.#words.buffer);
    this.#halves = new Int16Array(this.#words.buffer);
  }
}
