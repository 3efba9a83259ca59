/** ws: a server on one of http that is fed with sockets, a client on a connection of its own. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { BODY, closed, type Identity, type Net, portOf, secure } from './net.ts';

/** A client of the server at `port`, by TLS if it has to know `ca`. */
export function webSocket(net: Net, port: number, ca?: string): WebSocket {
  return new WebSocket(`ws${ca === undefined ? '' : 's'}://localhost:${port}/`, {
    createConnection: (() =>
      ca === undefined
        ? net.connect({ host: '127.0.0.1', port, noDelay: true })
        : secure(net, port, { ca })) as NonNullable<http.ClientRequestArgs['createConnection']>,
    perMessageDeflate: ca !== undefined,
  });
}

/** Echoes the messages of every client. */
function echoing(server: WebSocketServer): WebSocketServer {
  return server.on('connection', (client) => {
    client.on('message', (data, binary) => client.send(data, { binary }));
  });
}

async function echoOf(client: WebSocket, message: string | Buffer): Promise<Buffer> {
  const heard = once(client, 'message');
  client.send(message);
  const [data, isBinary] = await heard;
  assert.equal(isBinary, typeof message !== 'string');
  return data;
}

async function useClient(client: WebSocket, body: Buffer): Promise<void> {
  await once(client, 'open');
  assert.equal(String(await echoOf(client, 'hello')), 'hello');
  assert.ok((await echoOf(client, body)).equals(body));
  let received = 0;
  const all = new Promise<void>((resolve) => {
    client.on('message', () => {
      received += 1;
      if (received === 200) resolve();
    });
  });
  for (let at = 0; at < 200; at++) client.send(`message ${at}`);
  await all;
  client.ping('still there?');
  const [pong] = await once(client, 'pong');
  assert.equal(String(pong), 'still there?');
  client.close(4001, 'enough');
  const [code, reason] = await once(client, 'close');
  assert.deepEqual([code, String(reason)], [4001, 'enough']);
}

export async function useWebSocket(net: Net): Promise<void> {
  const server = http.createServer();
  const sockets = echoing(new WebSocketServer({ server }));
  const listener = net.serveOn(server);
  await useClient(webSocket(net, await portOf(listener)), BODY);
  sockets.close();
  await closed(listener);
}

/** The same by TLS, compressed, with a server of ws that gets its sockets by hand. */
export async function useSecureWebSocket(net: Net, identity: Identity): Promise<void> {
  const server = https.createServer(identity);
  const sockets = echoing(new WebSocketServer({ noServer: true, perMessageDeflate: true }));
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client));
  });
  const listener = net.serveOn(server);
  const client = webSocket(net, await portOf(listener), identity.cert);
  await useClient(client, BODY.subarray(0, 500_000));
  sockets.close();
  await closed(listener);
}
