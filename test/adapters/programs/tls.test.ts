// Goal: bad certificates, and bytes that are no TLS, end on sockloop/net as on node:net.
// Method: https servers and clients with both ends on it; what each end is told is compared.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Server, Socket } from 'node:net';
import { describe, it } from 'node:test';
import type * as tls from 'node:tls';
import { reasonWithout } from '#test/harness/other-programs.js';
import { compared } from './compared.ts';
import { identitiesOfSuite } from './servers.ts';
import { bytesOf, closed, type Identity, type Net, portOf, secure } from './work/net.ts';

const timeout = 120_000;
const host = '127.0.0.1';

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message;

/** An https server, and the first error of a connection. */
function serve(
  net: Net,
  options: https.ServerOptions,
): { listener: Server; failed: Promise<string> } {
  const server = https.createServer(options, (_, response) => response.end('hello'));
  const failed = new Promise<string>((resolve) => {
    server.once('tlsClientError', (error) => resolve(codeOf(error)));
  });
  return { listener: net.serveOn(server), failed };
}

/** What a request ends with: the body, or why there is none. */
function answered(createConnection: () => unknown): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ createConnection: createConnection as () => Socket });
    request.on('error', (error) => resolve(codeOf(error)));
    request.on('response', (response) => {
      bytesOf(response).then(
        (bytes) => resolve(`${response.statusCode} ${bytes}`),
        (error) => resolve(codeOf(error)),
      );
    });
  });
}

/** A request to a server with `identity`, by a client with `options`. */
async function refused(
  net: Net,
  identity: Identity & https.ServerOptions,
  options: tls.ConnectionOptions,
): Promise<string> {
  const { listener } = serve(net, identity);
  const port = await portOf(listener);
  const client = await answered(() => secure(net, port, options));
  await closed(listener);
  return client;
}

/** What the server is told of a connection that `attack` has its way with. */
async function attacked(
  net: Net,
  options: https.ServerOptions,
  attack: (socket: Socket) => void,
): Promise<string> {
  const { listener, failed } = serve(net, options);
  const socket = net.connect({ host, port: await portOf(listener) });
  socket.on('error', () => undefined).resume();
  const gone = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  attack(socket);
  const found = await failed;
  await gone;
  await closed(listener);
  return found;
}

/** A server of TCP that answers whatever comes with `bytes`, and ends or resets. */
async function answeredBy(net: Net, bytes: string, ca: string): Promise<string> {
  const server = http.createServer();
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(bytes)).resume();
  });
  const listener = net.serveOn(server);
  const port = await portOf(listener);
  const found = await answered(() => secure(net, port, { ca }));
  await closed(listener);
  return found;
}

/** The events of a client whose peer ends the connection, without the last words of TLS. */
async function leftBelow(net: Net, identity: Identity): Promise<string[]> {
  const server = https.createServer(identity);
  const accepted: Socket[] = [];
  const listener = net.serveOn(server).on('connection', (socket) => accepted.push(socket));
  const client = secure(net, await portOf(listener), { ca: identity.cert });
  const events: string[] = [];
  client.on('end', () => events.push('end')).on('error', (error) => events.push(codeOf(error)));
  await once(client, 'secureConnect');
  client.resume();
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
  for (const socket of accepted) socket.end();
  await gone;
  for (const socket of accepted) socket.destroy();
  await closed(listener);
  return events;
}

