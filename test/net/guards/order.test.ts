// Goal: what comes behind a PROXY header in pieces is whole, and guards ask in their order.
// Method: raw clients of a listener on one loop, turned until they have been seen.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EventLoop, type Guards, type ProxyProtocolSettings, RefusalError } from 'sockloop';
import { createConnection, type Socket } from 'sockloop/socket';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';

const TURNS_MAX = 2000;

function guarded(t: TestContext, guards: Guards, proxyProtocol?: ProxyProtocolSettings) {
  leakCheck(t);
  const loop = new EventLoop();
  const kinds: string[] = [];
  let text = '';
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    guards: {
      ...guards,
      onRefused: (error) => kinds.push(error instanceof RefusalError ? error.kind : 'other'),
    },
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    handlers: {
      data: (_, chunk) => {
        text += Buffer.from(chunk).toString();
      },
    },
  });
  const clients: Socket[] = [];
  t.after(() => {
    for (const client of clients) client.close();
    loop.close();
  });
  return {
    kinds,
    text: () => text,
    connect: (): Socket => {
      const client = createConnection({ host: '127.0.0.1', port: portOf(listener) });
      clients.push(client);
      return client;
    },
    turn: (): void => loop.turn(1),
    until: (done: () => boolean): void => {
      for (let turn = 0; !done(); turn++) {
        assert.ok(turn < TURNS_MAX, 'waited in vain');
        loop.turn(1);
      }
    },
  };
}

test("guards: what comes with the last piece of a PROXY header is the client's, all of it", (t) => {
  const { connect, turn, until, text } = guarded(t, {}, { from: ['127.0.0.1'] });
  const client = connect();
  client.sendAll('PROXY TCP4 192.0.2.1 ');
  for (let count = 0; count < 5; count++) turn();
  client.sendAll('192.0.2.9 4711 443\r\nhello');
  until(() => text() !== '');
  assert.equal(text(), 'hello');
});

test('guards: an address that is refused takes no share of the accepts', (t) => {
  const { connect, until, kinds } = guarded(t, {
    deny: ['127.0.0.1'],
    acceptsPerSecondMax: 1,
    acceptsBurstMax: 1,
  });
  for (const count of [1, 2, 3]) {
    connect();
    until(() => kinds.length === count);
  }
  assert.equal(new Set(kinds).size, 1);
  assert.notEqual(kinds[0], 'acceptRate');
});

test('guards: those that wait for their PROXY header are connections of the limit', (t) => {
  const { connect, turn, until, kinds } = guarded(
    t,
    { connectionsMax: 1 },
    { from: ['127.0.0.1'] },
  );
  connect();
  for (let count = 0; count < 5; count++) turn();
  connect();
  until(() => kinds.length === 1);
  assert.deepEqual(kinds, ['connections']);
});
