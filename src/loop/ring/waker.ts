import type { WakeHandle } from '../../poller/poller.ts';
import { type DescriptorWaker, openWaker, wake } from '../../poller/wakers.ts';
import type { Submission } from '../../ring/submission.ts';
import type { Sys } from '../../sys/sys.ts';
import { Operation } from './handle.ts';

/** Lets other threads wake a ring: a descriptor, and a poll of it that is resubmitted. */
export class RingWaker {
  readonly #sys: Sys;
  readonly #submission: Submission;
  readonly #waker: DescriptorWaker;
  #polled = false;

  /** Throws a SysError (`EMFILE`). */
  constructor(sys: Sys, submission: Submission) {
    this.#sys = sys;
    this.#submission = submission;
    this.#waker = openWaker(sys, undefined);
  }

  get handle(): WakeHandle {
    return this.#waker.handle;
  }

  get fds(): readonly number[] {
    return this.#waker.fds;
  }

  /** Submits the poll, before a wait. */
  prepare(): void {
    if (this.#polled) return;
    const { POLLIN } = this.#sys.abi.constants;
    this.#polled = this.#submission.poll(this.#waker.fd, POLLIN, 0, Operation.wake);
  }

  /** The poll has completed: the ring was woken. */
  completed(): void {
    this.#polled = false;
    this.#waker.drain();
  }

  wake(): void {
    wake(this.#sys, this.#waker.handle);
  }

  close(): void {
    this.#waker.close();
  }
}
