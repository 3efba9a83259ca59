/** A loop on io_uring with the kernel of this machine under it, and what the tests of it share. */

import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { EventLoop } from '#src/net/event-loop.js';
import { ringAvailable } from '#src/ring/probe.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import type { Environment } from '#test/conformance/environment.js';
import { openFds } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const available = ringAvailable(nativeSys());

/** Why this machine has no such loop, in the words of its kernel, or false. */
export const withoutRing: string | false = available === true ? false : available.reason;

const TURN_MS = 5;
const TURNS_MAX = 2000;

/** An environment over a backend of the caller's. */
export function environmentOf(backend: Backend, sys: Sys): Environment {
  const loop = new EventLoop({ backend, sys });
  const before = openFds();
  return {
    loop,
    backend,
    turnsMax: TURNS_MAX,
    turn: () => loop.turn(TURN_MS),
    nowMs: () => loop.sys.monotonicMs(),
    openDescriptors: () => [...openFds().keys()].filter((fd) => !before.has(fd)).length,
    close: () => loop.close(),
  };
}

/** An environment on the ring, over the calls of `sys`. */
export function ringEnvironment(sys: Sys = nativeSys()): Environment {
  return environmentOf(new RingBackend(sys), sys);
}

/**
 * The calls of `sys`, but for an io_uring_enter(2) that now and then does nothing but fail, or
 * takes only some of what is submitted. `refusals` counts what happened.
 */
export function unwilling(sys: Sys, seed: number, refusals: Map<string, number>): Sys {
  const random = new Random(seed);
  const { EINTR, EAGAIN, EBUSY = 16 } = sys.abi.errno;
  const count = (kind: string): void => {
    refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
  };
  return standIn(sys, {
    io_uring_enter: (fd, toSubmit, minComplete, flags, arg, argBytes) => {
      const chance = random.below(40);
      const refusal = (
        [
          ['EINTR', EINTR],
          ['EAGAIN', EAGAIN],
          ['EBUSY', EBUSY],
        ] as const
      )[chance];
      if (refusal !== undefined) {
        count(refusal[0]);
        return -refusal[1];
      }
      if (chance > 8 || toSubmit < 2) {
        return sys.io_uring_enter(fd, toSubmit, minComplete, flags, arg, argBytes);
      }
      count('part');
      // The kernel does not wait either where it has taken less than it was offered.
      return sys.io_uring_enter(fd, 1 + random.below(toSubmit - 1), 0, flags, arg, argBytes);
    },
  });
}

/**
 * The calls of `sys`, but for a kernel before Linux 6.17, which refuses a receive with a limit: the
 * first submission of each ring, which tries it, gets the EINVAL of another field.
 */
export function limitless(sys: Sys, tried: { times: number }): Sys {
  const { IORING_OFF_SQES = -1 } = sys.abi.ioUring?.constants ?? {};
  let entries: Uint32Array | null = null;
  return standIn(sys, {
    mmap: (length, protection, flags, fd, offset) => {
      const address = sys.mmap(length, protection, flags, fd, offset);
      if (fd < 0 || offset !== IORING_OFF_SQES || address < 0) return address;
      entries = new Uint32Array(sys.view(address, length).buffer);
      return address;
    },
    io_uring_enter: (...call) => {
      // The word of `addr2` in the first entry, and the limit, which an older kernel does not know.
      if (entries?.[11] !== undefined && entries[11] > 0 && call[1] === 1) {
        tried.times += 1;
        entries[2] = 1;
      }
      const result = sys.io_uring_enter(...call);
      if (entries !== null) entries[2] = 0;
      entries = null;
      return result;
    },
  });
}
