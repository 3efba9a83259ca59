import { EventLoop, type LoopName, nativeSys } from 'sockloop';
import { sharedClockOffsetMs } from '#src/sys/thread-clock.js';
import { CpuWatch } from './cpu-watch.ts';

/** What a thread of a run stands on: this machine, or a simulated one. */
export interface ThreadHost {
  /** The thread's own loop, which it closes. */
  readonly loop: EventLoop;
  readonly cpu: CpuWatch;
  /** What to add to a time of the loop for the clock that all threads share. */
  sharedOffsetMs(): number;
}

/** This machine, with a loop of that name. */
export function thisMachine(loop: LoopName): ThreadHost {
  return {
    loop: new EventLoop({ backend: loop, sys: nativeSys() }),
    cpu: new CpuWatch(),
    sharedOffsetMs: sharedClockOffsetMs,
  };
}
