import { readFileSync } from 'node:fs';
import { loadavg, totalmem } from 'node:os';
import { corePair } from '#tools/measure/cores.js';
import { machineFacts } from '#tools/measure/machine.js';

/** CPU time that the hypervisor gave to others, in ticks of all cores since boot. */
export function stolenTicks(): { readonly stolen: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { stolen: ticks[7] ?? 0, all: ticks.reduce((sum, value) => sum + value, 0) };
}

/** The machine, and how busy it is at this moment. */
export interface BenchMachine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly at: string;
  readonly loadAverage: readonly number[];
}

export function benchMachine(): BenchMachine {
  const { cpu, cores, kernel } = machineFacts();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  const at = new Date().toISOString();
  return { cpu, cores, memoryGiB, kernel, node: process.version, at, loadAverage: loadavg() };
}

/** Why nothing can be measured here, or undefined. */
export function unfit(): string | undefined {
  if (process.platform !== 'linux') return 'this bench reads /proc and needs epoll: Linux only';
  try {
    corePair();
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `this bench needs two cores, one for the servers and one for the client: ${why}`;
  }
}
