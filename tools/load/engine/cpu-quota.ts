import { readFileSync } from 'node:fs';
import type { Throttled } from '../document.ts';

const MOUNT = '/sys/fs/cgroup';

type Read = (path: string) => string | null;

/**
 * What reads how the CPU quota of this process's control group has stopped it so far, or null where
 * no group has one. Of version 1 and 2 of cgroups(7), of this group and those above: the quota may
 * be anyone's.
 */
export function findCpuQuota(read: Read = readOrNull): (() => Throttled | null) | null {
  const files = statFiles(read('/proc/self/cgroup') ?? '').filter(
    (file) => throttledIn(read(file)) !== null,
  );
  if (files.length === 0) return null;
  return () => {
    const all = files.flatMap((file) => throttledIn(read(file)) ?? []);
    if (all.length === 0) return null;
    return {
      periods: all.reduce((sum, { periods }) => sum + periods, 0),
      ms: all.reduce((sum, { ms }) => sum + ms, 0),
    };
  };
}

/** Where the group and those above keep their cpu.stat; some of them have none. */
function statFiles(groups: string): string[] {
  const v1 = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  const v2 = /^0::(.*)$/m.exec(groups)?.[1];
  const roots = [
    ...(v1 === undefined ? [] : [`${MOUNT}/cpu`, `${MOUNT}/cpu,cpuacct`].map((at) => [at, v1])),
    ...(v2 === undefined ? [] : [[MOUNT, v2]]),
  ] as const;
  const files = roots.flatMap(([mount = '', path = '']) =>
    aboveAndSelf(path).map((group) => `${mount}${group}/cpu.stat`),
  );
  return [...new Set(files)];
}

/** `/a/b`, `/a` and the root, whose name is empty. In a container the root may be the own group. */
function aboveAndSelf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    parts
      .slice(0, parts.length - up)
      .map((part) => `/${part}`)
      .join(''),
  );
}

function throttledIn(text: string | null): Throttled | null {
  const field = (name: string): number | null => {
    const digits = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1];
    return digits === undefined ? null : Number(digits);
  };
  const periods = field('nr_throttled');
  if (periods === null) return null;
  const us = field('throttled_usec');
  return { periods, ms: us === null ? (field('throttled_time') ?? 0) / 1e6 : us / 1e3 };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not Linux, or no such group.
    return null;
  }
}