/** A body whose end never comes: the connection is cut below TLS, without its last words. */
async function truncated(net: Net, identity: Identity, headers: object): Promise<string> {
  const accepted: Socket[] = [];
  const server = https.createServer(identity, (_, response) => {
    response.writeHead(200, { ...headers }).write('some', () => setImmediate(() => cut()));
  });
  const cut = (): void => {
    for (const socket of accepted) socket.end();
  };
  server.on('tlsClientError', () => undefined);
  const listener = net.serveOn(server);
  listener.on('connection', (socket) => accepted.push(socket));
  const port = await portOf(listener);
  const found = await answered(() => secure(net, port, { ca: identity.cert }));
  for (const socket of accepted) socket.destroy();
  await closed(listener);
  return found;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('https on sockets', { skip: reasonWithout('openssl') }, () => {
  const suite = identitiesOfSuite();

  it('certificates that do not hold', { timeout }, (t) =>
    compared(t, async (net) => {
      const { good, wrongName, expired } = suite.made;
      const found = [
        await refused(net, good, { ca: good.cert }),
        await refused(net, good, {}),
        await refused(net, good, { ca: wrongName.cert }),
        await refused(net, wrongName, { ca: wrongName.cert }),
        await refused(net, expired, { ca: expired.cert }),
        await refused(net, expired, { ca: expired.cert, rejectUnauthorized: false }),
        await refused(net, { ...good, minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' }),
      ];
      assert.deepEqual(found.slice(0, 6), [
        '200 hello',
        'DEPTH_ZERO_SELF_SIGNED_CERT',
        'DEPTH_ZERO_SELF_SIGNED_CERT',
        'ERR_TLS_CERT_ALTNAME_INVALID',
        'CERT_HAS_EXPIRED',
        '200 hello',
      ]);
      return found;
    }),
  );

  it('a certificate of the client that is missing', { timeout }, (t) =>
    compared(t, async (net) => {
      const { good, wrongName } = suite.made;
      const server = {
        ...good,
        requestCert: true,
        ca: wrongName.cert,
        maxVersion: 'TLSv1.2' as const,
      };
      return [
        await refused(net, server, { ca: good.cert, ...wrongName }),
        await refused(net, server, { ca: good.cert }),
      ];
    }),
  );

  it('bytes that are no TLS, or a part of it', { timeout }, (t) =>
    compared(t, async (net) => [
      await attacked(net, suite.made.good, (socket) => void socket.write('GET / HTTP/1.1\r\n\r\n')),
      await attacked(
        net,
        suite.made.good,
        (socket) => void socket.write(Buffer.alloc(70_000, 0xff)),
      ),
      await attacked(net, suite.made.good, (socket) => void socket.write(Buffer.alloc(70_000))),
      await attacked(net, suite.made.good, (socket) => void socket.end('\x16\x03\x01\x02')),
      await attacked(net, suite.made.good, (socket) => void socket.end()),
      await attacked(net, { ...suite.made.good, handshakeTimeout: 50 }, (socket) => {
        socket.write('\x16\x03\x01\x02', 'latin1');
      }),
    ]),
  );

  it('a server that speaks no TLS', { timeout }, (t) =>
    compared(t, async (net) => [
      await answeredBy(net, 'HTTP/1.1 400 Bad Request\r\n\r\n', suite.made.good.cert),
      await answeredBy(net, '\x15\x03\x01\x00\x02\x02\x28', suite.made.good.cert),
      await answeredBy(net, '', suite.made.good.cert),
    ]),
  );

  it('a request in TLS to a server without', { timeout }, (t) =>
    compared(t, async (net) => {
      const server = http.createServer();
      const told = new Promise<string>((resolve) => {
        server.on('clientError', (error, socket) => {
          resolve(codeOf(error));
          socket.destroy();
        });
      });
      const listener = net.serveOn(server);
      const port = await portOf(listener);
      const client = await answered(() => secure(net, port, { ca: suite.made.good.cert }));
      const found = [client, await told];
      await closed(listener);
      return found;
    }),
  );

  it('a peer that ends below TLS', { timeout }, (t) =>
    compared(t, (net) => leftBelow(net, suite.made.good)),
  );

  it('an answer that is cut below TLS', { timeout }, (t) =>
    compared(t, async (net) => [
      await truncated(net, suite.made.good, { 'content-length': 1000 }),
      await truncated(net, suite.made.good, { 'transfer-encoding': 'chunked' }),
      await truncated(net, suite.made.good, { connection: 'close' }),
    ]),
  );
});
