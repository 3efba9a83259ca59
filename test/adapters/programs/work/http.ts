/** http and https: a server that is fed with sockets, a client that makes them. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import {
  assertBody,
  BODY,
  bytesOf,
  closed,
  type Identity,
  type Net,
  portOf,
  secure,
} from './net.ts';

/** Echoes what is sent to it, and has a body of its own. */
export function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  if (request.method === 'POST') request.pipe(response);
  else response.end(BODY);
}

/** A request by `agent`: its answer's body. */
async function exchange(agent: http.Agent, body: Uint8Array | null): Promise<Buffer> {
  const method = body === null ? 'GET' : 'POST';
  const request = http.request({ agent, method, path: '/' });
  request.end(body ?? undefined);
  const [response] = await once(request, 'response');
  assert.equal(response.statusCode, 200);
  return bytesOf(response);
}

/** Large bodies both ways, then many small ones over the connections that were kept. */
async function exchanges(agent: http.Agent): Promise<void> {
  assertBody(await exchange(agent, null));
  assertBody(await exchange(agent, BODY));
  const small = Array.from({ length: 40 }, (_, at) => Buffer.from(`body ${at}`));
  const echoes = await Promise.all(small.map((body) => exchange(agent, body)));
  assert.deepEqual(echoes, small);
}

/** An agent of http whose connections `connect` makes. */
function agentOf(connect: () => unknown): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  return Object.assign(agent, { createConnection: connect });
}

async function useServer(
  net: Net,
  server: http.Server,
  connect: (port: number) => unknown,
): Promise<void> {
  const listener = net.serveOn(server);
  const port = await portOf(listener);
  let connections = 0;
  listener.on('connection', () => {
    connections += 1;
  });
  const agent = agentOf(() => connect(port));
  await exchanges(agent);
  assert.equal(connections, 2, 'connections are kept');
  agent.destroy();
  server.closeAllConnections();
  await closed(listener);
}

export async function useHttp(net: Net): Promise<void> {
  await useServer(net, http.createServer(answer), (port) =>
    net.connect({ host: '127.0.0.1', port, noDelay: true }),
  );
}

export async function useHttps(net: Net, identity: Identity): Promise<void> {
  await useServer(net, https.createServer(identity, answer), (port) =>
    secure(net, port, { ca: identity.cert }),
  );
}
