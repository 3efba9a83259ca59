import { nativeSys } from 'sockloop/sys';
import { openFilesLimit } from '#src/sys/rlimit.js';
import { openDescriptors } from './process-facts.ts';

/** What this process takes of the machine. */
export interface ProcessUse {
  /** CPU time of all threads. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Null where the platform does not tell: not Linux. */
  readonly openDescriptors: number | null;
  /** The most that it may open. */
  readonly descriptorsMax: number;
  /** Since 1970. */
  readonly startSeconds: number;
}

export function ownProcessUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    openDescriptors: openDescriptors(process.pid),
    descriptorsMax: openFilesLimit(nativeSys()).soft,
    startSeconds: Math.round(Date.now() - process.uptime() * 1000) / 1000,
  };
}
