// Goal: an echo server of datagrams counts each answer that the kernel does not take once.
// Method: a loop whose sends are refused for a while; the totals at its end.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { EventLoop } from 'sockloop';
import { createBackend } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { EventDatagramServer } from '#tools/echo/datagrams/event-server.js';

test('an answer that the kernel refuses is counted once', { timeout: 60_000 }, async (t) => {
  leakCheck(t);
  const native = nativeSys();
  let refuses = true;
  let refusals = 0;
  const sys = standIn(native, {
    sendmmsg: (...args) => {
      if (!refuses) return native.sendmmsg(...args);
      refusals += 1;
      return -(native.abi.errno['EPERM'] ?? 1);
    },
  });
  const loop = new EventLoop({ backend: createBackend('poll', sys), sys });
  const limits = { perSecond: null, limitsLoopback: false };
  const endpoint = { host: '127.0.0.1', port: 0 };
  using server = new EventDatagramServer(loop, { kind: 'udp', endpoint, limits }, {});
  const { address } = server;
  assert.ok(address.family !== 'UNIX');
  const over = server.run();
  const client = createSocket('udp4');
  const send = async (text: string): Promise<void> => {
    const before = refusals;
    client.send(text, address.port, address.address);
    while (refusals === before) await new Promise((done) => setTimeout(done, 1));
  };
  await send('one');
  await send('two');
  refuses = false;
  client.send('three', address.port, address.address);
  await once(client, 'message');
  client.close();
  server.stop();
  const { received, sent, unsent } = await over;
  assert.deepEqual({ received, sent, unsent }, { received: 3, sent: 1, unsent: 2 });
});
