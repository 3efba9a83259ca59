import { NO_TOKEN } from '../../base/token-slab.ts';
import { PeriodicWakeTimer } from '../../poller/periodic-wake-timer.ts';
import { Interest } from '../../poller/poller.ts';
import type { LoopPoller } from '../../poller/riding-calls.ts';
import type { Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys-error.ts';
import { WAKE_PERIOD_MS } from '../limits.ts';

/** The timer that ends long waits. Null without a descriptor or room in the poller (ENOSPC). */
export function openWakeTimer(sys: Sys, poller: LoopPoller): PeriodicWakeTimer | null {
  const timer = PeriodicWakeTimer.open(sys, WAKE_PERIOD_MS);
  if (timer === null) return null;
  try {
    poller.register(timer.fd, Interest.read, NO_TOKEN, true);
    return timer;
  } catch (error) {
    timer.close();
    if (error instanceof SysError) return null;
    throw error;
  }
}
