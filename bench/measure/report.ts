import { writeFileSync } from 'node:fs';
import { holdWakeLatency } from '#tools/measure/wake-latency.js';
import { type BenchMachine, benchMachine, stolenTicks, unfit } from './machine.ts';
import { percent } from './text-table.ts';

export interface Surroundings {
  readonly machine: BenchMachine;
  readonly wakeLatency: string;
  /** CPU time that the hypervisor gave to others, of all there was. */
  readonly stolenShare: number;
}

/**
 * Runs a measurement on a machine that is fit for it, between a head and a foot of facts. On one
 * that is not, says why, sets the exit code, and returns undefined.
 */
export async function withFacts<Result>(
  name: string,
  run: () => Promise<Result>,
): Promise<(Surroundings & { readonly result: Result }) | undefined> {
  const obstacle = unfit();
  if (obstacle !== undefined) {
    console.error(`${name}: ${obstacle}`);
    process.exitCode = 1;
    return undefined;
  }
  const machine = benchMachine();
  const latency = holdWakeLatency();
  const load = machine.loadAverage.map((value) => value.toFixed(2)).join(' ');
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}`);
  console.log(`load average before: ${load}; ${latency.state}`);
  const start = stolenTicks();
  try {
    const result = await run();
    const end = stolenTicks();
    const stolenShare = (end.stolen - start.stolen) / (end.all - start.all);
    console.log(`\nstolen by the hypervisor: ${percent(stolenShare, 1)}`);
    return { machine, wakeLatency: latency.state, stolenShare, result };
  } finally {
    latency.release();
  }
}

/** Writes a JSON document, where a name is given for it. */
export function writeJson(path: string | undefined, document: object): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(document, null, 1)}\n`);
}
