/** The kernel of this machine as an environment, with one other thread for all tests of a file. */

import { after, before, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PollerName } from '#src/poller/poller.js';
import { pollers } from '#src/poller/pollers.js';
import type { WakerKind } from '#src/poller/wakers.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { Deed, OtherThread } from './elsewhere.ts';
import { type Environment, type PollerTarget, skipsOf } from './environment.ts';

const plainFile = { path: fileURLToPath(import.meta.url) };

/** Every poller with every waker on this kernel. To be called once, outside of any test. */
export function kernelTargets(): PollerTarget[] {
  let thread: OtherThread | undefined;
  const ignore = (): undefined => undefined;
  before(async () => {
    thread = new OtherThread();
    await thread.ready();
    process.on('SIGUSR2', ignore);
  });
  after(async () => {
    process.off('SIGUSR2', ignore);
    await thread?.end();
  });

  const open = (t: TestContext): Environment => {
    if (thread === undefined) throw new Error('the other thread has not been started');
    leakCheck(t);
    return environmentOf(thread);
  };
  return pollers.flatMap(({ name, available }) =>
    wakersOf(name).map((waker) => ({
      name: `${name}, woken by ${waker}`,
      poller: name,
      waker,
      available: available(nativeSys()),
      wakingOnly: false,
      skips: skipsOf(name, nativeSys()),
      open,
    })),
  );
}

function wakersOf(poller: PollerName): WakerKind[] {
  const { EFD_CLOEXEC } = nativeSys().abi.constants;
  const wakers: WakerKind[] = poller === 'kqueue' ? ['user', 'pipe'] : ['pipe'];
  return EFD_CLOEXEC === undefined ? wakers : ['eventfd', ...wakers];
}

function environmentOf(thread: OtherThread): Environment {
  return {
    sys: nativeSys(),
    plainFile,
    wakeLater: (delayMs, handle, count) => {
      thread.begin(Deed.wake, delayMs, handle.fd, handle, count);
    },
    wakeRepeatedly: (handle, count) => {
      thread.begin(Deed.wakeInLockstep, 0, handle.fd, handle, count);
      return { done: () => thread.done, acknowledge: () => thread.acknowledge() };
    },
    writeLater: (delayMs, fd) => thread.begin(Deed.write, delayMs, fd, null, 0),
    interruptLater: (delayMs) => {
      thread.begin(Deed.interrupt, delayMs, -1, null, 0);
      return undefined;
    },
    close: () => thread.finish(),
  };
}
