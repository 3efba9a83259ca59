import type { Abi } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { BasePoller } from './base-poller.ts';
import { ENDING, Interest, type ReadySink, type WakeHandle } from './poller.ts';
import { wholeMs } from './timeouts.ts';
import { type DescriptorWaker, openWaker, type WakerKind } from './wakers.ts';

/**
 * Events per wait. With 1,000 busy connections, waits of 256 events cost 10 % more CPU than waits
 * of all; 12 KiB of events stay in the cache. The kernel continues after the last event.
 */
const EVENTS_PER_WAIT = 1024;

/** Stands for the waker in place of a descriptor in the data of an event. */
const WAKER = -1;

/** The constants of epoll(7). Throws an Error on other platforms. */
function numbersOf(abi: Abi) {
  const { EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET, EPOLL_CLOEXEC } = abi.constants;
  const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = abi.constants;
  const layout = abi.structs.epoll_event;
  if (
    EPOLLIN === undefined ||
    EPOLLOUT === undefined ||
    EPOLLRDHUP === undefined ||
    EPOLLET === undefined ||
    EPOLL_CLOEXEC === undefined ||
    EPOLL_CTL_ADD === undefined ||
    EPOLL_CTL_MOD === undefined ||
    EPOLL_CTL_DEL === undefined ||
    layout === undefined
  ) {
    throw new Error(`there is no epoll on ${abi.platform}`);
  }
  const calls = { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
  // In words of 32 bits: 3 an event on x64, where the structure is packed, and 4 on arm64.
  const words = { size: layout.size / 4, data: layout.fields.data.offset / 4 };
  const edge = EPOLLET | EPOLLRDHUP;
  const bits = { EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLL_CLOEXEC, edge };
  return { ...bits, ...calls, words, eventBytes: layout.size };
}

/**
 * epoll(7), level-triggered unless a registration asks for edges. The kernel keeps the set, so that
 * a wait costs nothing for the descriptors that are not ready. With edges it does not look again at
 * each descriptor that it has reported: 1 to 3 % of the CPU of an echo server.
 *
 * The set holds open files, not numbers: if a closed descriptor has a duplicate, its file stays in
 * the set and cannot be removed by its number. So each event carries the descriptor (low word of
 * its data) and the generation of its registration (high word), and events without a registration
 * are dropped. A wait with no other events replaces the set, or they would recur for ever; that
 * wait ends without reports.
 */
export class EpollPoller extends BasePoller {
  readonly name = 'epoll';
  override readonly edgeTriggered = true;
  readonly wakeHandle: WakeHandle;
  protected readonly installCall = 'epoll_ctl';
  readonly #numbers: ReturnType<typeof numbersOf>;
  readonly #waker: DescriptorWaker;
  #epfd: number;
  // One event for epoll_ctl(2), and room for those of a wait; the words show the same memory.
  readonly #event: Uint8Array;
  readonly #eventWords: Int32Array;
  readonly #events: Uint8Array;
  readonly #words: Int32Array;
  // Constants read for each event, taken out of the table once.
  readonly #size: number;
  readonly #data: number;
  readonly #notIn: number;
  readonly #notOut: number;
  readonly #hangUp: number;
  /** Whether descriptors were forgotten since the last wait, which may still be open. */
  #forgot = false;
  /** Which event is being reported, as an index of the words. */
  #at = 0;

  constructor(sys: Sys, waker?: WakerKind) {
    super(sys);
    const numbers = numbersOf(sys.abi);
    this.#numbers = numbers;
    this.#event = new Uint8Array(new ArrayBuffer(numbers.eventBytes));
    this.#eventWords = new Int32Array(this.#event.buffer);
    this.#events = new Uint8Array(new ArrayBuffer(EVENTS_PER_WAIT * numbers.eventBytes));
    this.#words = new Int32Array(this.#events.buffer);
    this.#size = numbers.words.size;
    this.#data = numbers.words.data;
    this.#notIn = ~numbers.EPOLLIN;
    this.#notOut = ~numbers.EPOLLOUT;
    this.#hangUp = numbers.EPOLLRDHUP;

    this.#waker = openWaker(sys, waker);
    this.wakeHandle = this.#waker.handle;
    this.#epfd = this.#openSet();
    if (this.#epfd >= 0) return;
    this.#waker.close();
    throw sysError(sys, this.#epfd, 'epoll_create1', 'open an epoll');
  }

  override get pollFd(): number {
    return this.#epfd;
  }

  get fds(): readonly number[] {
    return [this.#epfd, ...this.#waker.fds];
  }

  wait(timeoutMs: number | null, sink: ReadySink): number {
    const count = this.waits.epoll_wait(
      this.#epfd,
      this.#events,
      EVENTS_PER_WAIT,
      wholeMs(timeoutMs),
    );
    if (count <= 0) {
      this.waited(count, 'epoll_wait');
      return 0;
    }
    this.wasInterrupted = false;
    this.#at = 0;
    const end = count * this.#size;
    try {
      return this.#deliver(end, sink);
    } finally {
      if (this.#at < end) this.#tellAgain(end);
    }
  }

  /** Reports the events before `end`, and returns how many reports there were. */
  #deliver(end: number, sink: ReadySink): number {
    const words = this.#words;
    const data = this.#data;
    let reports = 0;
    let woken = false;
    for (let at = 0; at < end; at += this.#size) {
      this.#at = at;
      const fd = words[at + data] ?? 0;
      if (fd === WAKER) {
        this.#waker.drain();
        woken = true;
        continue;
      }
      const events = words[at] ?? 0;
      // A hang-up or an error is neither bit, and so means ready for both.
      const found =
        ((events & this.#notOut) !== 0 ? Interest.read : 0) |
        ((events & this.#notIn) !== 0 ? Interest.write : 0) |
        // Only edge-triggered registrations ask for it.
        ((events & this.#hangUp) !== 0 ? ENDING : 0);
      reports += this.registry.deliver(fd, words[at + data + 1] ?? 0, found, 0, sink);
    }
    this.#at = end;
    if (reports === 0 && !woken && !this.#forgot) this.#renew();
    this.#forgot = false;
    return reports;
  }

  /**
   * A sink has thrown. The undelivered edge-triggered events would not recur, as the others do:
   * setting their interest again makes the kernel report them.
   */
  #tellAgain(end: number): void {
    for (let at = this.#at; at < end; at += this.#size) {
      const fd = this.#words[at + this.#data] ?? 0;
      const generation = this.#words[at + this.#data + 1] ?? 0;
      if (fd === WAKER || this.registry.generationOf(fd) !== generation) continue;
      const interest = this.registry.interestOf(fd);
      if (interest === Interest.none || !this.registry.isEdge(fd)) continue;
      this.install(fd, interest, interest, generation);
    }
  }

  protected install(fd: number, installed: Interest, wanted: Interest, generation: number): number {
    const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = this.#numbers;
    if (wanted === Interest.none) {
      this.riding?.flushControls();
      return this.#control(EPOLL_CTL_DEL, fd);
    }
    this.#describe(wanted, fd, generation);
    if (this.riding !== null) {
      const operation = installed === Interest.none ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
      this.riding.epollControl(this.#epfd, operation, fd, this.#eventWords);
      return 0;
    }
    if (installed === Interest.none) {
      const result = this.#control(EPOLL_CTL_ADD, fd);
      // A duplicate kept the file in the set, and has the old number again.
      const isThere = result === -this.sys.abi.errno.EEXIST;
      return isThere ? this.#control(EPOLL_CTL_MOD, fd) : result;
    }
    const result = this.#control(EPOLL_CTL_MOD, fd);
    // The descriptor was closed, and its number belongs to another one.
    const isGone = result === -this.sys.abi.errno.ENOENT;
    return isGone ? this.#control(EPOLL_CTL_ADD, fd) : result;
  }

  /** A duplicate would keep the file in the set: its events are dropped. */
  override forget(fd: number): void {
    this.registry.remove(fd);
    this.#forgot = true;
  }

  protected release(): void {
    this.sys.close(this.#epfd);
    this.#epfd = -1;
    this.#waker.close();
  }

  #control(operation: number, fd: number): number {
    return this.sys.epoll_ctl(this.#epfd, operation, fd, this.#event);
  }

  #describe(interest: Interest, fd: number, generation: number): void {
    const { EPOLLIN, EPOLLOUT, edge } = this.#numbers;
    const words = this.#eventWords;
    words[0] =
      ((interest & Interest.read) !== 0 ? EPOLLIN : 0) |
      ((interest & Interest.write) !== 0 ? EPOLLOUT : 0) |
      (fd !== WAKER && this.registry.isEdge(fd) ? edge : 0);
    words[this.#data] = fd;
    words[this.#data + 1] = generation;
  }

  /** Opens a set that holds the waker. Returns its descriptor or `-errno`. */
  #openSet(): number {
    const { EPOLL_CLOEXEC, EPOLL_CTL_ADD } = this.#numbers;
    const epfd = this.sys.epoll_create1(EPOLL_CLOEXEC);
    if (epfd < 0) return epfd;
    this.#describe(Interest.read, WAKER, 0);
    const result = this.sys.epoll_ctl(epfd, EPOLL_CTL_ADD, this.#waker.fd, this.#event);
    if (result >= 0) return epfd;
    this.sys.close(epfd);
    return result;
  }

  /** Replaces a set with an event that cannot be removed. */
  #renew(): void {
    const epfd = this.#openSet();
    // Without a descriptor for it, the old set stays until the next such wait.
    if (epfd < 0) return;
    this.sys.close(this.#epfd);
    this.#epfd = epfd;
    for (let fd = 0; fd < this.registry.fdEnd; fd += 1) {
      const interest = this.registry.interestOf(fd);
      // One that was closed without deregistering is left out, as it should be.
      if (interest !== Interest.none) {
        this.install(fd, Interest.none, interest, this.registry.generationOf(fd));
      }
    }
  }
}
