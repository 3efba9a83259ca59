import { PENDING } from './kernel.ts';
import { type Kevent, type KeventList, KqueueFile } from './kevents.ts';
import { type FilterState, type OpenFile, Ready } from './open-file.ts';
import { observe } from './readiness.ts';
import { SimSocket } from './sockets.ts';

/** The most events of one call. */
const EVENTS_MAX = 512;

/** A failure that leaves errno unchanged, even 0. */
const UNNAMED_ERROR = -1;

interface Knote extends Kevent {
  /** The file of `ident` at registration; null for EVFILT_USER. */
  readonly file: OpenFile | null;
  disabled: boolean;
  /** EV_ADD came with EV_DISABLE: the event fires nevertheless, and cannot be enabled. */
  readonly misadded: boolean;
  triggered: boolean;
  seen: number;
}

/**
 * kqueue(2) of libkqueue 2.7, which is epoll(7) on Linux. It differs from the BSDs in the observed
 * ways:
 *
 * close(2) removes nothing; EV_ADD of a known event fails without an error; receipts are lost
 * unless they fill the list or an event is ready; EV_ADD with EV_DISABLE starts enabled; `data` is
 * less precise; the first event after an error clears it on the socket.
 */
export class LibKqueue extends KqueueFile {
  readonly #knotes = new Map<string, Knote>();
  /** Descriptors on which EVFILT_WRITE was ever added: EV_EOF comes late there. */
  readonly #written = new Set<OpenFile>();
  /** Entries of its epoll without a knote, with the number of each. */
  readonly #stale = new Map<OpenFile, number>();
  /** The errno of the last of its own calls that failed. */
  #errno = 0;
  readonly #state: FilterState = { ready: false, data: 0, eof: false, errno: 0 };

  kevent(changes: KeventList, events: KeventList, timeoutNs: number): number {
    const { EV_RECEIPT, EV_ERROR } = this.kernel.abi.constants;
    const { EFAULT = 14 } = this.kernel.errno;
    let written = 0;
    for (let index = 0; index < changes.count; index += 1) {
      const change = changes.at(index);
      const applied = this.#apply(change);
      const failed = applied !== 0;
      const error = applied === UNNAMED_ERROR ? this.#errno : applied;
      const receipt = (change.flags & EV_RECEIPT) !== 0;
      if (!failed && !receipt) continue;
      if (failed) this.#errno = error;
      if (events.count === 0) return receipt ? -EFAULT : -error;
      if (written === Math.min(events.count, EVENTS_MAX)) return -EFAULT;
      events.put(written, { ...change, flags: change.flags | EV_ERROR, data: error });
      written += 1;
    }
    if (written === events.count) return written;
    // If the list has room left it waits as well, and drops the receipts if no event comes.
    const scan = (): number => {
      if (this.#isUnusable) return -this.#errno;
      const found = this.#collect(events, written);
      return found === 0 ? PENDING : written + found;
    };
    const result = this.kernel.wait('kevent', scan, timeoutNs);
    return result === PENDING ? 0 : result;
  }

  /** Its epoll reports an entry without a knote: -1, with the errno of an earlier call. */
  get #isUnusable(): boolean {
    for (const file of this.#stale.keys()) {
      if (file.released) this.#stale.delete(file);
      else if ((file.poll() & ~Ready.out) !== 0) return true;
    }
    return false;
  }

