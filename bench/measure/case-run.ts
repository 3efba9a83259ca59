import type { Random } from '#src/base/random.js';
import type { CallCounter } from '#tools/measure/call-counter.js';
import type { ProcessClock } from '#tools/measure/process-clock.js';
import type { Case } from './cases.ts';
import { LoadClient } from './load-client.ts';
import type { Tally } from './results.ts';
import type { RunningServers } from './running-servers.ts';
import { type Contender, type Programs, REFERENCE } from './servers.ts';
import { type ConnectedServer, measure } from './slices.ts';

/** Of churn: a port is gone for a minute, and an address has 28,000 of them for each server. */
const CHURN_SOURCES = 64;
const COUNTED_MS = 60;
/** When a server comes back to a case that it has met. */
const WARM_UP_MS = 100;

export interface CasePlan {
  readonly sliceMs: number;
  readonly random: Random;
  readonly clock: ProcessClock;
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
export function beyond(contender: Contender, what: Case): string | undefined {
  const connections = what.connections + (what.idle ?? 0);
  const max = contender.connectionsMax;
  if (max === undefined || connections <= max) return undefined;
  return `not asked to: it takes at most ${max} ${max === 1 ? 'connection' : 'connections'}`;
}

/** Runs `rounds` of a case over the servers that run, the reference among them. */
export async function runCase(
  contenders: readonly Contender[],
  running: RunningServers,
  tally: Tally,
  programs: Programs,
  plan: CasePlan & { readonly rounds: number },
): Promise<void> {
  const what = tally.case;
  const connected: ConnectedServer[] = [];
  const fail = async (name: string, error: unknown): Promise<void> => {
    if (name === REFERENCE) throw error;
    tally.miss(name, error);
    await running.drop(name);
  };
  try {
    for (const contender of contenders) {
      const { name, connectionsMax = Number.POSITIVE_INFINITY } = contender;
      const obstacle = beyond(contender, what);
      if (obstacle !== undefined) tally.miss(name, obstacle);
      if (tally.misses(name)) continue;
      const warmUpMs = tally.hasSlices(name) ? WARM_UP_MS : plan.caseWarmUpMs;
      try {
        const server = await running.server(contender, connectionsMax);
        connected.push({
          server,
          client: await connectClient(what, server.port, programs, warmUpMs),
        });
      } catch (error) {
        await fail(name, error);
      }
    }
    const failed = await measureConnected(connected, tally, plan);
    for (const [name, error] of failed) await fail(name, error);
  } finally {
    for (const { client } of connected) await client.stop();
  }
}

/** Takes the slices of all servers, the reference first. Returns those that failed. */
export async function measureConnected(
  connected: readonly ConnectedServer[],
  tally: Tally,
  plan: CasePlan & { readonly rounds: number },
): Promise<ReadonlyMap<string, unknown>> {
  const failed = new Map<string, unknown>();
  const [reference, ...others] = connected;
  if (reference === undefined) return failed;
  for (const one of connected) {
    const { name } = one.server;
    if (plan.counter === undefined || tally.hasCalls(name)) continue;
    try {
      tally.addCalls(name, await callsPerMessage(one, plan.counter));
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
  return failed;
}

async function callsPerMessage(
  { server, client }: ConnectedServer,
  counter: CallCounter,
): Promise<number> {
  let messages = 0;
  const calls = await counter.count(server.pid, async () => {
    messages = (await client.run(COUNTED_MS)).messages;
  });
  if (messages === 0) throw new Error('no message while its system calls were counted');
  return calls / messages;
}
