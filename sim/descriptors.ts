import type { Kernel } from './kernel.ts';
import type { OpenFile } from './open-file.ts';

interface Slot {
  readonly file: OpenFile;
  closeOnExec: boolean;
}

/** A listener for closed descriptor numbers, such as a kqueue of a BSD. */
export interface CloseListener {
  descriptorClosed(fd: number): void;
}

/** The descriptors of the process: small numbers, the lowest free one first. */
export class Descriptors {
  /** RLIMIT_NOFILE: numbers from here on are refused. */
  limit: number;
  readonly closeListeners = new Set<CloseListener>();
  readonly #kernel: Kernel;
  readonly #slots: (Slot | undefined)[] = [];
  #lowestFree = 0;

  constructor(kernel: Kernel, limit: number) {
    this.#kernel = kernel;
    this.limit = limit;
  }

  /** True if no number is left. */
  get full(): boolean {
    return this.#lowestFree >= this.limit;
  }

  /** Gives `file` a descriptor, or returns -EMFILE. */
  open(file: OpenFile, closeOnExec: boolean): number {
    const fd = this.#lowestFree;
    if (fd >= this.limit) return -this.#kernel.errno.EMFILE;
    this.#slots[fd] = { file, closeOnExec };
    file.references += 1;
    let next = fd + 1;
    while (this.#slots[next] !== undefined) next += 1;
    this.#lowestFree = next;
    return fd;
  }

  get(fd: number): OpenFile | undefined {
    return this.#slots[fd]?.file;
  }

  /** FD_CLOEXEC of a descriptor that is open. */
  closeOnExec(fd: number): boolean {
    return this.#slots[fd]?.closeOnExec ?? false;
  }

  setCloseOnExec(fd: number, closeOnExec: boolean): void {
    const slot = this.#slots[fd];
    if (slot !== undefined) slot.closeOnExec = closeOnExec;
  }

  close(fd: number): number {
    const slot = this.#slots[fd];
    if (slot === undefined) return -this.#kernel.errno.EBADF;
    this.#slots[fd] = undefined;
    if (fd < this.#lowestFree) this.#lowestFree = fd;
    for (const listener of this.closeListeners) listener.descriptorClosed(fd);
    slot.file.release();
    return 0;
  }

  /** The open numbers and their files. */
  *entries(): Iterable<readonly [fd: number, file: OpenFile]> {
    for (const [fd, slot] of this.#slots.entries()) {
      if (slot !== undefined) yield [fd, slot.file];
    }
  }
}
