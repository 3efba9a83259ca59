// Goal: `ThreadedServer` by itself, for a platform whose accept(2) cannot be bounded, and with a
// listener that is broken. What it does as a program: test/tools/cli/serve/threads.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from '#src/socket/create.js';
import { Socket as Listener } from '#src/socket/socket.js';
import { nativeSys } from '#src/sys/native.js';
import { closed, dial, heard, talk } from '#test/harness/clients.js';
import { leakCheck } from '#test/harness/leaks.js';
import { ThreadedServer } from '#tools/echo/threads/server.js';

const timeout = 60_000;

test('threads: where accept(2) cannot be bounded, it polls before', { timeout }, async (t) => {
  leakCheck(t);
  const native = nativeSys();
  const behaviours = { ...native.abi.behaviours, timeoutsBoundAcceptAndConnect: false };
  const sys = Object.create(native, { abi: { value: { ...native.abi, behaviours } } });
  using listener = createServer({ host: '127.0.0.1', port: 0 });
  const address = listener.getSockName();
  assert.ok(address.family === 'IPv4');
  const server = new ThreadedServer(listener, { mode: 'echo', threads: 4, sys });
  const over = server.run();
  const { port } = address;
  const replies = await Promise.all(Array.from({ length: 20 }, () => talk({ port }, 'hello')));
  assert.ok(replies.every((reply) => reply.toString() === 'hello'));
  server.stop();
  server.stop();
  const sums = { connections: 20, failed: 0, turnedAway: 0, receivedBytes: 100, sentBytes: 100 };
  const totals = { ...sums, unacknowledgedBytes: 0 };
  assert.deepEqual(await over, totals);
  assert.deepEqual([server.totals, server.threads, server.acceptFailures], [totals, 0, 0]);
});

test('threads: a pool that grows serves clients as its threads start, a few at a time', {
  timeout: 2 * timeout,
}, async (t) => {
  leakCheck(t);
  using listener = createServer({ host: '127.0.0.1', port: 0 });
  const address = listener.getSockName();
  assert.ok(address.family === 'IPv4');
  let accepted = 0;
  let unready = 0;
  const server = new ThreadedServer(listener, {
    mode: 'echo',
    watched: true,
    observer: {
      accepted: () => {
        unready = Math.max(unready, server.threads - accepted);
        accepted += 1;
      },
    },
  });
  const over = server.run();
  const { port } = address;
  const clients = await Promise.all(Array.from({ length: 40 }, () => dial({ port })));
  for (const client of clients) client.write('hello');
  await Promise.all(clients.map(heard));
  await Promise.all(clients.map(closed));
  server.stop();
  assert.equal((await over).connections, 40);
  // Half as many as there are would be 14 at a time, for which the next client waits.
  assert.ok(unready <= 10, `${unready} threads start while clients wait`);
});

test('threads: a broken listener ends it with the reason', { timeout }, async (t) => {
  leakCheck(t);
  // It was never told to listen.
  using listener = new Listener('IPv4');
  const server = new ThreadedServer(listener, { mode: 'echo', threads: 2 });
  await assert.rejects(server.run(), { code: 'EINVAL' });
  assert.throws(() => new ThreadedServer(listener, { mode: 'echo', threads: 0 }), RangeError);
});
