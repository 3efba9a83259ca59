/** http2 by TLS and ALPN: a server that is fed with sockets, a session on one of the program's. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
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

/** A server that echoes, for http2 and http alike. */
export function http2Server(identity: Identity): http2.Http2SecureServer {
  const server = http2.createSecureServer({ ...identity, allowHTTP1: true });
  return server.on('request', (request, response) => request.pipe(response));
}

/** A session with the server at `port`. */
export function http2Session(net: Net, port: number, ca: string): http2.ClientHttp2Session {
  return http2.connect(`https://localhost:${port}`, {
    createConnection: () => secure(net, port, { ca, ALPNProtocols: ['h2'] }),
  });
}

function echoOf(session: http2.ClientHttp2Session, body: Uint8Array): Promise<Buffer> {
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.end(body);
  return bytesOf(stream);
}

export async function useHttp2(net: Net, identity: Identity): Promise<void> {
  const listener = net.serveOn(http2Server(identity));
  const port = await portOf(listener);
  const session = http2Session(net, port, identity.cert);
  await once(session, 'connect');
  assert.equal(session.alpnProtocol, 'h2');
  const small = Array.from({ length: 40 }, (_, at) => Buffer.from(`body ${at}`));
  const echoes = await Promise.all([BODY, ...small].map((body) => echoOf(session, body)));
  assertBody(echoes.shift() ?? Buffer.alloc(0));
  assert.deepEqual(echoes, small);
  await new Promise((resolve) => session.ping(resolve));
  session.close();
  await once(session, 'close');
  // The same port speaks HTTP 1 with those who ask for no other.
  const request = https.request({
    method: 'POST',
    createConnection: () => secure(net, port, { ca: identity.cert, ALPNProtocols: ['http/1.1'] }),
    headers: { connection: 'close' },
  });
  request.end('an old one');
  const [response] = await once(request, 'response');
  assert.equal(response.httpVersion, '1.1');
  assert.equal(String(await bytesOf(response)), 'an old one');
  await closed(listener);
}
