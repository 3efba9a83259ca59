import { waitErrnoKind } from '../sys/error-kinds.ts';
import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { EpollPoller } from './epoll.ts';
import { KqueuePoller } from './kqueue.ts';
import { PollPoller } from './poll.ts';
import type { Poller, PollerName } from './poller.ts';
import type { LoopPoller } from './riding-calls.ts';
import { SelectPoller } from './select.ts';
import type { WakerKind } from './wakers.ts';

/** Options of {@link createPoller}. */
export interface PollerOptions {
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
  /** How other threads wake it; the cheapest available way if left out. */
  readonly waker?: WakerKind;
}

/** One way of waiting: whether this machine has it, and how to open it. */
export interface PollerEntry {
  readonly name: PollerName;
  /**
   * Tries the system calls.
   *
   * @param sys the system calls to use.
   * @returns true, or why they fail here.
   */
  available(sys: Sys): true | { readonly reason: string };
  /**
   * Opens a poller. The caller closes it.
   *
   * @param sys the system calls to use.
   * @param waker how other threads wake it; the cheapest available way if left out.
   * @returns the poller.
   * @throws SysError `EMFILE`, `ENOMEM`.
   * @throws RangeError for a waker that this poller cannot have.
   */
  create(sys: Sys, waker?: WakerKind): Poller;
}

/** The same with the poller's methods for a loop. */
export interface LoopPollerEntry extends PollerEntry {
  create(sys: Sys, waker?: WakerKind): LoopPoller;
}

const epoll: LoopPollerEntry = {
  name: 'epoll',
  available(sys) {
    const { EPOLL_CLOEXEC } = sys.abi.constants;
    const enosys = -sys.abi.errno.ENOSYS;
    const fd = EPOLL_CLOEXEC === undefined ? enosys : sys.epoll_create1(EPOLL_CLOEXEC);
    if (fd >= 0) sys.close(fd);
    if (fd === enosys) return { reason: 'only Linux has epoll: use kqueue' };
    return fd >= 0 || failed(sysError(sys, fd, 'epoll_create1', 'open an epoll'));
  },
  create: (sys, waker) => new EpollPoller(sys, waker),
};

const kqueue: LoopPollerEntry = {
  name: 'kqueue',
  available(sys) {
    const fd = sys.kqueue();
    if (fd >= 0) sys.close(fd);
    if (fd === -sys.abi.errno.ENOSYS && sys.abi.platform.startsWith('linux-')) {
      const remedy = 'install libkqueue, or name the file in SOCKLOOP_LIBKQUEUE';
      return { reason: `libkqueue.so.0 could not be loaded: ${remedy}` };
    }
    return fd >= 0 || failed(sysError(sys, fd, 'kqueue', 'open a kqueue'));
  },
  create: (sys, waker) => new KqueuePoller(sys, waker),
};

const poll: LoopPollerEntry = {
  name: 'poll',
  available(sys) {
    const result = sys.poll(new Uint8Array(0), 0, 0);
    return waits(sys, result) || failed(sysError(sys, result, 'poll', 'wait with poll'));
  },
  create: (sys, waker) => new PollPoller(sys, waker),
};

const select: LoopPollerEntry = {
  name: 'select',
  available(sys) {
    const timeval = new Uint8Array(sys.abi.structs.timeval.size);
    const result = sys.select(0, null, null, timeval);
    return waits(sys, result) || failed(sysError(sys, result, 'select', 'wait with select'));
  },
  create: (sys, waker) => new SelectPoller(sys, waker),
};

/** Whether the result of a wait shows that the call exists. */
function waits(sys: Sys, result: number): boolean {
  return result >= 0 || waitErrnoKind(sys.abi, -result) !== 'final';
}

function failed(error: SysError): { readonly reason: string } {
  return { reason: error.message };
}

/**
 * Every poller, best first, available or not.
 *
 * @example
 * ```ts
 * import { pollers } from 'sockloop/poller';
 * import { nativeSys } from 'sockloop/sys';
 *
 * for (const poller of pollers) {
 *   const available = poller.available(nativeSys());
 *   console.log(poller.name, available === true ? 'yes' : available.reason);
 * }
 * ```
 */
export const pollers: readonly PollerEntry[] = [epoll, kqueue, poll, select];

/** The same pollers, for the loops. */
export const loopPollers: readonly LoopPollerEntry[] = [epoll, kqueue, poll, select];

/**
 * Opens a poller by its name. The caller closes it.
 *
 * @param name the name.
 * @param options the system calls and the waker to use.
 * @returns the poller.
 * @throws RangeError for an unknown name, or a waker that this poller cannot have.
 * @throws Error with the reason if this machine does not have it.
 * @throws SysError `EMFILE`, `ENOMEM`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createPoller, Interest } from 'sockloop/poller';
 * import { Socket } from 'sockloop/socket';
 *
 * const [left, right] = Socket.pair();
 * const poller = createPoller('select');
 * poller.register(left.fileno(), Interest.read, 7);
 * right.sendAll(new Uint8Array(1));
 *
 * const tokens: number[] = [];
 * const count = poller.wait(1000, { ready: (token) => tokens.push(token) });
 * assert.equal(count, 1);
 * assert.deepEqual(tokens, [7]);
 *
 * poller.close();
 * left.close();
 * right.close();
 * ```
 */
export function createPoller(name: PollerName, options: PollerOptions = {}): Poller {
  const entry = pollers.find((poller) => poller.name === name);
  if (entry === undefined) {
    const names = pollers.map((poller) => poller.name).join(', ');
    throw new RangeError(`there is no poller called "${name}", only ${names}`);
  }
  const sys = options.sys ?? nativeSys();
  const available = entry.available(sys);
  if (available !== true) throw new Error(`cannot wait with ${name}: ${available.reason}`);
  return entry.create(sys, options.waker);
}
