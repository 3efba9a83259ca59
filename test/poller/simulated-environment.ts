/** The simulated kernel as an environment: other threads are actions of its clock. */

import assert from 'node:assert/strict';
import { FaultPlan } from '#sim/faults.js';
import { SimSys } from '#sim/sim-sys.js';
import type { PollerName } from '#src/poller/poller.js';
import { pollers } from '#src/poller/pollers.js';
import { type WakerKind, wake } from '#src/poller/wakers.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abis } from '#src/sys/abi/index.js';
import { type Environment, type PollerTarget, type RepeatedWakes, skipsOf } from './environment.ts';

/** The first limit of descriptors: the suite raises it as on a kernel. */
const DESCRIPTORS_MAX = 8192;

/** One of each kind. */
const PLATFORMS: readonly string[] = ['linux-x64', 'darwin-arm64', 'freebsd-x64'];

/** The processor changes the size of an epoll_event, and nothing of the other pollers. */
const EPOLL_PLATFORMS: readonly string[] = [...PLATFORMS, 'linux-arm64'];

/** Every poller, and the waking of it by every waker, on every kind of platform. */
export function simulatedTargets(): (PollerTarget & { readonly abi: Abi })[] {
  const chosen = abis.filter(({ platform }) => EPOLL_PLATFORMS.includes(platform));
  return chosen.flatMap((abi) =>
    pollersOf(abi).flatMap(({ name, available }) =>
      wakersOf(name, abi).map((waker, at) => ({
        name: `${name}, woken by ${waker}, simulated ${abi.platform}`,
        poller: name,
        waker,
        abi,
        available: available(new SimSys({ seed: 1, abi })),
        wakingOnly: at > 0,
        skips: skipsOf(name, new SimSys({ seed: 1, abi })),
        open: () =>
          environmentOf(new SimSys({ seed: 1, abi, limits: { descriptorsMax: DESCRIPTORS_MAX } })),
      })),
    ),
  );
}

/** A simulated kernel in which every wait is interrupted. */
export function interruptingSys(abi: Abi): SimSys {
  return new SimSys({ seed: 1, abi, faults: new FaultPlan({ interrupt: 1 }) });
}

function pollersOf({ platform }: Abi): typeof pollers {
  return PLATFORMS.includes(platform) ? pollers : pollers.filter(({ name }) => name === 'epoll');
}

function wakersOf(poller: PollerName, abi: Abi): WakerKind[] {
  const wakers: WakerKind[] = poller === 'kqueue' ? ['user', 'pipe'] : ['pipe'];
  return abi.constants.EFD_CLOEXEC === undefined ? wakers : ['eventfd', ...wakers];
}

function environmentOf(sys: SimSys): Environment {
  const { kernel } = sys;
  return {
    sys,
    plainFile: { skip: 'the simulated kernel has no files' },
    wakeLater: (delayMs, handle, count) => {
      kernel.after(delayMs, () => {
        for (let wakes = 0; wakes < count; wakes += 1) wake(sys, handle);
      });
    },
    wakeRepeatedly: (handle, count): RepeatedWakes => {
      let done = 0;
      const next = (): void => {
        if (done === count) return;
        kernel.after(done % 3, () => {
          done += 1;
          wake(sys, handle);
        });
      };
      next();
      return { done: () => done, acknowledge: next };
    },
    writeLater: (delayMs, fd) => {
      kernel.after(delayMs, () => assert.equal(sys.write(fd, new Uint8Array(1), 0, 1), 1));
    },
    interruptLater: () => ({ skip: 'a simulated signal comes by chance: see the test of its own' }),
    close: () => assert.deepEqual(sys.openDescriptors(), [], 'the case left these open'),
  };
}
