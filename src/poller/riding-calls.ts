import type { Sys } from '../sys/sys.ts';
import type { SysError } from '../sys/sys-error.ts';
import type { Poller } from './poller.ts';
import type { Registration } from './registry.ts';

/** The waits of pollers, as a {@link Sys} has them. */
export type WaitCalls = Pick<Sys, 'epoll_wait' | 'poll' | 'select' | 'kevent'>;

/** A loop's queue of system calls, which those of its poller join. */
export interface RidingCalls extends WaitCalls {
  /**
   * Queues epoll_ctl(2); `event` holds the words of an epoll_event. A failure is heard of by the
   * loop, which calls `installAgain` of the poller.
   */
  epollControl(epfd: number, operation: number, fd: number, event: Int32Array): void;
  /** Makes the queued epoll_ctl(2) calls. */
  flushControls(): void;
}

/** A poller with its methods for a loop. */
export interface LoopPoller extends Poller {
  /** From now on the poller's calls are made together with those of a loop. */
  ride(calls: RidingCalls): void;
  /**
   * Forgets a descriptor that its owner closes next, before anything else can have its number: the
   * kernel removes it from its set then.
   */
  forget(fd: number): void;
  /**
   * Repeats a change that the loop has made and the kernel has refused. Returns the error if it
   * refuses again; the descriptor is no longer registered then.
   */
  installAgain(fd: number): SysError | null;
  /** What is registered now: where the code checks itself. */
  registrations(): Iterable<Registration>;
}
