import { setTimeout as sleep } from 'node:timers/promises';
import { beyond, type CasePlan, connectClient, measureConnected } from './case-run.ts';
import { LoadClient } from './load-client.ts';
import type { Tally } from './results.ts';
import { type Contender, type Programs, REFERENCE, type Server, startServer } from './servers.ts';
import type { ConnectedServer } from './slices.ts';

/** The case with idle connections, on servers that are fresh: their memory, and CPU per message. */

const BYTES = 64;
/** The port range ends at 28,000 connections to one address; spread, there is room for more. */
const SOURCES = 8;
const WARM_UP_CONNECTIONS = 500;
const WARM_UP_RUNS = 2;
/** Until memory is read: threads come to rest, the kernel frees what it frees later. */
const SETTLE_MS = 1200;

export interface PeerMemory {
  readonly name: string;
  /** Resident memory of a process that has echoed one message. */
  readonly freshBytes: number;
  /** The growth over the idle connections, of a warm process; null where it cannot hold them. */
  readonly bytesPerConnection: number | null;
}

/** A server with what was read of its memory, and the clients that are connected to it. */
interface Holder {
  readonly server: Server;
  readonly contender: Contender;
  readonly clients: LoadClient[];
  freshBytes: number;
  warmBytes: number;
  heldBytes: number | null;
}

/** Takes a step with each server that is still well; one that fails is missing from then on. */
type ForEach = (step: (holder: Holder) => Promise<void> | void) => Promise<void>;

export async function runIdle(
  contenders: readonly Contender[],
  tally: Tally,
  programs: Programs,
  plan: CasePlan & { readonly rounds: number },
): Promise<PeerMemory[]> {
  const idle = tally.case.idle ?? 0;
  const all: Holder[] = [];
  const able = new Set<Holder>();
  const each: ForEach = async (step) => {
    for (const holder of able) {
      try {
        await step(holder);
      } catch (error) {
        if (holder.server.name === REFERENCE) throw error;
        tally.miss(holder.server.name, error);
        able.delete(holder);
        await leave(holder);
      }
    }
  };
  try {
    for (const contender of contenders) {
      const holder = await enter(contender, tally, programs);
      if (holder === undefined) continue;
      all.push(holder);
      able.add(holder);
    }
    await sleep(SETTLE_MS);
    await each((holder) => {
      holder.freshBytes = plan.clock.residentBytes(holder.server.pid);
    });
    await each((holder) => warm(holder, tally, programs, plan.caseWarmUpMs));
    await sleep(SETTLE_MS);
    await each((holder) => {
      holder.warmBytes = plan.clock.residentBytes(holder.server.pid);
    });
    await each((holder) => hold(holder, idle, programs));
    await sleep(SETTLE_MS);
    await each((holder) => {
      holder.heldBytes = plan.clock.residentBytes(holder.server.pid);
    });
    await measureBusy(tally, programs, plan, each);
    const read = all.filter(({ freshBytes }) => freshBytes > 0);
    return read.map(({ server, freshBytes, warmBytes, heldBytes }) => ({
      name: server.name,
      freshBytes,
      bytesPerConnection: heldBytes === null ? null : Math.round((heldBytes - warmBytes) / idle),
    }));
  } finally {
    for (const holder of all) await leave(holder);
  }
}

/** Starts a server and has it echo one message; one that does not is missing. */
async function enter(
  contender: Contender,
  tally: Tally,
  programs: Programs,
): Promise<Holder | undefined> {
  let server: Server | undefined;
  try {
    server = await startServer(contender);
    await (await connect(server, 1, programs)).stop();
    return { server, contender, clients: [], freshBytes: 0, warmBytes: 0, heldBytes: null };
  } catch (error) {
    await server?.stop();
    if (contender.name === REFERENCE) throw error;
    tally.miss(contender.name, error);
    return undefined;
  }
}

async function connect(
  { port }: Server,
  connections: number,
  programs: Programs,
): Promise<LoadClient> {
  const shape = { connections, bytes: BYTES, inFlight: 1, sources: SOURCES };
  const client = await LoadClient.connect(programs.load, port, shape);
  try {
    await client.verify();
    return client;
  } catch (error) {
    await client.stop();
    throw error;
  }
}

/** Connections come, echo and go, so that code is compiled and the heap has its working size. */
async function warm(
  { server, contender }: Holder,
  tally: Tally,
  programs: Programs,
  caseWarmUpMs: number,
): Promise<void> {
  const obstacle = beyond(contender, tally.case);
  if (obstacle !== undefined) throw new Error(obstacle);
  for (let run = 0; run < WARM_UP_RUNS; run++) {
    const client = await connect(server, WARM_UP_CONNECTIONS, programs);
    try {
      await client.run(2 * caseWarmUpMs);
    } finally {
      await client.stop();
    }
  }
}

/** Each of the idle connections has echoed one message when this is done. */
async function hold({ server, clients }: Holder, idle: number, programs: Programs): Promise<void> {
  clients.push(await connect(server, idle, programs));
}

async function measureBusy(
  tally: Tally,
  programs: Programs,
  plan: CasePlan & { readonly rounds: number },
  each: ForEach,
): Promise<void> {
  const connected: ConnectedServer[] = [];
  await each(async ({ server, clients }) => {
    const client = await connectClient(tally.case, server.port, programs, plan.caseWarmUpMs);
    clients.push(client);
    connected.push({ server, client });
  });
  const failed = await measureConnected(connected, tally, plan);
  for (const [name, error] of failed) tally.miss(name, error);
}

async function leave({ server, clients }: Holder): Promise<void> {
  for (const client of clients) await client.stop();
  await server.stop();
}
