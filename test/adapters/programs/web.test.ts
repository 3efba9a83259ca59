// Goal: servers and clients of the web run on sockets of sockloop/net as on those of node:net.
// Method: http, https and http2 of Node, ws and undici do their ordinary work with both ends on it.

import { describe, it } from 'node:test';
import { reasonWithout } from '#test/harness/other-programs.js';
import { compared } from './compared.ts';
import { identitiesOfSuite } from './servers.ts';
import { useHttp, useHttps } from './work/http.ts';
import { useHttp2 } from './work/http2.ts';
import { useUndici } from './work/undici.ts';
import { useSecureWebSocket, useWebSocket } from './work/websocket.ts';

const timeout = 120_000;

describe('programs of the web', { skip: reasonWithout('openssl') }, () => {
  const suite = identitiesOfSuite();

  it('http: a server and an agent', { timeout }, (t) => compared(t, useHttp));

  it('https: a server and an agent', { timeout }, (t) =>
    compared(t, (net) => useHttps(net, suite.made.good)),
  );

  it('http2: a server and a session by TLS', { timeout }, (t) =>
    compared(t, (net) => useHttp2(net, suite.made.good)),
  );

  it('ws: servers and clients, by TLS and without', { timeout }, (t) =>
    compared(t, async (net) => {
      await useWebSocket(net);
      await useSecureWebSocket(net, suite.made.good);
    }),
  );

  it('undici: a pool, by TLS and http2', { timeout }, (t) =>
    compared(t, (net) => useUndici(net, suite.made.good)),
  );
});
