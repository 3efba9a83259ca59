import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Connection, EventLoop, Socket } from 'sockloop';
import { leakCheck } from '#test/harness/leaks.js';
import { startLoad } from '#tools/load/engine/run.js';
import { errorsOf, planFor, sharedServers } from '../servers.ts';

const servers = sharedServers('echo');

/** The loopback network has more than one address. */
const manyLoopbacks =
  process.platform === 'linux' ? false : 'only Linux has 127.0.0.2 without being told';

function freePort(): number {
  using socket = new Socket('IPv4');
  socket.bind({ address: '127.0.0.1', port: 0 });
  const name = socket.getSockName();
  assert(name.family === 'IPv4');
  return name.port;
}

test('a connection comes from the address and port that were asked for', {
  skip: manyLoopbacks,
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const accepted: (Connection['remoteAddress'] | undefined)[] = [];
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { open: (connection) => accepted.push(connection.remoteAddress) },
  });
  assert(server.address.family === 'IPv4');
  const { port } = server.address;
  const localPort = freePort();
  const locals = [
    { localAddress: '127.0.0.3' },
    { localPort },
    { localAddress: '127.0.0.4', localPort },
  ];
  let open = 0;
  for (const local of locals) {
    loop.connect({
      host: '127.0.0.1',
      port,
      ...local,
      timeoutMs: 2000,
      handlers: {
        open: (connection) => {
          const own = connection.localAddress;
          assert(own?.family === 'IPv4');
          if (local.localAddress !== undefined) assert.equal(own.address, local.localAddress);
          if (local.localPort !== undefined) assert.equal(own.port, local.localPort);
          connection.reset();
          open += 1;
          if (open === locals.length) server.close();
        },
      },
    });
  }
  await loop.run();
  assert.equal(open, 3);
});

test('what cannot be connected from is an error that names it', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const failures: string[] = [];
  const attempt = (local: { localAddress?: string; localPort?: number }): void => {
    loop.connect({
      host: '127.0.0.1',
      port: 1,
      ...local,
      handlers: {},
      onError: (error) => failures.push(error.message),
    });
  };
  attempt({ localAddress: '192.0.2.1' });
  attempt({ localAddress: '::1' });
  await loop.run();
  assert.deepEqual(failures.toSorted(), [
    'cannot connect from 192.0.2.1:0: EADDRNOTAVAIL (cannot assign requested address)',
    'cannot connect from ::1 to 127.0.0.1: another family',
  ]);
  assert.throws(() => attempt({ localAddress: 'localhost' }), RangeError);
  assert.throws(() => attempt({ localPort: 70_000 }), RangeError);
  assert.throws(
    () => loop.connect({ path: '/a', localPort: 5, handlers: {} }),
    /a UNIX path has neither/,
  );
});

test('the source addresses of a run take turns, and so do the ports', {
  skip: manyLoopbacks,
}, async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const first = 20_000 + (process.pid % 10_000);
  const document = await startLoad(
    planFor(port, {
      threads: 2,
      connections: 8,
      sourceAddresses: ['127.0.0.5', '127.0.0.6'],
      sourcePorts: [first, first + 7],
    }),
  ).done;
  assert.deepEqual(errorsOf(document), {});
  assert.equal(document.counts.connections, 8);
});

test('connects that find no local port count as a lack of resources', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const localPort = freePort();
  using holder = new Socket('IPv4');
  holder.bind({ address: '127.0.0.1', port: localPort });
  const document = await startLoad(
    planFor(port, {
      connections: 1,
      sourcePorts: [localPort, localPort],
      sourceAddresses: ['127.0.0.1'],
    }),
  ).done;
  assert.deepEqual(Object.keys(errorsOf(document)), ['resources']);
  assert.match(document.verdict.reasons.join('; '), /lack of descriptors or local ports/);
});

test('UNIX sockets and names', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const named = await startLoad(planFor(port, { endpoint: { host: 'localhost', port } })).done;
  assert.deepEqual(errorsOf(named), {});
  assert(named.counts.messages > 0);
  const path = join(tmpdir(), `sockloop-load-${process.pid}`);
  t.after(() => rmSync(path, { force: true }));
  const absent = await startLoad(planFor(0, { endpoint: { path } })).done;
  assert.deepEqual(Object.keys(errorsOf(absent)), ['refused']);
  const nowhere = startLoad(planFor(0, { endpoint: { host: 'nowhere.invalid', port: 1 } }));
  await assert.rejects(nowhere.done, /cannot resolve "nowhere.invalid"/);
});
