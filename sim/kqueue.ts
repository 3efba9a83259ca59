import type { CloseListener } from './descriptors.ts';
import { type Kernel, PENDING } from './kernel.ts';
import { type Kevent, type KeventList, KqueueFile } from './kevents.ts';
import { type FilterState, type OpenFile, Ready } from './open-file.ts';
import { observeFilter } from './readiness.ts';

/** One registered event: (ident, filter) names it. */
interface Knote extends Kevent {
  /** The file of `ident` at registration; null for EVFILT_USER. */
  readonly file: OpenFile | null;
  disabled: boolean;
  /** EVFILT_USER has been triggered. */
  triggered: boolean;
  /** The activity of the file when EV_CLEAR reported it last. */
  seen: number;
}

/** kqueue(2) of FreeBSD and macOS. */
export class BsdKqueue extends KqueueFile implements CloseListener {
  /** The knotes by filter, then by ident. */
  readonly #knotes = new Map<number, Map<number, Knote>>();
  readonly #state: FilterState = { ready: false, data: 0, eof: false, errno: 0 };
  #cursor = 0;

  constructor(kernel: Kernel) {
    super(kernel);
    kernel.descriptors.closeListeners.add(this);
  }

  kevent(changes: KeventList, events: KeventList, timeoutNs: number): number {
    const { EV_RECEIPT, EV_ERROR } = this.kernel.abi.constants;
    const isFreeBsd = this.kernel.style === 'freebsd';
    let written = 0;
    for (let index = 0; index < changes.count; index += 1) {
      const change = changes.at(index);
      const error = this.#apply(change);
      const receipt = (change.flags & EV_RECEIPT) !== 0;
      if (error === 0 && !receipt) continue;
      if (written === events.count) {
        // No slot: an error is the result. FreeBSD stops at a receipt as well, with no error.
        if (error !== 0) return -error;
        if (isFreeBsd) return 0;
        continue;
      }
      const flags = isFreeBsd ? EV_ERROR : change.flags | EV_ERROR;
      events.put(written, { ...change, flags, data: error });
      written += 1;
    }
    if (written > 0 || events.count === 0) return written;
    const scan = (): number => this.#collect(events) || PENDING;
    const result = this.kernel.wait('kevent', scan, timeoutNs);
    return result === PENDING ? 0 : result;
  }

