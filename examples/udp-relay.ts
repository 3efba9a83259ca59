// A UDP relay: each client gets a socket of its own towards the server, so that answers find back.
//
//   node build/examples/udp-relay.js HOST PORT [LISTEN-PORT]
//
// A run of datagrams stays together: on Linux the kernel joins what it receives (GRO) and cuts what
// it is handed (GSO), both ways. A client that is silent for a minute is forgotten. Ctrl-C ends it.

import {
  type DatagramAddress,
  type DatagramBatch,
  type DatagramSocket,
  EventLoop,
  resolve,
} from 'sockloop';

const [host = '127.0.0.1', port = '7007', listenPort = '7080'] = process.argv.slice(2);
const IDLE_MS = 60_000;
const CLIENTS_MAX = 500;

interface Route {
  readonly server: DatagramSocket;
  usedMs: number;
}

const routes = new Map<string, Route>();
const loop = new EventLoop();
loop.attach();

// Looked up once: for each client it would hold up the others.
const [target] = resolve(host, Number(port));
if (target === undefined || target.family === 'UNIX') throw new Error(`${host} has no address`);
const connect = { host: target.address, port: target.port };

/** What a full queue refuses is lost, as any datagram may be. */
function pass(batch: DatagramBatch, index: number, to: DatagramSocket, client?: DatagramAddress) {
  const segmentSize = batch.segmentSize(index);
  to.send(batch.bytes(index), {
    ...(client === undefined ? {} : { to: client }),
    ...(segmentSize === 0 ? {} : { segmentSize }),
  });
}

/** A socket towards the server that is the client's own. */
function openRoute(client: DatagramAddress): Route {
  const server = loop.datagram({
    connect,
    gro: true,
    chunks: 'borrowed', // Sent before the handler returns, so a copy is not needed.
    handlers: {
      datagrams: (_, batch) => {
        for (let index = 0; index < batch.length; index += 1) pass(batch, index, front, client);
      },
      close: () => void routes.delete(String(client)),
    },
  });
  return { server, usedMs: 0 };
}

/** Undefined where there are too many, or no descriptors are left: the datagram is lost. */
function routeOf(client: DatagramAddress): Route | undefined {
  const known = routes.get(String(client));
  if (known !== undefined || routes.size === CLIENTS_MAX) return known;
  try {
    const route = openRoute(client);
    routes.set(String(client), route);
    return route;
  } catch (error) {
    console.error((error as Error).message);
    return undefined;
  }
}

const front = loop.datagram({
  host: '127.0.0.1',
  port: Number(listenPort),
  gro: true,
  chunks: 'borrowed',
  handlers: {
    datagrams: (_, batch) => {
      for (let index = 0; index < batch.length; index += 1) {
        const route = routeOf(batch.from(index));
        if (route === undefined) continue;
        route.usedMs = performance.now();
        pass(batch, index, route.server);
      }
    },
  },
});
console.log(`listening on port ${front.address.port}`);

const sweep = setInterval(() => {
  const oldestMs = performance.now() - IDLE_MS;
  for (const { server, usedMs } of routes.values()) if (usedMs < oldestMs) server.close();
}, IDLE_MS / 4);

process.once('SIGINT', () => {
  clearInterval(sweep);
  front.close();
  for (const { server } of routes.values()) server.close();
});
