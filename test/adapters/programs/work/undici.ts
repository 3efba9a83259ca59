/** undici by its option `connect`, in clear text, by TLS, and with http2. */

import assert from 'node:assert/strict';
import * as http from 'node:http';
import { Readable } from 'node:stream';
import { Agent, type buildConnector, fetch, Pool } from 'undici';
import { answer } from './http.ts';
import { http2Server } from './http2.ts';
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

/** A `connect` of undici on sockets of `net`: TLS if the server's certificate is given. */
export function connector(net: Net, port: number, ca?: string): buildConnector.connector {
  return (_, callback) => {
    const socket =
      ca === undefined
        ? net.connect({ host: '127.0.0.1', port, noDelay: true })
        : secure(net, port, { ca, ALPNProtocols: ['h2', 'http/1.1'] });
    const failed = (error: Error): void => callback(error, null);
    socket.once('error', failed);
    socket.once(ca === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', failed);
      callback(null, socket);
    });
  };
}

async function useClear(net: Net): Promise<void> {
  const server = http.createServer(answer);
  const listener = net.serveOn(server);
  const port = await portOf(listener);
  let connections = 0;
  listener.on('connection', () => {
    connections += 1;
  });
  const connect = connector(net, port);
  const pool = new Pool(`http://127.0.0.1:${port}`, { connect, connections: 2, pipelining: 4 });
  const { body } = await pool.request({ path: '/', method: 'GET' });
  assertBody(await bytesOf(body));
  const upload = Readable.from([BODY.subarray(0, 1_000_000), BODY.subarray(1_000_000)]);
  const echo = await pool.request({ path: '/', method: 'POST', body: upload });
  assertBody(await bytesOf(echo.body));
  const texts = Array.from({ length: 40 }, async (_, at) => {
    const answered = await pool.request({ path: '/', method: 'POST', body: `body ${at}` });
    return answered.body.text();
  });
  assert.deepEqual(
    await Promise.all(texts),
    Array.from({ length: 40 }, (_, at) => `body ${at}`),
  );
  assert.equal(connections, 2, 'connections are kept');
  await pool.close();
  server.closeAllConnections();
  await closed(listener);
}

async function useSecured(net: Net, identity: Identity): Promise<void> {
  const listener = net.serveOn(http2Server(identity));
  const port = await portOf(listener);
  const part = BODY.subarray(0, 1_000_000);
  for (const allowH2 of [false, true]) {
    const agent = new Agent({ connect: connector(net, port, identity.cert), allowH2 });
    const response = await fetch(`https://localhost:${port}/`, {
      dispatcher: agent,
      method: 'POST',
      body: part,
    });
    assert.ok(part.equals(new Uint8Array(await response.arrayBuffer())));
    await agent.close();
  }
  await closed(listener);
}

export async function useUndici(net: Net, identity: Identity): Promise<void> {
  await useClear(net);
  await useSecured(net, identity);
}