  /** Returns a positive errno, 0, or {@link UNNAMED_ERROR}. */
  #apply(change: Kevent): number {
    const { EVFILT_READ, EVFILT_WRITE, EVFILT_USER, EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE } =
      this.kernel.abi.constants;
    const { EINVAL, ENOENT, EEXIST = 17 } = this.kernel.errno;
    const { filter, flags } = change;
    if (![EVFILT_READ, EVFILT_WRITE, EVFILT_USER].includes(filter)) return EINVAL;
    const key = keyOf(change);
    const knote = this.#knotes.get(key);
    if (knote === undefined) return (flags & EV_ADD) === 0 ? ENOENT : this.#add(key, change);
    if ((flags & EV_DELETE) !== 0) return this.#remove(key, knote);
    if ((flags & EV_ADD) !== 0 && knote.file !== null) return this.#readd(knote, change);
    if (knote.file === null) this.#updateUser(knote, change);
    if ((flags & EV_DISABLE) !== 0) knote.disabled = true;
    if ((flags & EV_ENABLE) !== 0) {
      if (knote.misadded && knote.file !== null) {
        this.#stale.set(knote.file, knote.ident);
        return EEXIST;
      }
      knote.disabled = false;
      knote.seen = -1;
    }
    return 0;
  }

  #add(key: string, change: Kevent): number {
    const { EVFILT_USER, EVFILT_WRITE, EV_DISABLE } = this.kernel.abi.constants;
    const { EBADF, ENOMEM, EPERM = 1, EEXIST = 17 } = this.kernel.errno;
    const isUser = change.filter === EVFILT_USER;
    const file = isUser ? null : this.kernel.descriptors.get(change.ident);
    if (file === undefined) return EBADF;
    if (file?.pollable === false) return EPERM;
    if (file !== null && this.#stale.get(file) === change.ident) return EEXIST;
    if (this.kernel.faults.fires('changeError')) return ENOMEM;
    if (file !== null && change.filter === EVFILT_WRITE) this.#written.add(file);
    const misadded = (change.flags & EV_DISABLE) !== 0;
    // A trigger in the same change is lost.
    this.#knotes.set(key, {
      ...change,
      file,
      misadded,
      disabled: false,
      triggered: false,
      seen: -1,
    });
    return 0;
  }

  #readd(knote: Knote, change: Kevent): number {
    const { EV_CLEAR } = this.kernel.abi.constants;
    if ((change.flags & EV_CLEAR) === 0) return UNNAMED_ERROR;
    // The change of a number that has another file by now succeeds, without effect.
    if (this.kernel.descriptors.get(knote.ident) !== knote.file) return 0;
    knote.flags = change.flags;
    knote.udata = change.udata;
    knote.disabled = false;
    return 0;
  }

  #remove(key: string, knote: Knote): number {
    this.#knotes.delete(key);
    if (knote.file === null) return 0;
    const { descriptors, errno } = this.kernel;
    // Its epoll finds entries by number, which has another file by now.
    const holder = descriptors.get(knote.ident);
    if (holder === knote.file && !knote.misadded) return 0;
    if (holder !== knote.file) this.#errno = holder === undefined ? errno.EBADF : errno.ENOENT;
    if (!knote.file.released) this.#stale.set(knote.file, knote.ident);
    return 0;
  }

  #updateUser(knote: Knote, change: Kevent): void {
    const { NOTE_TRIGGER, EV_ADD } = this.kernel.abi.constants;
    knote.udata = change.udata;
    if ((change.flags & EV_ADD) !== 0) knote.flags = change.flags;
    // A trigger while it is disabled is lost.
    if ((change.fflags & NOTE_TRIGGER) !== 0 && !knote.disabled) knote.triggered = true;
  }

  /** Writes the ready events from slot `first` on. Returns how many. */
  #collect(events: KeventList, first: number): number {
    const { EV_ONESHOT, EV_DISPATCH } = this.kernel.abi.constants;
    const countMax = Math.min(events.count - first, EVENTS_MAX);
    const found: Kevent[] = [];
    for (const knote of this.#inOrder()) {
      if (found.length === countMax) break;
      const event = knote.disabled ? null : this.#eventOf(knote);
      if (event === null) continue;
      found.push(event);
      if ((knote.flags & EV_DISPATCH) !== 0) knote.disabled = true;
      this.#knotes.delete(keyOf(knote));
      // A reported entry moves to the end of the list.
      if ((knote.flags & EV_ONESHOT) === 0) this.#knotes.set(keyOf(knote), knote);
    }
    for (const [index, event] of this.kernel.faults.reordered(found).entries()) {
      events.put(first + index, event);
      this.kernel.trace.mix(event.ident * 65_536 + event.flags);
    }
    return found.length;
  }

  /** The knotes, both filters of a descriptor side by side, EVFILT_READ first. */
  #inOrder(): Knote[] {
    const { EVFILT_READ, EVFILT_WRITE } = this.kernel.abi.constants;
    const ordered = new Set<Knote>();
    for (const knote of this.#knotes.values()) {
      const reads = this.#knotes.get(keyOf({ ident: knote.ident, filter: EVFILT_READ }));
      if (knote.filter === EVFILT_WRITE && reads !== undefined) ordered.add(reads);
      ordered.add(knote);
    }
    return [...ordered];
  }

  #eventOf(knote: Knote): Kevent | null {
    const { EVFILT_WRITE, EV_CLEAR } = this.kernel.abi.constants;
    const { ident, filter, flags, udata, file } = knote;
    const clears = (flags & EV_CLEAR) !== 0;
    if (file === null) {
      if (!knote.triggered) return null;
      if (clears) knote.triggered = false;
      return { ident, filter, flags, fflags: 0, data: 0, udata };
    }
    // The last close removed the entry of epoll, but not the knote.
    if (file.released) return null;
    const writes = filter === EVFILT_WRITE;
    const wanted = writes ? Ready.out : Ready.in | Ready.rdhup;
    const ready = observe(this.kernel, file, wanted);
    if (ready === 0) return null;
    // Both filters of a descriptor share an entry of epoll, and with it the edges.
    const activity = file.readActivity + file.writeActivity;
    if (clears && activity === knote.seen) return null;
    knote.seen = activity;
    return {
      ...this.#outcome(knote, file, ready),
      ident,
      filter,
      udata,
      flags: this.#flags(knote, ready),
    };
  }

  #flags(knote: Knote, ready: number): number {
    const { EVFILT_WRITE, EV_EOF } = this.kernel.abi.constants;
    const { file, filter, flags } = knote;
    const unread = file instanceof SimSocket && file.received.length > 0;
    const writes = filter === EVFILT_WRITE;
    const ownEnd = file instanceof SimSocket && file.writeShut;
    const late = !writes && unread && file !== null && this.#written.has(file);
    const over = (ready & (Ready.hup | Ready.err)) !== 0;
    const ends = writes ? over || ownEnd : over || (ready & Ready.rdhup) !== 0;
    return ends && !late ? flags | EV_EOF : flags;
  }

  /** Sets `data` and `fflags`. Reading the error clears it on the socket. */
  #outcome(knote: Knote, file: OpenFile, ready: number): Pick<Kevent, 'data' | 'fflags'> {
    const { EIO = 5 } = this.kernel.errno;
    const writes = knote.filter === this.kernel.abi.constants.EVFILT_WRITE;
    const broken = (ready & Ready.err) !== 0;
    // It asks by number, in vain if that has another file by now.
    const known = this.kernel.descriptors.get(knote.ident) === file;
    if (!(file instanceof SimSocket)) {
      file.filter(writes, this.#state);
      return { data: known && !broken ? this.#state.data : 0, fflags: broken ? EIO : 0 };
    }
    const fflags = broken && known ? file.takeError() : 0;
    if (file.isListening) return { data: 1, fflags };
    const data = writes ? file.unsent : file.received.length;
    return { data: known ? data : 0, fflags };
  }

  /** Its descriptor is the write end of a pipe, which no poller sees ready. */
  poll(): number {
    return 0;
  }

  override get spuriousBits(): number {
    return 0;
  }

  close(): void {
    this.#knotes.clear();
    this.#stale.clear();
  }
}

function keyOf({ ident, filter }: Pick<Kevent, 'ident' | 'filter'>): string {
  return `${filter} ${ident}`;
}
