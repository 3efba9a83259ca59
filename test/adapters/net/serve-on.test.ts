// Goal: an HTTP server behind serveOn has its timeouts, and can close its connections.
// Method: a server whose connections may be idle for ever is asked to close one that is, and a
// client sends half of a head.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { serveOn } from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { bounded, closed, dial, dismissed, heard, talk } from '#test/harness/clients.js';
import { leakCheck } from '#test/harness/leaks.js';

test('net: an HTTP server of serveOn tracks its connections', { timeout: 120_000 }, async (t) => {
  leakCheck(t);
  const thread = new ThreadLoop();
  useThreadLoop(thread);
  t.after(() => {
    useThreadLoop(null);
    thread.loop.close();
  });
  const options = { connectionsCheckingInterval: 20, headersTimeout: 100, keepAliveTimeout: 0 };
  const httpServer = createServer(options, (_, response) => response.end('hello'));
  const server = serveOn(httpServer, { port: 0, host: '127.0.0.1' });
  t.after(() => {
    httpServer.close();
    httpServer.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };

  const answer = await talk({ port }, 'GET / HTTP/1.1\r\nhost: half', 'stay');
  assert.match(`${answer}`, /^HTTP\/1[.]1 408 Request Timeout/);

  const idle = await dial({ port });
  idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  assert.match(`${await heard(idle)}`, /hello/);
  httpServer.closeIdleConnections();
  await dismissed(idle);

  const accepted = once(server, 'connection');
  const busy = await dial({ port });
  await bounded(accepted, 'the connection');
  httpServer.closeAllConnections();
  await dismissed(busy);
  await closed(busy);
});
