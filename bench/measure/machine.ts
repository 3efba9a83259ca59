import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** The machine that figures come from, and what can be done to keep it quiet. */

export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

/** CPU time that the hypervisor gave to others, in ticks of all cores since boot. */
export function stolenTicks(): { readonly stolen: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { stolen: ticks[7] ?? 0, all: ticks.reduce((sum, value) => sum + value, 0) };
}

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly at: string;
  readonly loadAverage: readonly number[];
}

export function machineFacts(): MachineFacts {
  const cores = cpus();
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    node: process.version,
    at: new Date().toISOString(),
    loadAverage: loadavg(),
  };
}

/** Why nothing can be measured here, or undefined. */
export function unfit(): string | undefined {
  if (process.platform !== 'linux') return 'this bench reads /proc and needs epoll: Linux only';
  if (cpus().length < 2)
    return 'this bench needs two cores: one for the server, one for the client';
  if (spawnSync('taskset', ['--version']).error !== undefined)
    return 'this bench needs taskset, of the package util-linux, to give each process its core';
  return undefined;
}
