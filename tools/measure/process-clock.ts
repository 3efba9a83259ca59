import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpuTicks, cpuTime, residentBytes } from './process-facts.ts';

/** CPU time of a process so far, all its threads together, in microseconds. */
export interface ProcessTimes {
  readonly cpuUs: number;
  /** How it divides between the program and the kernel: sampled, so of long times only. */
  readonly userUs: number;
  readonly systemUs: number;
  /** Able to run, and waiting for a CPU that something else had; 0 where that is unknown. */
  readonly waitedUs: number;
}

/** What tells the CPU time and the memory of other processes. */
export interface ProcessClock {
  /** In words, for a report. */
  readonly words: string;
  /** How finely it tells CPU time, in microseconds. */
  readonly stepUs: number;
  /** Throws an Error where there is no such process. */
  times(pid: number): ProcessTimes;
  /** Resident memory. Throws an Error where there is no such process. */
  residentBytes(pid: number): number;
}

/** A tick of /proc, which is so long on every Linux whatever its kernel counts by. */
const TICK_US = 10_000;

const PS_MS_MAX = 5000;

/** What `ps` calls user time on macOS, and on FreeBSD. */
const PS_USER_TIMES = ['utime', 'usertime'];

/** Linux, where the scheduler tells nanoseconds. */
const schedstat: ProcessClock = {
  words: '/proc/PID/schedstat',
  stepUs: 1e-3,
  times: (pid) => {
    const { ns, waitedNs } = cpuTime(pid);
    return { ...ticked(pid), cpuUs: ns / 1e3, waitedUs: waitedNs / 1e3 };
  },
  residentBytes: residentOnLinux,
};

/** Linux where it does not: some containers. */
const stat: ProcessClock = {
  words: '/proc/PID/stat',
  stepUs: TICK_US,
  times: (pid) => {
    const { userUs, systemUs } = ticked(pid);
    return { userUs, systemUs, cpuUs: userUs + systemUs, waitedUs: 0 };
  },
  residentBytes: residentOnLinux,
};

/** The best one that this machine has. Throws an Error that says why there is none. */
export function findProcessClock(): ProcessClock {
  const { pid } = process;
  const reasons: string[] = [];
  for (const clock of [schedstat, stat, ...PS_USER_TIMES.map(psClock)]) {
    try {
      // This process has used some.
      const { cpuUs, userUs, systemUs } = clock.times(pid);
      if (cpuUs > 0 && userUs >= 0 && systemUs >= 0 && clock.residentBytes(pid) > 0) return clock;
      reasons.push(`${clock.words} says nothing`);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`nothing here tells the CPU time of a process: ${reasons.join('; ')}`);
}

function ticked(pid: number): Pick<ProcessTimes, 'userUs' | 'systemUs'> {
  const { user, system } = cpuTicks(pid);
  return { userUs: user * TICK_US, systemUs: system * TICK_US };
}

function residentOnLinux(pid: number): number {
  try {
    return residentBytes(pid);
  } catch {
    // Not every container has smaps_rollup.
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
  }
}

/** The BSDs tell by ps(1), and call user time differently: `0:01.25  0:00.75  45120`. */
export function psClock(userTime: string): ProcessClock {
  const flags = ['-o', 'time=', '-o', `${userTime}=`, '-o', 'rss='];
  const ask = (pid: number): readonly [time: string, user: string, kib: string] => {
    const { status, stdout, stderr, error } = spawnSync('ps', [...flags, '-p', `${pid}`], {
      encoding: 'utf8',
      timeout: PS_MS_MAX,
    });
    const [time, user, kib] = (stdout ?? '').trim().split(/\s+/);
    if (status === 0 && time !== undefined && user !== undefined && kib !== undefined) {
      return [time, user, kib];
    }
    const [why] = (error?.message ?? stderr ?? '').split('\n');
    throw new Error(`ps -o ${userTime} failed${why === undefined || why === '' ? '' : `: ${why}`}`);
  };
  return {
    words: `ps -o time,${userTime}`,
    stepUs: TICK_US,
    times: (pid) => {
      const [time, user] = ask(pid);
      const [cpuUs, userUs] = [clockUs(time), clockUs(user)];
      return { cpuUs, userUs, systemUs: Math.max(0, cpuUs - userUs), waitedUs: 0 };
    },
    residentBytes: (pid) => Number(ask(pid)[2]) * 1024,
  };
}

/** `0:01.25`, `1:02:03.04` or `1-02:03:04` in microseconds. */
function clockUs(text: string): number {
  const [, days = '0', rest = ''] = /^(?:(\d+)-)?([\d:.]+)$/.exec(text) ?? [];
  const parts = rest.split(':').map((part) => (part === '' ? Number.NaN : Number(part)));
  const seconds = parts.reduce((sum, part) => sum * 60 + part, 0);
  return (Number(days) * 86_400 + seconds) * 1e6;
}
