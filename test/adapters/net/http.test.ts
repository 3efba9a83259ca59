// Goal: servers and clients of Node's own run on sockets of sockloop/net unchanged.
// Method: a real request of http, http2 and TLS, with the server, the client, or both on them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import * as tls from 'node:tls';
import { connect, createServer, type Server, serveOn } from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { leakCheck } from '#test/harness/leaks.js';

const LIMIT_MS = 20_000;
const BODY = Buffer.alloc(300_000, 'all work and no play ');

function begin(t: TestContext): void {
  leakCheck(t);
  const thread = new ThreadLoop();
  useThreadLoop(thread);
  t.after(() => {
    useThreadLoop(null);
    thread.loop.close();
  });
}

async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

async function bodyOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** An HTTP server that echoes bodies, fed by a listener of sockloop/net. */
function echoServer(): { server: http.Server; listener: Server } {
  const server = http.createServer((request, response) => {
    response.setHeader('peer', request.socket.remoteAddress ?? '');
    request.pipe(response);
  });
  return { server, listener: serveOn(server, { port: 0, host: '127.0.0.1' }) };
}

test('net: serveOn feeds a server of node:http', { timeout: LIMIT_MS }, async (t) => {
  begin(t);
  const { listener } = echoServer();
  const port = await portOf(listener);
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body: BODY,
    headers: { connection: 'close' },
  });
  assert.equal(answer.headers.get('peer'), '127.0.0.1');
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(BODY));
  listener.close();
  await once(listener, 'close');
});

test('net: http with both ends on it, and connections kept', { timeout: LIMIT_MS }, async (t) => {
  begin(t);
  const { server, listener } = echoServer();
  let accepted = 0;
  listener.on('connection', () => {
    accepted += 1;
  });
  const port = await portOf(listener);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  Object.assign(agent, {
    createConnection: () => connect({ port, host: '127.0.0.1', noDelay: true }),
  });
  const bodies = Array.from({ length: 20 }, async (_, at) => {
    const request = http.request({ agent, method: 'POST', path: `/${at}` });
    request.end(BODY);
    const [answer] = await once(request, 'response');
    return bodyOf(answer);
  });
  for (const body of await Promise.all(bodies)) assert.ok(body.equals(BODY));
  assert.equal(accepted, 2, 'connections are kept');
  agent.destroy();
  listener.close();
  server.closeAllConnections();
  await once(listener, 'close');
});

test('net: a request that times out is destroyed', { timeout: LIMIT_MS }, async (t) => {
  begin(t);
  const listener = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  const port = await portOf(listener);
  const request = http.get({
    createConnection: () => connect({ port, host: '127.0.0.1', timeout: 20 }),
    timeout: 20,
  });
  request.on('timeout', () => request.destroy(new Error('too late')));
  await assert.rejects(once(request, 'response'), { message: 'too late' });
  listener.close();
  await once(listener, 'close');
});

test('net: http2 in clear text, both ends', { timeout: LIMIT_MS }, async (t) => {
  begin(t);
  const server = http2.createServer();
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const listener = serveOn(server, { port: 0, host: '127.0.0.1' });
  const port = await portOf(listener);
  const client = http2.connect('http://127.0.0.1', {
    createConnection: () => connect(port, '127.0.0.1'),
  });
  const bodies = Array.from({ length: 10 }, () => {
    const stream = client.request({ ':method': 'POST', ':path': '/' });
    stream.end(BODY);
    return bodyOf(stream);
  });
  for (const body of await Promise.all(bodies)) assert.ok(body.equals(BODY));
  client.close();
  await once(client, 'close');
  listener.close();
  await once(listener, 'close');
});

test('net: TLS over sockets of it, both ends', { timeout: LIMIT_MS }, async (t) => {
  begin(t);
  // A shared key needs no certificate.
  const key = Buffer.alloc(32, 7);
  const ciphers = 'PSK-AES128-GCM-SHA256';
  const options = { ciphers, maxVersion: 'TLSv1.2' as const };
  const server = tls.createServer({ ...options, pskCallback: () => key }, (socket) => {
    socket.pipe(socket);
  });
  const listener = serveOn(server, { port: 0, host: '127.0.0.1' });
  const client = tls.connect({
    ...options,
    socket: connect(await portOf(listener), '127.0.0.1'),
    pskCallback: () => ({ psk: key, identity: 'client' }),
    checkServerIdentity: () => undefined,
  });
  client.on('secureConnect', () => assert.equal(client.getCipher().name, ciphers));
  client.end(BODY);
  assert.ok((await bodyOf(client)).equals(BODY));
  listener.close();
  await once(listener, 'close');
});
