import type { Kernel } from './kernel.ts';

/**
 * The readiness bits of poll(2) and epoll(7): equal on all platforms, except that only Linux and
 * FreeBSD have the last one.
 */
export const Ready = { in: 1, out: 4, err: 8, hup: 16, rdhup: 0x2000 } as const;

/** The kevent of one direction of a file. */
export interface FilterState {
  ready: boolean;
  /** Bytes to read, or room to write, or connections to accept. */
  data: number;
  eof: boolean;
  /** The error of the socket, for fflags. */
  errno: number;
}

/** An owner of registrations of open files, to be told of a close. */
export interface FileWatcher {
  forget(file: OpenFile): void;
}

/**
 * An open file description, which dup(2) shares and epoll(7) registers. It lives as long as a
 * descriptor refers to it.
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
  /** Counters of wake-ups of readers and writers: an edge is a change of one. */
  readActivity = 0;
  writeActivity = 0;
  /** The pollers do not see it ready before this moment: a fault. */
  hiddenUntilNs = 0;
  readonly watchers = new Set<FileWatcher>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** The current bits of {@link Ready}. */
  abstract poll(): number;

  /** The state that EVFILT_READ or EVFILT_WRITE of a BSD sees. */
  filter(write: boolean, state: FilterState): void {
    const ready = this.poll();
    state.eof = (ready & (Ready.hup | Ready.err)) !== 0;
    state.errno = 0;
    state.ready = state.eof || (ready & (write ? Ready.out : Ready.in)) !== 0;
    state.data = state.ready ? 1 : 0;
  }

  /** The bits that may be reported spuriously: never that of a completed connect. */
  get spuriousBits(): number {
    return Ready.in | Ready.out;
  }

  /** True if epoll(7) and kqueue(2) accept it: not a plain file. */
  get pollable(): boolean {
    return true;
  }

  /** The result of EV_ADD of a BSD for this filter: 0 or a positive errno. */
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

  /** The memory that mmap(2) maps at an offset; null for none. */
  mapping(_offset: number): Uint8Array | null {
    return null;
  }

  /** The last descriptor was closed. */
  abstract close(): void;

  /** A short description for a report. */
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

  /** Signals an edge to the waiting calls. */
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

/** /dev/null: always at its end, and takes everything. */
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
    // It holds nothing.
  }
}
