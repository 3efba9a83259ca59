// Goal: sockets and servers of sockloop/net leave no timer, no listener of an event and no hold of
// the process behind, and connects try every address in its time.
// Method: each at the moment at which something of it is under way; lookups that are made up.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { BlockList, type LookupFunction } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, createServer, type Server, type Socket } from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Counts what keeps the process alive. */
class CountedLoop extends ThreadLoop {
  holds = 0;

  override hold(): void {
    this.holds += 1;
    super.hold();
  }

  override release(): void {
    this.holds -= 1;
    super.release();
  }
}

/** The loop of the sockets of a test, of which nothing may be left. */
function looped(t: TestContext): CountedLoop {
  leakCheck(t);
  const thread = new CountedLoop();
  useThreadLoop(thread);
  t.after(() => {
    useThreadLoop(null);
    thread.loop.close();
  });
  return thread;
}

async function listening(
  host = '127.0.0.1',
  options = {},
): Promise<{ server: Server; port: number }> {
  const server = createServer(options, (socket) => socket.on('error', () => undefined).resume());
  server.listen(0, host);
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

/** A lookup that gives `addresses`. */
function giving(...addresses: readonly string[]): LookupFunction {
  return (_host, _options, done) => {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    process.nextTick(done, null, found);
  };
}

function keepBusy(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

async function closed(...ends: readonly (Socket | Server)[]): Promise<void> {
  await Promise.all(ends.map((end) => once(end, 'close')));
}

test('net: what is closed holds the process no more', async (t) => {
  const thread = looped(t);
  const { server, port } = await listening();
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  assert.ok(thread.holds > 1);
  socket.end();
  server.close();
  await closed(socket, server);
  for (let turn = 0; thread.holds > 0 && turn < 100; turn++) await delay(1);
  assert.equal(thread.holds, 0);
});

test('net: the last address has all the time that it takes', async (t) => {
  looped(t);
  const { server, port } = await listening();
  const socket = connect({ port, host: '127.0.0.1', autoSelectFamilyAttemptTimeout: 10 });
  // Node's timers come before the turn that would tell of the connection.
  socket.once('connectionAttempt', () => process.nextTick(keepBusy, 30));
  await once(socket, 'connect');
  socket.destroy();
  server.close();
  await closed(socket, server);
});

test('net: a connect that is given up tries no further address', async (t) => {
  looped(t);
  const events: string[] = [];
  const { server, port } = await listening();
  const lookup = giving('127.0.0.1', '127.0.0.2');
  const socket = connect({ port, host: 'two', lookup, autoSelectFamilyAttemptTimeout: 10 });
  for (const event of ['connectionAttempt', 'connectionAttemptTimeout'] as const) {
    socket.on(event, (address: string) => events.push(`${event} ${address}`));
  }
  socket.once('connectionAttempt', () => {
    process.nextTick(() => {
      socket.destroy();
      keepBusy(15);
    });
  });
  await closed(socket);
  await delay(20);
  assert.deepEqual(events, ['connectionAttempt 127.0.0.1']);
  server.close();
  await closed(server);
});

test('net: every address is tried, also where one family has more than the other', async (t) => {
  looped(t);
  const { server, port } = await listening();
  server.close();
  await closed(server);
  for (const [addresses, order] of [
    [
      ['127.0.0.1', '::1', '::1'],
      ['127.0.0.1', '::1', '::1'],
    ],
    [
      ['127.0.0.1', '127.0.0.2', '::1'],
      ['127.0.0.1', '::1', '127.0.0.2'],
    ],
  ] as const) {
    const socket = connect({ port, host: 'some', lookup: giving(...addresses) });
    const [error] = (await once(socket, 'error')) as [AggregateError];
    assert.equal(error.errors.length, 3);
    assert.deepEqual(
      socket.autoSelectFamilyAttemptedAddresses,
      order.map((address) => `${address}:${port}`),
    );
    if (!socket.closed) await closed(socket);
  }
});

test('net: a server refuses what its list has of IPv6, too', async (t) => {
  looped(t);
  const blockList = new BlockList();
  blockList.addAddress('::1', 'ipv6');
  const { server, port } = await listening('::1', { blockList });
  server.on('connection', () => assert.fail('it is on the list'));
  const socket = connect(port, '::1')
    .on('error', () => undefined)
    .resume();
  await closed(socket);
  server.close();
  await closed(server);
});

test('net: a timeout keeps no process, is taken back, and comes not after the end', async (t) => {
  looped(t);
  const { server, port } = await listening();
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const told = (): void => assert.fail('it was taken back');
  socket.setTimeout(1_000_000, told);
  assert.equal(timers(), before);
  socket.setTimeout(0, told);
  assert.equal(socket.listenerCount('timeout'), 0);
  socket.setTimeout(5);
  socket.once('timeout', () => assert.fail('it is over'));
  socket.destroy();
  await closed(socket);
  await delay(15);
  server.close();
  await closed(server);
});

test('net: a write before the connection is done once', async (t) => {
  looped(t);
  const { server, port } = await listening();
  const socket = connect(port, '127.0.0.1');
  const before = socket.listenerCount('close');
  let done = 0;
  socket.write('early', () => {
    done += 1;
  });
  await once(socket, 'connect');
  await delay(1);
  assert.equal(socket.listenerCount('close'), before);
  socket.destroy();
  await closed(socket);
  assert.equal(done, 1);
  server.close();
  await closed(server);
});

test('net: a socket that connects anew forgets its earlier peer', async (t) => {
  looped(t);
  const [first, second] = [await listening(), await listening()];
  const socket = connect(first.port, '127.0.0.1');
  await once(socket, 'connect');
  assert.equal(socket.remotePort, first.port);
  socket.destroy();
  await closed(socket);
  socket.connect(second.port, '127.0.0.1');
  await once(socket, 'connect');
  assert.equal(socket.remotePort, second.port);
  socket.destroy();
  for (const { server } of [first, second]) server.close();
  await closed(socket, first.server, second.server);
});
