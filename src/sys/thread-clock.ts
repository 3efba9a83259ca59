import { readFileSync } from 'node:fs';

// What one thread knows of itself, where Node's own words differ from thread to thread.

/** What it costs to be wrong about the clocks: the best of so many looks is taken. */
const LOOKS = 8;

/**
 * What to add to `Sys.monotonicMs()` of this thread, so that all threads of the process read the
 * same time: each counts from its own beginning. Off by less than a microsecond as a rule.
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

/** What a thread has spent on CPUs, and waiting for one although it was able to run. */
interface ThreadTimes {
  readonly cpuMs: number;
  readonly waitedMs: number;
}

/**
 * The times of the calling thread so far, or null where the system does not tell. Linux only:
 * getrusage(2) of one thread is not among the calls that Node makes everywhere. A thread that is
 * stopped by a signal does not count as waiting.
 */
export function threadTimes(): ThreadTimes | null {
  try {
    const [ranNs = '', waitedNs = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(
      ' ',
    );
    return { cpuMs: Number(ranNs) / 1e6, waitedMs: Number(waitedNs) / 1e6 };
  } catch {
    // No such file: another system, or a kernel without it.
    return null;
  }
}
