import { rest, restIfHurried } from '../socket/wait.ts';
import type { IoUringAbi } from '../sys/abi/abi.ts';
import type { Arena } from '../sys/arena.ts';
import { waitErrnoKind } from '../sys/error-kinds.ts';
import { writeInteger } from '../sys/struct.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { Completions } from './completions.ts';
import { RING_SIZES, type RingSize, SUBMIT_ATTEMPTS_MAX } from './limits.ts';
import { RingMemory } from './memory.ts';
import { giveRegionBack, REGION, takeRegion } from './region.ts';
import { Submission } from './submission.ts';

/**
 * An io_uring(7) and the call that drives it, io_uring_enter(2).
 *
 * It belongs to the thread that created it: completions are posted only inside that thread's calls
 * (IORING_SETUP_DEFER_TASKRUN), so that the queues do not change in between.
 */
export class Ring {
  readonly sys: Sys;
  readonly abi: IoUringAbi;
  readonly fd: number;
  protected readonly memory: RingMemory;
  /** The memory shared with the kernel besides the queues. */
  readonly region: Arena;
  /** Submits the operations. */
  readonly submission: Submission;
  /** Whether a signal ended the last wait. */
  interrupted = false;
  /** The index of the registered ring, or its descriptor, and the flag that tells which. */
  #enterFd: number;
  #enterFlags: number;
  readonly #timespec: DataView;
  #timeoutMs = -1;

  /** Sets a ring up. Throws a SysError that names the failed call. */
  constructor(sys: Sys, size: RingSize = RING_SIZES[0]) {
    const abi = sys.abi.ioUring;
    if (abi === null) throw new Error('only Linux has io_uring');
    this.sys = sys;
    this.abi = abi;
    const params = new Uint8Array(abi.structs.io_uring_params.size);
    this.fd = setUp(sys, abi, size, params);
    try {
      this.memory = new RingMemory(sys, this.fd, new DataView(params.buffer));
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
    try {
      this.region = takeRegion(sys);
    } catch (error) {
      sys.close(this.fd);
      this.memory.unmap();
      throw error;
    }
    this.#timespec = this.#prepareWait();
    this.#enterFd = this.fd;
    this.#enterFlags = abi.constants.IORING_ENTER_GETEVENTS;
    this.#registerItself();
    this.submission = new Submission(this, this.memory);
  }

  /** A new cursor over the completion queue. */
  completions(): Completions {
    const { IORING_CQE_F_MORE, IORING_CQE_BUFFER_SHIFT } = this.abi.constants;
    return new Completions(this.memory, IORING_CQE_F_MORE, IORING_CQE_BUFFER_SHIFT);
  }

  /** How many submissions the kernel has not taken yet. */
  get pending(): number {
    return this.memory.pending;
  }

  /** True if the kernel holds completions back because the queue was full. */
  get overflowed(): boolean {
    return this.memory.overflowed;
  }

  /** Writes the argument of a wait with a timeout, of which only the time changes later. */
  #prepareWait(): DataView {
    const { io_uring_getevents_arg, __kernel_timespec } = this.abi.structs;
    const { bytes, address } = this.region;
    const timespecAt = REGION.wait + io_uring_getevents_arg.size;
    const wait = new DataView(bytes.buffer, REGION.wait, io_uring_getevents_arg.size);
    writeInteger(wait, 0, io_uring_getevents_arg.fields.ts, address + timespecAt);
    return new DataView(bytes.buffer, timespecAt, __kernel_timespec.size);
  }

