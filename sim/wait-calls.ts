import { readSigned, writeInteger } from '#src/sys/struct.js';
import { NS_PER_MS, NS_PER_US } from './clock.ts';
import { EpollFile } from './epoll.ts';
import type { FileCalls } from './file-calls.ts';
import type { Kernel } from './kernel.ts';
import { KeventList, KqueueFile } from './kevents.ts';
import { BsdKqueue } from './kqueue.ts';
import { LibKqueue } from './libkqueue.ts';
import { pollDescriptors, selectDescriptors } from './readiness.ts';

const NS_PER_S = 1000 * NS_PER_MS;

interface Field {
  readonly offset: number;
  readonly size: number;
}

/** The calls that wait for descriptors: poll(2), select(2), epoll(7), kqueue(2). */
export class WaitCalls {
  readonly #kernel: Kernel;
  readonly #files: FileCalls;

  constructor(kernel: Kernel, files: FileCalls) {
    this.#kernel = kernel;
    this.#files = files;
  }

  poll(fds: Uint8Array, count: number, timeoutMs: number): number {
    return pollDescriptors(this.#kernel, fds, count, nanoseconds(timeoutMs));
  }

  select(
    nfds: number,
    readfds: Uint8Array | null,
    writefds: Uint8Array | null,
    timeout: Uint8Array | null,
  ): number {
    const { clock, abi, errno, isLinux } = this.#kernel;
    const { tv_sec, tv_usec } = abi.structs.timeval.fields;
    const timeoutNs = duration(timeout, tv_sec, tv_usec, NS_PER_US);
    if (timeoutNs < 0) return -errno.EINVAL;
    const startNs = clock.nowNs;
    const result = selectDescriptors(this.#kernel, nfds, readfds, writefds, timeoutNs);
    if (timeout !== null && isLinux) {
      const leftNs = Math.max(0, timeoutNs - (clock.nowNs - startNs));
      const view = new DataView(timeout.buffer, timeout.byteOffset);
      writeInteger(view, 0, tv_sec, Math.floor(leftNs / NS_PER_S));
      writeInteger(view, 0, tv_usec, Math.floor((leftNs % NS_PER_S) / NS_PER_US));
    }
    return result;
  }

  epoll_create1(flags: number): number {
    const { EPOLL_CLOEXEC } = this.#kernel.abi.constants;
    if (EPOLL_CLOEXEC === undefined) return -this.#kernel.errno.ENOSYS;
    const closeOnExec = (flags & EPOLL_CLOEXEC) !== 0;
    return this.#files.install(new EpollFile(this.#kernel), false, closeOnExec);
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: Uint8Array): number {
    const epoll = this.#epoll(epfd);
    return typeof epoll === 'number' ? epoll : epoll.control(operation, fd, event);
  }

  epoll_wait(epfd: number, events: Uint8Array, maxevents: number, timeoutMs: number): number {
    const epoll = this.#epoll(epfd);
    if (typeof epoll === 'number') return epoll;
    return epoll.wait(events, maxevents, nanoseconds(timeoutMs));
  }

  #epoll(epfd: number): EpollFile | number {
    const { EBADF, EINVAL, ENOSYS } = this.#kernel.errno;
    if (this.#kernel.abi.constants.EPOLL_CLOEXEC === undefined) return -ENOSYS;
    const file = this.#kernel.descriptors.get(epfd);
    if (file === undefined) return -EBADF;
    return file instanceof EpollFile ? file : -EINVAL;
  }

  kqueue(): number {
    const { isLinux } = this.#kernel;
    const file = isLinux ? new LibKqueue(this.#kernel) : new BsdKqueue(this.#kernel);
    const result = this.#files.install(file, false, isLinux);
    // A kqueue without a descriptor must not be told of closes.
    if (result < 0) file.close();
    return result;
  }

  kevent(
    kq: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array | null,
    eventCount: number,
    timeout: Uint8Array | null,
  ): number {
    const { abi, errno, isLinux, descriptors } = this.#kernel;
    const { tv_sec, tv_nsec } = abi.structs.timespec.fields;
    const timeoutNs = duration(timeout, tv_sec, tv_nsec, 1);
    if (timeoutNs < 0) return -errno.EINVAL;
    const file = descriptors.get(kq);
    // libkqueue does not find such a descriptor in its table.
    if (!(file instanceof KqueueFile)) return isLinux ? -errno.ENOENT : -errno.EBADF;
    const changeList = new KeventList(abi, changes, changeCount);
    return file.kevent(changeList, new KeventList(abi, events, eventCount), timeoutNs);
  }
}

/** A timeout in milliseconds, negative for none. */
function nanoseconds(timeoutMs: number): number {
  return timeoutMs < 0 ? Number.POSITIVE_INFINITY : timeoutMs * NS_PER_MS;
}

/** A timeval or timespec in nanoseconds; Infinity for null, negative where it is not valid. */
function duration(
  bytes: Uint8Array | null,
  seconds: Field,
  fraction: Field,
  fractionNs: number,
): number {
  if (bytes === null) return Number.POSITIVE_INFINITY;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = readSigned(view, 0, seconds) * NS_PER_S;
  const rest = readSigned(view, 0, fraction) * fractionNs;
  return rest < 0 || rest >= NS_PER_S ? -1 : whole + rest;
}
