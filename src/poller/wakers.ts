import type { Abi } from '../sys/abi/abi.ts';
import { openPipe } from '../sys/descriptors.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import type { WakeHandle } from './poller.ts';

/** How a poller is woken: by an eventfd(2), a pipe, or a user event of kqueue(2). */
export type WakerKind = WakeHandle['kind'];

/** The ident of the event of a `user` waker. Any will do: no other event has that filter. */
export const USER_IDENT = 0;

/** The number to add to an eventfd(2); a pipe gets its first byte. */
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

/** Large enough to empty a pipe in one read; eventfd(2) needs 8 bytes. */
const drained = new Uint8Array(4096);

/** The kevent that triggers a `user` waker, cached by ABI. */
const triggers = new WeakMap<Abi, Uint8Array>();

/**
 * Ends the current wait of a poller or loop, or its next one, from any thread.
 *
 * Do not call it after the poller is closed: the number may then belong to another file.
 *
 * @param sys the system calls of the calling thread.
 * @param handle the handle, which `postMessage` and `workerData` can carry.
 * @throws SysError if the write fails, other than because the poller is awake or closed.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createPoller, wake } from 'sockloop/poller';
 * import { nativeSys } from 'sockloop/sys';
 *
 * const poller = createPoller('poll');
 * wake(nativeSys(), poller.wakeHandle);
 * assert.equal(poller.wait(null, { ready: () => {} }), 0);
 * poller.close();
 * ```
 */
export function wake(sys: Sys, handle: WakeHandle): void {
  const { abi } = sys;
  let result: number;
  do {
    if (handle.kind === 'user') {
      result = sys.kevent(handle.fd, triggerOf(abi), 1, null, 0, null);
    } else {
      result = sys.write(handle.fd, ONE, 0, handle.kind === 'eventfd' ? ONE.length : 1);
    }
  } while (result === -abi.errno.EINTR);
  if (result >= 0) return;
  // Full: the poller is awake.
  if (result === -abi.errno.EAGAIN) return;
  // Closed: nobody waits. libkqueue returns ENOENT where the BSDs return EBADF.
  if (result === -abi.errno.EBADF) return;
  if (handle.kind === 'user' && result === -abi.errno.ENOENT) return;
  throw sysError(sys, result, handle.kind === 'user' ? 'kevent' : 'write', 'wake a poller');
}

function triggerOf(abi: Abi): Uint8Array {
  let trigger = triggers.get(abi);
  if (trigger === undefined) {
    const { size, fields } = abi.structs.kevent;
    const { EVFILT_USER, NOTE_TRIGGER } = abi.constants;
    trigger = new Uint8Array(size);
    const view = new DataView(trigger.buffer);
    view.setUint32(fields.ident.offset, USER_IDENT, true);
    view.setInt16(fields.filter.offset, EVFILT_USER, true);
    view.setUint32(fields.fflags.offset, NOTE_TRIGGER, true);
    // A trigger replaces the udata, which is 0 for this waker.
    triggers.set(abi, trigger);
  }
  return trigger;
}

/** A waker that is a descriptor, readable after a wake. */
export class DescriptorWaker {
  readonly handle: WakeHandle;
  /** The end to watch for reading. */
  readonly fd: number;
  readonly #sys: Sys;

  constructor(sys: Sys, handle: WakeHandle, fd: number) {
    this.#sys = sys;
    this.handle = handle;
    this.fd = fd;
  }

  /** The descriptors that it has opened. */
  get fds(): readonly number[] {
    return this.handle.fd === this.fd ? [this.fd] : [this.fd, this.handle.fd];
  }

  /** Consumes all wakes so far. */
  drain(): void {
    const { EINTR } = this.#sys.abi.errno;
    for (;;) {
      const length = this.#sys.read(this.fd, drained, 0, drained.length);
      // A short read has taken all there was; what comes after it makes the next wait end.
      if (length !== drained.length && length !== -EINTR) return;
    }
  }

  close(): void {
    this.#sys.close(this.fd);
    if (this.handle.fd !== this.fd) this.#sys.close(this.handle.fd);
  }
}

/**
 * A waker for a poller that watches descriptors: by eventfd(2), where there is one and nothing else
 * was asked for, or by a pipe. Throws a SysError (`EMFILE`), a RangeError for the kind `user`.
 */
export function openWaker(sys: Sys, kind: WakerKind | undefined): DescriptorWaker {
  if (kind === 'user') throw new RangeError('only kqueue can be woken by a user event');
  if (kind !== 'pipe') {
    const { EFD_CLOEXEC, EFD_NONBLOCK } = sys.abi.constants;
    const known = EFD_CLOEXEC !== undefined && EFD_NONBLOCK !== undefined;
    const fd = known ? sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -sys.abi.errno.ENOSYS;
    if (fd >= 0) return new DescriptorWaker(sys, { kind: 'eventfd', fd }, fd);
    const mayBeOther = kind === undefined && fd === -sys.abi.errno.ENOSYS;
    if (!mayBeOther) throw sysError(sys, fd, 'eventfd', 'open an eventfd');
  }
  const pair = new Int32Array(2);
  const result = openPipe(sys, pair, true);
  if (result < 0) throw sysError(sys, result, 'pipe', 'open a pipe');
  const [readEnd = -1, writeEnd = -1] = pair;
  return new DescriptorWaker(sys, { kind: 'pipe', fd: writeEnd }, readEnd);
}
