import type { Constants } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { BasePoller } from './base-poller.ts';
import { Interest, type ReadySink, type WakeHandle } from './poller.ts';
import { ReadyList } from './ready-list.ts';
import { TimeStruct } from './timeouts.ts';
import { type DescriptorWaker, openWaker, USER_IDENT, type WakerKind } from './wakers.ts';

/** Events per wait, as for epoll: 16 KiB even with the larger events of FreeBSD. */
const EVENTS_PER_WAIT = 256;

const NANOSECONDS = 1_000_000_000;

/**
 * kqueue(2): the kernel keeps a set of (descriptor, filter) pairs, with a filter for reading and
 * one for writing.
 *
 * macOS, FreeBSD and libkqueue on Linux have less in common than any manual says:
 *
 * - One change per call, without room for events. With room, libkqueue hides errors, and after the
 *   first error the rest of a list is not applied.
 * - EV_ADD only for pairs that are not in the set. libkqueue refuses a second one with a new udata.
 * - EV_DELETE before close(2), which libkqueue needs; after it, ENOENT or EBADF is no failure.
 * - The errno of a socket comes with its event, in `fflags`. libkqueue consumes it.
 * - `data` differs from the manuals on libkqueue, so only the errno of an EV_ERROR is used.
 * - Bits of `flags` are tested one by one: only FreeBSD removes those of the change.
 *
 * The udata holds the generation of the registration, and is written and read as 32-bit words.
 */
export class KqueuePoller extends BasePoller {
  readonly name = 'kqueue';
  readonly wakeHandle: WakeHandle;
  protected readonly installCall = 'kevent';
  readonly #constants: Constants;
  readonly #layout: ReturnType<typeof layoutOf>;
  /** Null if a user event wakes the kqueue. */
  readonly #waker: DescriptorWaker | null;
  readonly #ready = new ReadyList();
  readonly #timespec: TimeStruct;
  /** Pipes without a reader, which cannot be watched for writing: ready at every wait. */
  readonly #broken = new Set<number>();
  #kq: number;
  readonly #change: KeventBuffer;
  readonly #events: KeventBuffer;

