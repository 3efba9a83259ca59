import { existsSync, readdirSync } from 'node:fs';
import { collectGarbage } from '#test/harness/garbage.js';
import { openFds } from '#test/harness/leaks.js';

/** What a process holds while it serves nobody. */
export interface Sample {
  /** When, on the monotonic clock of the machine. */
  readonly atMs: number;
  /** The open descriptors by their kinds, `socket` or a path, in order. */
  readonly descriptors: readonly string[];
  /** Threads of the process, whatever they are for. */
  readonly threads: number;
  /** Timers and other handles of Node that keep the process alive, in order. */
  readonly handles: readonly string[];
  /** The JavaScript heap after a collection, of all threads that tell. */
  readonly heapBytes: number;
  /** Buffers that it owns. */
  readonly externalBytes: number;
  readonly rssBytes: number;
}

/** The heap of a thread, and the buffers that it owns. */
export type Heap = Pick<Sample, 'heapBytes' | 'externalBytes'>;

/** The heap of this thread after a collection. */
export function heapHere(): Heap {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external };
}

/** A sample of this process, after a collection. */
export function sampleHere(): Sample {
  const heap = heapHere();
  const tasks = '/proc/self/task';
  return {
    atMs: Number(process.hrtime.bigint()) / 1e6,
    descriptors: [...openFds().values()].map((target) => target.replace(/:\[\d+\]/, '')).sort(),
    threads: existsSync(tasks) ? readdirSync(tasks).length : 0,
    handles: process.getActiveResourcesInfo().sort(),
    ...heap,
    rssBytes: process.memoryUsage.rss(),
  };
}
