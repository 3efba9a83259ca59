/**
 * Runs the programs on sockloop/net, one after the other, and prints what became of each. A runtime
 * starts it as `main.js FILE`: the file has the places of the servers.
 */

import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import * as own from 'sockloop/net';
import { useHttp, useHttps } from './http.ts';
import { useHttp2 } from './http2.ts';
import { useMqtt } from './mqtt.ts';
import type { Identity, Net, Place } from './net.ts';
import { type PostgresPlace, usePostgres } from './postgres.ts';
import { useRedis } from './redis.ts';
import { useUndici } from './undici.ts';
import { useWebSocket } from './websocket.ts';

/** Where the servers are; null for one that is not installed. */
export interface Places {
  readonly identity: Identity;
  readonly postgres: PostgresPlace | null;
  readonly redis: Place | null;
  readonly mqtt: Place | null;
}

// The libraries' types ask for Node's own classes.
const net = {
  connect: own.connect,
  Socket: own.Socket,
  serveOn: (server: EventEmitter) => own.serveOn(server, { port: 0, host: '127.0.0.1' }),
} as unknown as Net;

const LIMIT_MS = 15_000;

const [, , file = ''] = process.argv;
const { identity, postgres, redis, mqtt }: Places = JSON.parse(readFileSync(file, 'utf8'));

/** The servers are Node's own, on its own sockets. */
const clients: Net = {
  ...net,
  serveOn: (server) => (server as Server).listen(0, '127.0.0.1'),
};

const works: Record<string, (() => Promise<void>) | null> = {
  'http server': () => useHttp(net),
  'http client': () => useHttp(clients),
  'https server': () => useHttps(net, identity),
  'https client': () => useHttps(clients, identity),
  'http2 server': () => useHttp2(net, identity),
  'http2 client': () => useHttp2(clients, identity),
  'ws server': () => useWebSocket(net),
  'ws client': () => useWebSocket(clients),
  undici: () => useUndici(clients, identity),
  pg: postgres && (() => usePostgres(net, postgres)),
  ioredis: redis && (() => useRedis(net, redis)),
  mqtt: mqtt && (() => useMqtt(net, mqtt)),
};

async function outcomeOf(work: () => Promise<void>): Promise<string> {
  const limit = new AbortController();
  const late = delay(LIMIT_MS, 'does not end', { signal: limit.signal }).catch(() => '');
  try {
    return await Promise.race([work().then(() => 'works'), late]);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } finally {
    limit.abort();
  }
}

for (const [name, work] of Object.entries(works)) {
  if (work === null) continue;
  const outcome = await outcomeOf(work);
  process.stdout.write(`${JSON.stringify([name, outcome])}\n`);
}
process.stdout.write('"done"\n');