  /** kqueue_register: returns a positive errno, or 0. */
  #apply(change: Kevent): number {
    const { EVFILT_READ, EVFILT_WRITE, EVFILT_USER, EV_ADD, EV_DELETE } = this.kernel.abi.constants;
    const { EINVAL, EBADF, ENOENT, ENOMEM } = this.kernel.errno;
    const { ident, filter, flags } = change;
    if (![EVFILT_READ, EVFILT_WRITE, EVFILT_USER].includes(filter)) return EINVAL;
    const file = filter === EVFILT_USER ? null : this.kernel.descriptors.get(ident);
    let knote = this.#knotes.get(filter)?.get(ident);
    const adds = (flags & EV_ADD) !== 0;
    // FreeBSD checks the descriptor first, macOS its knote.
    if (file === undefined && (adds || this.kernel.style === 'freebsd')) return EBADF;
    if (knote === undefined) {
      if (!adds) return ENOENT;
      const refused = file?.filterRefusal(filter === EVFILT_WRITE) ?? 0;
      if (refused !== 0) return refused;
      if (this.kernel.faults.fires('changeError')) return ENOMEM;
      knote = { ...change, file: file ?? null, disabled: false, triggered: false, seen: -1 };
      this.#insert(knote);
    }
    if ((flags & EV_DELETE) !== 0) {
      this.#knotes.get(filter)?.delete(ident);
      return 0;
    }
    this.#update(knote, change);
    return 0;
  }

  #insert(knote: Knote): void {
    const ofFilter = this.#knotes.get(knote.filter) ?? new Map<number, Knote>();
    ofFilter.set(knote.ident, knote);
    this.#knotes.set(knote.filter, ofFilter);
  }

  #update(knote: Knote, change: Kevent): void {
    const { EVFILT_USER, EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, NOTE_TRIGGER } =
      this.kernel.abi.constants;
    const { flags, fflags } = change;
    const isUser = knote.filter === EVFILT_USER;
    if ((flags & EV_ADD) !== 0) {
      knote.flags = flags & ~(EV_DELETE | EV_ENABLE | EV_DISABLE);
      // EV_ADD of a known event arms its edge again, and enables it.
      knote.seen = -1;
      knote.disabled = false;
    }
    if ((flags & EV_ADD) !== 0 || isUser) {
      knote.udata = change.udata;
      knote.data = change.data;
      if (!isUser) knote.fflags = fflags;
    }
    if (isUser && (fflags & NOTE_TRIGGER) !== 0) {
      knote.triggered = true;
      this.touchRead();
    }
    if ((flags & EV_ENABLE) !== 0) knote.disabled = false;
    if ((flags & EV_DISABLE) !== 0) knote.disabled = true;
  }

  /** Writes the ready events that fit. Returns how many. */
  #collect(events: KeventList): number {
    const { EV_ONESHOT, EV_DISPATCH } = this.kernel.abi.constants;
    const knotes = [...this.#knotes.values()].flatMap((ofFilter) => [...ofFilter.values()]);
    const found: Kevent[] = [];
    let last = 0;
    for (let step = 0; step < knotes.length && found.length < events.count; step += 1) {
      const index = (this.#cursor + step) % knotes.length;
      const knote = knotes[index] as Knote;
      const event = knote.disabled ? null : this.#eventOf(knote);
      if (event === null) continue;
      found.push(event);
      last = index;
      if ((knote.flags & EV_DISPATCH) !== 0) knote.disabled = true;
      if ((knote.flags & EV_ONESHOT) === 0) continue;
      this.#knotes.get(knote.filter)?.delete(knote.ident);
    }
    this.#cursor = found.length === events.count ? last + 1 : 0;
    for (const [index, event] of this.kernel.faults.reordered(found).entries()) {
      events.put(index, event);
      this.kernel.trace.mix(event.ident * 65_536 + event.flags);
    }
    return found.length;
  }

  /** The event of a knote now; an edge is reported once. */
  #eventOf(knote: Knote): Kevent | null {
    const { EVFILT_WRITE, EV_CLEAR, EV_EOF, EV_ADD } = this.kernel.abi.constants;
    const flags = this.kernel.style === 'freebsd' ? knote.flags & ~EV_ADD : knote.flags;
    const { ident, filter, udata, file } = knote;
    const clears = (knote.flags & EV_CLEAR) !== 0;
    if (file === null) {
      if (!knote.triggered) return null;
      if (clears) knote.triggered = false;
      return { ident, filter, flags, fflags: 0, data: knote.data, udata };
    }
    const writes = filter === EVFILT_WRITE;
    const state = this.#state;
    observeFilter(this.kernel, file, writes, state);
    if (!state.ready) return null;
    const activity = writes ? file.writeActivity : file.readActivity;
    if (clears && activity === knote.seen) return null;
    knote.seen = activity;
    const ends = state.eof ? EV_EOF : 0;
    return { ident, filter, flags: flags | ends, fflags: state.errno, data: state.data, udata };
  }

  /** knote_fdclose: at close(2), even if a dup(2) lives on. */
  descriptorClosed(fd: number): void {
    const { EVFILT_USER } = this.kernel.abi.constants;
    for (const [filter, ofFilter] of this.#knotes) {
      if (filter !== EVFILT_USER) ofFilter.delete(fd);
    }
  }

  poll(): number {
    for (const ofFilter of this.#knotes.values()) {
      for (const { file, filter, disabled, triggered } of ofFilter.values()) {
        const state = this.#state;
        state.ready = triggered;
        file?.filter(filter === this.kernel.abi.constants.EVFILT_WRITE, state);
        if (state.ready && !disabled) return Ready.in;
      }
    }
    return 0;
  }

  close(): void {
    this.kernel.descriptors.closeListeners.delete(this);
    this.#knotes.clear();
  }
}
