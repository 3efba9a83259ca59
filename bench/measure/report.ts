import { writeFileSync } from 'node:fs';
import { holdWakeLatency, type MachineFacts, machineFacts, stolenTicks, unfit } from './machine.ts';
import { percent } from './text-table.ts';

/** What surrounds every measurement: the machine, what disturbed it, the file with all of it. */

interface Surroundings {
  readonly machine: MachineFacts;
  readonly wakeLatency: string;
  readonly stolenShare: number;
}

/** Runs a measurement on a machine that is fit for it, between a head and a foot of facts. */
export async function withFacts(
  name: string,
  run: () => Promise<object>,
  json: string | undefined,
): Promise<void> {
  const obstacle = unfit();
  if (obstacle !== undefined) {
    console.error(`${name}: ${obstacle}`);
    process.exitCode = 1;
    return;
  }
  const machine = machineFacts();
  const latency = holdWakeLatency();
  const load = machine.loadAverage.map((value) => value.toFixed(2)).join(' ');
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}`);
  console.log(`load average before: ${load}; ${latency.state}`);
  const start = stolenTicks();
  const result = await run();
  const end = stolenTicks();
  latency.release();
  const stolenShare = (end.stolen - start.stolen) / (end.all - start.all);
  console.log(`\nstolen by the hypervisor: ${percent(stolenShare, 1)}`);
  if (json === undefined) return;
  const surroundings: Surroundings = { machine, wakeLatency: latency.state, stolenShare };
  writeFileSync(json, `${JSON.stringify({ ...surroundings, ...result }, null, 1)}\n`);
}