  /** Registers the ring with itself, which spares each call the look-up of the descriptor. */
  #registerItself(): void {
    const { IORING_REGISTER_RING_FDS, IORING_ENTER_REGISTERED_RING } = this.abi.constants;
    const update = this.#updateOf(0xffff_ffff, this.fd);
    const done = this.sys.io_uring_register(this.fd, IORING_REGISTER_RING_FDS, update.address, 1);
    // A task may register 16 rings; further ones use their descriptor.
    if (done !== 1) return;
    this.#enterFd = update.view.getUint32(0, true);
    this.#enterFlags |= IORING_ENTER_REGISTERED_RING;
  }

  /** Writes an io_uring_rsrc_update after the argument of the waits. */
  #updateOf(offset: number, data: number): { readonly view: DataView; readonly address: number } {
    const { io_uring_rsrc_update, io_uring_getevents_arg, __kernel_timespec } = this.abi.structs;
    const at = REGION.wait + io_uring_getevents_arg.size + __kernel_timespec.size;
    const view = new DataView(this.region.bytes.buffer, at, io_uring_rsrc_update.size);
    writeInteger(view, 0, io_uring_rsrc_update.fields.offset, offset);
    writeInteger(view, 0, io_uring_rsrc_update.fields.data, data);
    return { view, address: this.region.address + at };
  }

  /** Submits the queued entries without running completions. False if some are left. */
  submit(): boolean {
    for (let attempt = 0; attempt < SUBMIT_ATTEMPTS_MAX; attempt++) {
      const count = this.memory.publish();
      if (count === 0) return true;
      const { IORING_ENTER_GETEVENTS } = this.abi.constants;
      const flags = this.#enterFlags & ~IORING_ENTER_GETEVENTS;
      const result = this.sys.io_uring_enter(this.#enterFd, count, 0, flags, 0, 0);
      this.memory.called(count, result);
      // Notices a full queue now, while the kernel's overflow flag can be set.
      this.memory.acquire();
      if (result < 0 && waitErrnoKind(this.sys.abi, -result) === 'final')
        throw this.#failed(result);
    }
    return this.memory.pending === 0;
  }

  /**
   * Submits the queued entries, runs completions, and waits for one, at most `timeoutMs` (0 does
   * not wait, null waits for ever). Entries may be left: see {@link pending}.
   */
  enter(timeoutMs: number | null): void {
    const count = this.memory.publish();
    const wait = timeoutMs === 0 ? 0 : 1;
    let result: number;
    if (wait === 0 || timeoutMs === null) {
      const fd = this.#enterFd;
      result = this.sys.io_uring_enter(fd, count, wait, this.#enterFlags, 0, 0);
    } else {
      result = this.#enterFor(count, timeoutMs);
    }
    this.memory.called(count, result);
    this.memory.acquire();
    this.interrupted = false;
    if (result >= 0) return;
    const { abi } = this.sys;
    const kind = waitErrnoKind(abi, -result);
    if (kind === 'final') throw this.#failed(result);
    this.interrupted = result === -abi.errno.EINTR;
    // EBUSY: the turn fetches what the kernel holds back. A lack of memory takes time to pass.
    const isBusy = result === -(abi.errno['EBUSY'] ?? 0);
    if (kind === 'shortage' && !isBusy) rest(this.sys);
    else if (isBusy || this.interrupted) restIfHurried(this.sys);
  }

  #enterFor(count: number, timeoutMs: number): number {
    if (timeoutMs !== this.#timeoutMs) this.#writeTimeout(timeoutMs);
    const flags = this.#enterFlags | this.abi.constants.IORING_ENTER_EXT_ARG;
    const { size } = this.abi.structs.io_uring_getevents_arg;
    const wait = this.region.address + REGION.wait;
    return this.sys.io_uring_enter(this.#enterFd, count, 1, flags, wait, size);
  }

  #writeTimeout(timeoutMs: number): void {
    this.#writeTimespec(this.#timespec, timeoutMs);
    this.#timeoutMs = timeoutMs;
  }

  #writeTimespec(timespec: DataView, timeMs: number): void {
    const { tv_sec, tv_nsec } = this.abi.structs.__kernel_timespec.fields;
    // Rounded up: after a wait that ends early no timer is due yet.
    const totalNs = Math.ceil(Math.min(timeMs, TIMEOUT_MS_MAX) * 1e6);
    writeInteger(timespec, 0, tv_sec, Math.floor(totalNs / 1e9));
    writeInteger(timespec, 0, tv_nsec, totalNs % 1e9);
  }

  /**
   * Writes a timespec of `periodMs`. Returns its offset in the region, valid until the next call.
   */
  periodAt(periodMs: number): number {
    const { size } = this.abi.structs.__kernel_timespec;
    this.#writeTimespec(new DataView(this.region.bytes.buffer, REGION.period, size), periodMs);
    return REGION.period;
  }

  #failed(result: number): Error {
    return sysError(this.sys, result, 'io_uring_enter', 'wait with io_uring');
  }

  /** Closes the ring. Every operation must have ended. */
  close(): void {
    const { IORING_UNREGISTER_RING_FDS, IORING_ENTER_REGISTERED_RING } = this.abi.constants;
    if ((this.#enterFlags & IORING_ENTER_REGISTERED_RING) !== 0) {
      // A ring that stays registered lives as long as the thread.
      const update = this.#updateOf(this.#enterFd, 0);
      this.sys.io_uring_register(this.fd, IORING_UNREGISTER_RING_FDS, update.address, 1);
    }
    this.sys.close(this.fd);
    this.memory.unmap();
    giveRegionBack(this.sys, this.region);
  }
}

/** A timespec holds more, but a number holds this many nanoseconds exactly. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Calls io_uring_setup(2) with the flags of Linux 6.6, else with those of 6.1, the oldest kernel
 * that has every feature used here.
 */
function setUp(sys: Sys, abi: IoUringAbi, size: RingSize, params: Uint8Array): number {
  const known = abi.constants;
  const needed =
    known.IORING_SETUP_CQSIZE |
    known.IORING_SETUP_CLAMP |
    known.IORING_SETUP_SUBMIT_ALL |
    known.IORING_SETUP_SINGLE_ISSUER |
    known.IORING_SETUP_DEFER_TASKRUN;
  const { EINVAL } = sys.abi.errno;
  let result = -EINVAL;
  for (const flags of [needed | known.IORING_SETUP_NO_SQARRAY, needed]) {
    const view = new DataView(params.fill(0).buffer);
    const { fields } = abi.structs.io_uring_params;
    writeInteger(view, 0, fields.flags, flags);
    writeInteger(view, 0, fields.cq_entries, size.completions);
    result = sys.io_uring_setup(size.submissions, params);
    if (result !== -EINVAL) break;
  }
  if (result >= 0) return result;
  const reason = result === -EINVAL ? 'it needs Linux 6.1 or newer' : undefined;
  throw sysError(sys, result, 'io_uring_setup', 'set up an io_uring', undefined, reason);
}
