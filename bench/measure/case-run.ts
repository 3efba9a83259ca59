import type { Random } from '#src/base/random.js';
import type { CallCounter } from '#tools/measure/call-counter.js';
import { type CpuTicks, cpuTicks } from '#tools/measure/process-facts.js';
import type { Case } from './cases.ts';
import type { Field } from './field.ts';
import { LoadClient } from './load-client.ts';
import type { Tally } from './results.ts';
import { type Entrant, type Programs, REFERENCE } from './servers.ts';
import { measure, type Subject } from './slices.ts';

/** One case: each server with a client of its own, and their slices in turns. */

/** Of churn: a port is gone for a minute, and an address has 28,000 of them for each server. */
const CHURN_SOURCES = 64;
const COUNTED_MS = 60;
/** When a server comes back to a case that it has met. */
const WARM_UP_MS = 100;

export interface CasePlan {
  readonly sliceMs: number;
  readonly random: Random;
  readonly counter: CallCounter | undefined;
  /** When a server meets a case for the first time. */
  readonly caseWarmUpMs: number;
}

/** Connects, has every connection echo once, and lets it run for a moment. */
export async function connectClient(
  what: Case,
  port: number,
  programs: Programs,
  warmUpMs: number,
): Promise<LoadClient> {
  const client =
    what.churn === true
      ? await LoadClient.churn(programs.churn, port, { ...what, sources: CHURN_SOURCES })
      : await LoadClient.connect(programs.load, port, { ...what, sources: 0 });
  try {
    await client.verify();
    await client.run(warmUpMs);
    return client;
  } catch (error) {
    await client.stop();
    throw error;
  }
}

/** Why a server is not to be asked for a case, or undefined. */
export function beyond(entrant: Entrant, what: Case): string | undefined {
  const connections = what.connections + (what.idle ?? 0);
  const max = entrant.connectionsMax;
  if (max === undefined || connections <= max) return undefined;
  return `not asked to: it takes at most ${max} ${max === 1 ? 'connection' : 'connections'}`;
}

/** Runs `rounds` of a case over the servers of the field, the reference among them. */
export async function runCase(
  entrants: readonly Entrant[],
  field: Field,
  tally: Tally,
  programs: Programs,
  plan: CasePlan & { readonly rounds: number },
): Promise<void> {
  const what = tally.case;
  const subjects: Subject[] = [];
  const fail = async (name: string, error: unknown): Promise<void> => {
    if (name === REFERENCE) throw error;
    tally.miss(name, error);
    await field.drop(name);
  };
  try {
    for (const entrant of entrants) {
      const { name, connectionsMax = Number.POSITIVE_INFINITY } = entrant;
      const obstacle = beyond(entrant, what);
      if (obstacle !== undefined) tally.miss(name, obstacle);
      if (tally.misses(name)) continue;
      const warmUpMs = tally.hasSlices(name) ? WARM_UP_MS : plan.caseWarmUpMs;
      try {
        const server = await field.server(entrant, connectionsMax);
        subjects.push({
          server,
          client: await connectClient(what, server.port, programs, warmUpMs),
        });
      } catch (error) {
        await fail(name, error);
      }
    }
    const failed = await measureSubjects(subjects, tally, plan);
    for (const [name, error] of failed) await fail(name, error);
  } finally {
    for (const { client } of subjects) await client.stop();
  }
}

/** The slices of all subjects, the first of which is the reference; returns those that failed. */
export async function measureSubjects(
  subjects: readonly Subject[],
  tally: Tally,
  plan: CasePlan & { readonly rounds: number },
): Promise<ReadonlyMap<string, unknown>> {
  const failed = new Map<string, unknown>();
  const [reference, ...others] = subjects;
  if (reference === undefined) return failed;
  const before = new Map<string, CpuTicks>();
  for (const subject of subjects) {
    const { name, pid } = subject.server;
    try {
      if (plan.counter !== undefined && !tally.hasCalls(name)) {
        tally.addCalls(name, await callsPerMessage(subject, plan.counter));
      }
      before.set(name, cpuTicks(pid));
    } catch (error) {
      failed.set(name, error);
    }
  }
  const well = others.filter(({ server }) => !failed.has(server.name));
  const slices = await measure(reference, well, {
    ...plan,
    failed: ({ server }, error) => failed.set(server.name, error),
  });
  tally.addSlices(slices);
  for (const { server } of subjects) {
    const start = before.get(server.name);
    if (start === undefined || failed.has(server.name)) continue;
    tally.addTicks(server.name, start, cpuTicks(server.pid));
  }
  return failed;
}

async function callsPerMessage({ server, client }: Subject, counter: CallCounter): Promise<number> {
  let messages = 0;
  const calls = await counter.count(server.pid, async () => {
    messages = (await client.run(COUNTED_MS)).messages;
  });
  if (messages === 0) throw new Error('no message while its system calls were counted');
  return calls / messages;
}
