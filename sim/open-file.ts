import type { Kernel } from './kernel.ts';

/**
 * What a descriptor is ready for, in the numbers of poll(2) and epoll(7), which are the same on
 * all platforms but for the last, which only Linux and FreeBSD have.
 */
export const Ready = { in: 1, out: 4, err: 8, hup: 16, rdhup: 0x2000 } as const;

/** What a kevent says of one direction of a file. */
export interface FilterState {
  ready: boolean;
  /** Bytes to read, or room to write, or connections to accept. */
  data: number;
  eof: boolean;
  /** The error of the socket, for fflags. */
  errno: number;
}

/** Something that has registered open files and must know when one is gone. */
export interface FileWatcher {
  forget(file: OpenFile): void;
}

/**
 * An open file description: what dup(2) shares, and what epoll(7) registers. It lives as long as
 * a descriptor refers to it.
 */
export abstract class OpenFile {
  abstract readonly kind: string;
  protected readonly kernel: Kernel;
  nonblocking = false;
  /** O_RDONLY, O_WRONLY or O_RDWR, which are 0, 1 and 2 everywhere. */
  readonly accessMode: 0 | 1 | 2 = 2;
  references = 0;
  /** No descriptor refers to it any more. */
  released = false;
  /** Counts what wakes up readers and writers: an edge is a change of these. */
  readActivity = 0;
  writeActivity = 0;
  /** Until then the pollers do not see it ready: a fault. */
  hiddenUntilNs = 0;
  readonly watchers = new Set<FileWatcher>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** The bits of {@link Ready} that hold now. */
  abstract poll(): number;

  /** What EVFILT_READ or EVFILT_WRITE of a BSD sees. */
  filter(write: boolean, state: FilterState): void {
    const ready = this.poll();
    state.eof = (ready & (Ready.hup | Ready.err)) !== 0;
    state.errno = 0;
    state.ready = state.eof || (ready & (write ? Ready.out : Ready.in)) !== 0;
    state.data = state.ready ? 1 : 0;
  }

  /** What may be reported though it is not so: never that a connection was made. */
  get spuriousBits(): number {
    return Ready.in | Ready.out;
  }

  /** Whether epoll(7) and kqueue(2) take it: not a plain file. */
  get pollable(): boolean {
    return true;
  }

  /** What EV_ADD of a BSD says of this filter: 0 where it takes it, else a positive errno. */
  filterRefusal(_write: boolean): number {
    return 0;
  }

  /** At most `length` bytes into `into`, as read(2) of a non-blocking file: `-errno` or a count. */
  read(_into: Uint8Array, _offset: number, _length: number): number {
    return -this.kernel.errno.EINVAL;
  }

  /** As write(2) of a non-blocking file. */
  write(_from: Uint8Array, _offset: number, _length: number): number {
    return -this.kernel.errno.EINVAL;
  }

  /** The last descriptor was closed. */
  abstract close(): void;

  /** A few words for a report. */
  describe(): string {
    const ready = this.poll();
    const names = Object.entries(Ready).filter(([, bit]) => (ready & bit) !== 0);
    const words = names.map(([name]) => name.toUpperCase()).join('|');
    return `${this.kind} ready for ${words === '' ? 'nothing' : words}`;
  }

  protected touchRead(): void {
    this.readActivity += 1;
  }

  protected touchWrite(): void {
    this.writeActivity += 1;
  }

  /** Tells whoever waits for an edge to look again. */
  nudge(): void {
    this.touchRead();
    this.touchWrite();
  }

  /** A reference is gone; the last one closes the file. */
  release(): void {
    this.references -= 1;
    if (this.references > 0) return;
    this.released = true;
    for (const watcher of this.watchers) watcher.forget(this);
    this.watchers.clear();
    this.close();
  }
}

/** What is always at the end and takes everything: /dev/null. */
export class NullFile extends OpenFile {
  readonly kind = '/dev/null';

  poll(): number {
    return Ready.in | Ready.out;
  }

  override get pollable(): boolean {
    return false;
  }

  override read(): number {
    return 0;
  }

  override write(_from: Uint8Array, _offset: number, length: number): number {
    return length;
  }

  close(): void {
    // Nothing to let go of.
  }
}
