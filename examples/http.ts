// HTTP over sockloop: a server of node:http, whose connections come from a loop.
//
//   node build/examples/http.js [PORT]
//
// `curl http://127.0.0.1:7007` greets, `curl -T FILE http://127.0.0.1:7007` sends the file back.
// Ctrl-C answers what was asked, for at most five seconds, and ends.

import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { serveOn } from 'sockloop/net';

// express, fastify and others give such a server too. It does not listen itself.
const httpServer = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(`hello ${request.socket.remoteAddress}\n`);
    return;
  }
  pipeline(request, response).catch((error: Error) => console.error(`a client: ${error.message}`));
});

const server = serveOn(httpServer, {
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? '7007'),
});
server.on('listening', () => {
  const { port } = server.address() as { port: number };
  console.log(`listening on port ${port}`);
});

process.once('SIGINT', () => {
  server.close();
  // Connections that are kept alive would keep the process alive.
  httpServer.closeIdleConnections();
  setTimeout(() => httpServer.closeAllConnections(), 5000).unref();
});
