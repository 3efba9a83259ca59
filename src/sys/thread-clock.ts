import { readFileSync } from 'node:fs';

// The clocks of one thread: performance.now() has an origin of its own in each.

/** How often the clocks are compared; the shortest comparison counts. */
const LOOKS = 8;

/**
 * What to add to `Sys.monotonicMs()` of this thread for a time that all threads of the process
 * share. Usually off by less than a microsecond.
 */
export function sharedClockOffsetMs(): number {
  let offsetMs = 0;
  let bestMs = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS; look += 1) {
    const beforeMs = performance.now();
    const sharedMs = Number(process.hrtime.bigint()) / 1e6;
    const tookMs = performance.now() - beforeMs;
    if (tookMs >= bestMs) continue;
    bestMs = tookMs;
    offsetMs = sharedMs - (beforeMs + tookMs / 2);
  }
  return offsetMs;
}

/** clock_gettime(2) of CLOCK_MONOTONIC, in whole microseconds: the same in every process. */
export function monotonicUsec(): bigint {
  return process.hrtime.bigint() / 1000n;
}

/** The time that a thread ran, and the time that it was runnable without a CPU. */
interface ThreadTimes {
  readonly cpuMs: number;
  readonly waitedMs: number;
}

/**
 * The times of the calling thread so far: Linux only, null elsewhere. A thread stopped by a signal
 * is not runnable.
 */
export function threadTimes(): ThreadTimes | null {
  try {
    const [ranNs = '', waitedNs = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(
      ' ',
    );
    return { cpuMs: Number(ranNs) / 1e6, waitedMs: Number(waitedNs) / 1e6 };
  } catch {
    // Another system, or a kernel without CONFIG_SCHED_INFO.
    return null;
  }
}
