import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '#src/base/random.js';
import { cpuTime } from '#tools/measure/process-facts.js';
import type { Latencies } from './latencies.ts';
import type { LoadClient } from './load-client.ts';
import type { Server } from './servers.ts';

/** Slices of a measurement, and their order: each between two slices of the reference. */

/** After its last message a server gets so long to come to rest before its clock is read. */
export const REST_MS = 5;

/** A server with a client that is connected to it. */
export interface Subject {
  readonly server: Pick<Server, 'name' | 'pid'>;
  readonly client: Pick<LoadClient, 'pid' | 'run' | 'lastWords' | 'stop'>;
}

export interface Slice {
  readonly name: string;
  readonly messages: number;
  readonly seconds: number;
  readonly cpuNs: number;
  readonly waitedNs: number;
  /** The same of the client: what it measures is its own in part where this is much. */
  readonly clientWaitedNs: number;
  readonly latencies: Latencies;
  /** CPU per message against the mean of the reference's slices before and after. */
  readonly ratio: number;
}

export interface Plan {
  readonly rounds: number;
  readonly sliceMs: number;
  readonly random: Random;
  /** Told of a candidate that failed; the others go on without it. */
  failed(candidate: Subject, error: unknown): void;
}

/** Takes all slices, the reference's included (their ratio is 1). Throws where that one fails. */
export async function measure(
  reference: Subject,
  candidates: readonly Subject[],
  plan: Plan,
): Promise<Slice[]> {
  const slices: Slice[] = [];
  const running = new Set(candidates);
  let before = await takeSlice(reference, plan.sliceMs);
  slices.push(before);
  for (let round = 0; round < plan.rounds; round++) {
    for (const candidate of plan.random.shuffled([...running])) {
      const slice = await takeSlice(candidate, plan.sliceMs).catch((error: unknown) => {
        plan.failed(candidate, error);
        running.delete(candidate);
      });
      if (slice === undefined) continue;
      const after = await takeSlice(reference, plan.sliceMs);
      const beside = (nsPerMessage(before) + nsPerMessage(after)) / 2;
      slices.push({ ...slice, ratio: nsPerMessage(slice) / beside }, after);
      before = after;
    }
  }
  return slices;
}

export function nsPerMessage(slice: Slice): number {
  return slice.cpuNs / slice.messages;
}

async function takeSlice({ server, client }: Subject, sliceMs: number): Promise<Slice> {
  const before = cpuTime(server.pid);
  const clientBefore = cpuTime(client.pid);
  const { errors, ...result } = await client.run(sliceMs);
  await sleep(REST_MS);
  const after = cpuTime(server.pid);
  const clientAfter = cpuTime(client.pid);
  if (errors > 0 || result.messages === 0) {
    const why = errors > 0 ? `${errors} errors (${client.lastWords()})` : 'no message';
    throw new Error(`${server.name}: ${why} in a slice`);
  }
  return {
    name: server.name,
    ...result,
    cpuNs: after.ns - before.ns,
    waitedNs: after.waitedNs - before.waitedNs,
    clientWaitedNs: clientAfter.waitedNs - clientBefore.waitedNs,
    ratio: 1,
  };
}
