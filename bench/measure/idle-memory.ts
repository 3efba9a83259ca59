import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '#tools/measure/process-facts.js';
import { LoadClient } from './load-client.ts';
import { entrantOf, type Programs, startServer } from './servers.ts';

/** Resident memory per idle connection, of a server that is fresh but warm. */

const WARM_UP_CONNECTIONS = 500;
const WARM_UP_MS = 1000;
/** Until memory is read: threads come to rest, the kernel frees what it frees later. */
const SETTLE_MS = 1500;

/**
 * The growth of resident memory from before to after, over `idle` connections, in bytes.
 *
 * Before, some connections have come, echoed for a second and gone, so that code is compiled, the
 * heap has its working size and neither is counted. After, `idle` connections are held, and each
 * has echoed one message. Garbage that the collector has not taken by then counts: nobody calls it.
 * The kernel's own memory for the sockets, several KiB each, is no process's and is not in it.
 */
export async function idleMemory(
  spec: string,
  programs: Programs,
  idle: number,
  sources: number,
): Promise<number> {
  const server = await startServer(entrantOf(spec, programs));
  const shape = { bytes: 64, inFlight: 1, sources };
  const clients: LoadClient[] = [];
  const connect = async (connections: number): Promise<LoadClient> => {
    const client = await LoadClient.connect(programs.load, server.port, { ...shape, connections });
    clients.push(client);
    await client.verify();
    return client;
  };
  try {
    for (let round = 0; round < 2; round++) {
      const warmUp = await connect(Math.min(WARM_UP_CONNECTIONS, idle));
      await warmUp.run(WARM_UP_MS);
      await warmUp.stop();
    }
    await sleep(SETTLE_MS);
    const before = residentBytes(server.pid);
    await connect(idle);
    await sleep(SETTLE_MS);
    return (residentBytes(server.pid) - before) / idle;
  } finally {
    for (const client of clients) await client.stop();
    await server.stop();
  }
}