  constructor(sys: Sys, waker: WakerKind = 'user') {
    super(sys);
    this.#constants = sys.abi.constants;
    this.#layout = layoutOf(sys);
    const { size, fields } = sys.abi.structs.timespec;
    this.#timespec = new TimeStruct(size, fields.tv_sec, fields.tv_nsec, NANOSECONDS);
    this.#change = keventBuffer(sys, 1);
    this.#events = keventBuffer(sys, EVENTS_PER_WAIT);
    this.#kq = sys.kqueue();
    if (this.#kq < 0) throw sysError(sys, this.#kq, 'kqueue', 'open a kqueue');
    try {
      this.#waker = waker === 'user' ? null : openWaker(sys, waker);
      this.wakeHandle = this.#waker?.handle ?? { kind: 'user', fd: this.#kq };
      this.#watchWaker();
    } catch (error) {
      sys.close(this.#kq);
      throw error;
    }
  }

  override get pollFd(): number {
    return this.#kq;
  }

  get fds(): readonly number[] {
    return [this.#kq, ...(this.#waker?.fds ?? [])];
  }

  wait(timeoutMs: number | null, sink: ReadySink): number {
    const timeout = this.#timespec.of(this.#broken.size > 0 ? 0 : timeoutMs);
    const { bytes } = this.#events;
    const count = this.waits.kevent(this.#kq, null, 0, bytes, EVENTS_PER_WAIT, timeout);
    this.waited(count, 'kevent');
    this.#ready.clear();
    for (let event = 0; event < count; event += 1) this.#collect(event);
    if (this.#broken.size > 0) this.#collectBroken();
    return this.#ready.deliver(this.registry, sink);
  }

  protected install(fd: number, installed: Interest, wanted: Interest, generation: number): number {
    const { EVFILT_READ, EVFILT_WRITE, EV_ADD, EV_DELETE } = this.#constants;
    const gone = installed & ~wanted;
    if ((gone & Interest.read) !== 0) this.#apply(fd, EVFILT_READ, EV_DELETE, generation);
    if ((gone & Interest.write) !== 0) {
      if (!this.#broken.delete(fd)) this.#apply(fd, EVFILT_WRITE, EV_DELETE, generation);
    }
    const added = wanted & ~installed;
    let result = 0;
    if ((added & Interest.read) !== 0) result = this.#apply(fd, EVFILT_READ, EV_ADD, generation);
    if (result < 0 || (added & Interest.write) === 0) return result;
    result = this.#apply(fd, EVFILT_WRITE, EV_ADD, generation);
    if (result === -this.sys.abi.errno.EPIPE) {
      this.#broken.add(fd);
      return 0;
    }
    if (result < 0 && (added & Interest.read) !== 0) {
      this.#apply(fd, EVFILT_READ, EV_DELETE, generation);
    }
    return result;
  }

  protected release(): void {
    this.sys.close(this.#kq);
    this.#kq = -1;
    this.#waker?.close();
  }

  #watchWaker(): void {
    const { EVFILT_READ, EVFILT_USER, EV_ADD, EV_CLEAR } = this.#constants;
    const result =
      this.#waker === null
        ? this.#apply(USER_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0)
        : this.#apply(this.#waker.fd, EVFILT_READ, EV_ADD, 0);
    if (result >= 0) return;
    this.#waker?.close();
    throw sysError(this.sys, result, 'kevent', 'watch the waker of a kqueue');
  }

  /** kevent(2) with one change. Returns a number `>= 0` or `-errno`. */
  #apply(ident: number, filter: number, flags: number, generation: number): number {
    const { bytes, words, halves } = this.#change;
    const layout = this.#layout;
    words[layout.ident] = ident;
    halves[layout.filter] = filter;
    halves[layout.flags] = flags;
    words[layout.udata] = generation;
    const result = this.sys.kevent(this.#kq, bytes, 1, null, 0, null);
    // Only the wait was interrupted: the changes are applied, see kevent(2).
    return result === -this.sys.abi.errno.EINTR ? 0 : result;
  }

  /** Notes what an event reports. */
  #collect(event: number): void {
    const { EVFILT_READ, EVFILT_USER, EV_ERROR } = this.#constants;
    const { words, halves } = this.#events;
    const layout = this.#layout;
    const at = event * layout.size;
    const fd = words[at + layout.ident] ?? 0;
    const generation = words[at + layout.udata] ?? 0;
    const filter = halves[2 * at + layout.filter] ?? 0;
    const flags = halves[2 * at + layout.flags] ?? 0;
    if (filter === EVFILT_USER) return;
    if (fd === this.#waker?.fd) {
      this.#waker.drain();
      return;
    }
    let errno = 0;
    if ((flags & EV_ERROR) !== 0) errno = words[at + layout.data] ?? 0;
    // libkqueue consumes the error with the first event, which may not be the last.
    else errno = words[at + layout.fflags] ?? 0;
    const found = filter === EVFILT_READ ? Interest.read : Interest.write;
    this.#ready.add(fd, generation, found, errno);
  }

  #collectBroken(): void {
    const { EPIPE } = this.sys.abi.errno;
    for (const fd of this.#broken) {
      this.#ready.add(fd, this.registry.generationOf(fd), Interest.write, EPIPE);
    }
  }
}

/** Indices of the fields of a kevent, in 32-bit words, and in 16-bit words for short ones. */
function layoutOf(sys: Sys) {
  const { size, fields } = sys.abi.structs.kevent;
  return {
    size: size / 4,
    ident: fields.ident.offset / 4,
    filter: fields.filter.offset / 2,
    flags: fields.flags.offset / 2,
    fflags: fields.fflags.offset / 4,
    data: fields.data.offset / 4,
    udata: fields.udata.offset / 4,
  };
}

/** Memory for kevents, with views of 32-bit and 16-bit words. */
interface KeventBuffer {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly halves: Int16Array;
}

function keventBuffer(sys: Sys, count: number): KeventBuffer {
  const buffer = new ArrayBuffer(count * sys.abi.structs.kevent.size);
  return {
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    halves: new Int16Array(buffer),
  };
}
