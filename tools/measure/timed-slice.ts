import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessClock, ProcessTimes } from './process-clock.ts';

/** The rest before a clock is read: the CPU time of a thread that runs lags by a scheduler tick. */
export const REST_MS = 5;

/** Runs `slice`, and returns what it came to with the CPU time of each process of `pids`. */
export async function timedSlice<Result>(
  clock: ProcessClock,
  pids: readonly number[],
  slice: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly times: readonly ProcessTimes[] }> {
  const before = pids.map((pid) => clock.times(pid));
  const result = await slice();
  await delay(REST_MS);
  const times = pids.map((pid, at) => difference(before[at] ?? NO_TIME, clock.times(pid)));
  return { result, times };
}

/** No CPU time. */
export const NO_TIME: ProcessTimes = { cpuUs: 0, userUs: 0, systemUs: 0, waitedUs: 0 };

function difference(before: ProcessTimes, after: ProcessTimes): ProcessTimes {
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    userUs: after.userUs - before.userUs,
    systemUs: after.systemUs - before.systemUs,
    waitedUs: after.waitedUs - before.waitedUs,
  };
}
