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

/**
 * The CPU time of the calling thread in milliseconds, or null where the system does not tell. Linux
 * only: getrusage(2) of one thread is not among the calls that Node makes everywhere.
 */
export function threadCpuMs(): number | null {
  try {
    const [ranNs = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return Number(ranNs) / 1e6;
  } catch {
    // No such file: another system, or a kernel without it.
    return null;
  }
}
