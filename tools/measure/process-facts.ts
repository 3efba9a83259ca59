import { readdirSync, readFileSync } from 'node:fs';

/** CPU time and memory of a process, from /proc: Linux only. */

interface CpuTime {
  /** On a CPU, in nanoseconds, all threads together. */
  readonly ns: number;
  /** Able to run, and waiting for a CPU that something else had: how much was disturbed. */
  readonly waitedNs: number;
}

/**
 * CPU time from schedstat: in nanoseconds, where /proc/PID/stat counts ticks of 10 ms. A thread
 * that has ended is not in it any more, and one that runs right now lags by up to a tick of the
 * scheduler, so it is read when the process has come to rest.
 */
export function cpuTime(pid: number): CpuTime {
  let ns = 0;
  let waitedNs = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
    const [ran = 0, waited = 0] = text.split(' ').map(Number);
    ns += ran;
    waitedNs += waited;
  }
  return { ns, waitedNs };
}

/** How CPU time divides between the program and the kernel: sampled, so of long runs only. */
export interface CpuTicks {
  readonly user: number;
  readonly system: number;
}

export function cpuTicks(pid: number): CpuTicks {
  // The second field is the name in parentheses, which may hold anything.
  const fields = afterLast(readFileSync(`/proc/${pid}/stat`, 'utf8'), ') ').split(' ');
  return { user: Number(fields[11]), system: Number(fields[12]) };
}

/**
 * Resident memory in bytes. From smaps_rollup, which counts pages: VmRSS in /proc/PID/status is a
 * per-CPU counter that may be off by a few hundred KiB.
 */
export function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
}

function afterLast(text: string, mark: string): string {
  return text.slice(text.lastIndexOf(mark) + mark.length);
}

/** How many descriptors a process has open; null where that is unknown. */
export function openDescriptors(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}
