import { readUnsigned, writeInteger } from '#src/sys/struct.js';
import { PENDING } from './kernel.ts';
import { type FileWatcher, OpenFile, Ready } from './open-file.ts';
import { observe } from './readiness.ts';

/** A descriptor watched by epoll: its number and its open file at registration. */
interface Registration {
  readonly fd: number;
  readonly file: OpenFile;
  events: number;
  /** The caller's eight bytes. */
  data: bigint;
  /** The activity of the file when an edge was reported last. */
  seen: number;
  /** EPOLLONESHOT was reported: EPOLL_CTL_MOD arms it again. */
  spent: boolean;
}

/** An epoll(7) instance. */
export class EpollFile extends OpenFile implements FileWatcher {
  readonly kind = 'epoll';
  #registrations: Registration[] = [];
  /** The start of the next scan: a short list of events must not starve the last entries. */
  #cursor = 0;

  get #constants() {
    const { constants } = this.kernel.abi;
    const { EPOLLET = 0, EPOLLONESHOT = 0, EPOLLRDHUP = 0 } = constants;
    return { EPOLLET, EPOLLONESHOT, EPOLLRDHUP };
  }

  /** epoll_ctl(2). */
  control(operation: number, fd: number, event: Uint8Array): number {
    const { EBADF, EINVAL, EPERM = 1, ENOSPC = 28 } = this.kernel.errno;
    const { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } = this.kernel.abi.constants;
    const file = this.kernel.descriptors.get(fd);
    if (file === undefined) return -EBADF;
    if (!file.pollable) return -EPERM;
    if (file === this) return -EINVAL;
    const known = this.#registrations.find((entry) => entry.fd === fd && entry.file === file);
    if (operation === EPOLL_CTL_DEL) return this.#remove(known);
    if (operation === EPOLL_CTL_MOD) return this.#modify(known, event);
    if (operation !== EPOLL_CTL_ADD) return -EINVAL;
    if (known !== undefined) return -(this.kernel.errno['EEXIST'] ?? 0);
    if (this.kernel.faults.fires('changeError')) return -ENOSPC;
    this.#registrations.push({ fd, file, ...this.#read(event), seen: -1, spent: false });
    file.watchers.add(this);
    return 0;
  }

  #remove(known: Registration | undefined): number {
    if (known === undefined) return -this.kernel.errno.ENOENT;
    this.#drop((entry) => entry === known);
    if (!this.#registrations.some(({ file }) => file === known.file)) {
      known.file.watchers.delete(this);
    }
    return 0;
  }

  #modify(known: Registration | undefined, event: Uint8Array): number {
    if (known === undefined) return -this.kernel.errno.ENOENT;
    const { events, data } = this.#read(event);
    known.events = events;
    known.data = data;
    known.seen = -1;
    known.spent = false;
    return 0;
  }

  #read(event: Uint8Array): { events: number; data: bigint } {
    const { fields } = this.#layout;
    const view = new DataView(event.buffer, event.byteOffset, event.length);
    const events = readUnsigned(view, 0, fields.events);
    return { events, data: view.getBigUint64(fields.data.offset, true) };
  }

  get #layout() {
    const layout = this.kernel.abi.structs.epoll_event;
    if (layout === undefined) throw new Error(`${this.kernel.abi.platform} has no epoll`);
    return layout;
  }

  /** The last descriptor of a file was closed. A dup(2) of it keeps the entry. */
  forget(file: OpenFile): void {
    this.#drop((entry) => entry.file === file);
  }

  #drop(gone: (entry: Registration) => boolean): void {
    this.#registrations = this.#registrations.filter((entry) => !gone(entry));
    this.#cursor = 0;
  }

  /** epoll_wait(2). */
  wait(events: Uint8Array, maxevents: number, timeoutNs: number): number {
    if (maxevents <= 0) return -this.kernel.errno.EINVAL;
    const scan = (): number => {
      const found = this.#collect(maxevents);
      if (found.length === 0) return PENDING;
      this.#write(events, this.kernel.faults.reordered(found));
      return found.length;
    };
    const result = this.kernel.wait('epoll_wait', scan, timeoutNs);
    return result === PENDING ? 0 : result;
  }

  #collect(maxevents: number): [entry: Registration, ready: number][] {
    const { EPOLLET, EPOLLONESHOT } = this.#constants;
    const found: [Registration, number][] = [];
    const count = this.#registrations.length;
    let last = -1;
    for (let step = 0; step < count && found.length < maxevents; step += 1) {
      const index = (this.#cursor + step) % count;
      const entry = this.#registrations[index] as Registration;
      const ready = entry.spent ? 0 : observe(this.kernel, entry.file, this.#wanted(entry));
      if (ready === 0) continue;
      if ((entry.events & EPOLLET) !== 0) {
        const activity = entry.file.readActivity + entry.file.writeActivity;
        if (activity === entry.seen) continue;
        entry.seen = activity;
      }
      entry.spent = (entry.events & EPOLLONESHOT) !== 0;
      found.push([entry, ready]);
      last = index;
    }
    // Only a list that was too short moves the start: otherwise every entry had a turn.
    if (found.length === maxevents) this.#cursor = (last + 1) % count;
    return found;
  }

  #wanted(entry: Registration): number {
    const { EPOLLRDHUP } = this.#constants;
    const known = Ready.in | Ready.out;
    return (entry.events & known) | ((entry.events & EPOLLRDHUP) === 0 ? 0 : Ready.rdhup);
  }

  #write(events: Uint8Array, found: readonly [Registration, number][]): void {
    const { size, fields } = this.#layout;
    const { EPOLLRDHUP } = this.#constants;
    const view = new DataView(events.buffer, events.byteOffset, events.length);
    for (const [index, [entry, ready]] of found.entries()) {
      const bits = (ready & 0xff) | ((ready & Ready.rdhup) === 0 ? 0 : EPOLLRDHUP);
      writeInteger(view, index * size, fields.events, bits);
      view.setBigUint64(index * size + fields.data.offset, entry.data, true);
      this.kernel.trace.mix(entry.fd * 65_536 + bits);
    }
  }

  /** An epoll descriptor is readable while something that it watches is ready. */
  poll(): number {
    for (const entry of this.#registrations) {
      const wanted = this.#wanted(entry) | Ready.err | Ready.hup;
      if (!entry.spent && (entry.file.poll() & wanted) !== 0) return Ready.in;
    }
    return 0;
  }

  override get spuriousBits(): number {
    return Ready.in;
  }

  close(): void {
    for (const { file } of this.#registrations) file.watchers.delete(this);
    this.#registrations = [];
  }
}
