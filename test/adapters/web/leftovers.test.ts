// Goal: what a listener or a socket of sockloop/web gives up leaves no client, signal or promise.
// Method: each end in the moment in which something is under way, on each loop that is compared.

import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { getEventListeners, once } from 'node:events';
import { connect as connectNode } from 'node:net';
import { test } from 'node:test';
import { EventLoop, nativeSys } from 'sockloop';
import { connect, listen } from 'sockloop/web';
import { createBackend } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { overLoops, rejection, until } from './stage.ts';

const LOOPBACK = { hostname: '127.0.0.1', port: 0 };

overLoops('a client that comes as its stream is cancelled is closed', async (_, thread) => {
  const listener = listen(LOOPBACK);
  const reader = listener.readable.getReader();
  const read = reader.read();
  const opened = channel('sockloop.connection.open');
  const cancel = (message: unknown): void => {
    if ((message as { listener: unknown }).listener === null) return;
    // In the same turn, behind the client.
    thread.loop.defer(() => void reader.cancel());
  };
  opened.subscribe(cancel);
  const client = connectNode(listener.port ?? 0, '127.0.0.1')
    .on('error', () => undefined)
    .resume();
  await once(client, 'close');
  opened.unsubscribe(cancel);
  assert.equal((await read).value, undefined);
  await listener.closed;
});

overLoops('it accepts no more than was asked for', async (_, thread) => {
  const listener = listen(LOOPBACK);
  const clients = [connect(`127.0.0.1:${listener.port}`)];
  const first = await listener.accept();
  const before = thread.loop.stats().accepted;
  for (let count = 0; count < 3; count++) {
    const client = connect(`127.0.0.1:${listener.port}`);
    clients.push(client);
    await client.opened;
  }
  // One may be on its way.
  assert.ok(
    thread.loop.stats().accepted - before <= 1,
    'the others wait in the queue of listen(2)',
  );
  await listener.close();
  await Promise.allSettled([first, ...clients].map((socket) => socket.close()));
});

overLoops('a listener that is closed hears of its signal no more', async () => {
  const controller = new AbortController();
  const listener = listen(LOOPBACK, { signal: controller.signal });
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1);
  await listener.close();
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

overLoops('a socket that is closed before its TLS begins ends the one for TLS', async () => {
  const listener = listen(LOOPBACK);
  const socket = connect(`127.0.0.1:${listener.port}`, { secureTransport: 'starttls' });
  const secure = socket.startTls();
  await socket.close();
  const late = new Promise((resolve) => setTimeout(resolve, 5000, 'late').unref());
  for (const promise of [secure.opened, secure.closed]) {
    assert.notEqual(await Promise.race([rejection(promise), late]), 'late');
  }
  await listener.close();
});

overLoops('disposal leaves no timer', async () => {
  const listener = listen(LOOPBACK);
  const client = connect(`127.0.0.1:${listener.port}`);
  const server = await listener.accept();
  await client.opened;
  const both = [client[Symbol.asyncDispose](), server[Symbol.asyncDispose]()];
  await Promise.all(both);
  await listener.close();
});

test('web: a listener out of descriptors goes on', async (t) => {
  leakCheck(t);
  const native = nativeSys();
  let refusals = 0;
  const refusing =
    <Args extends unknown[]>(call: (...args: Args) => number) =>
    (...args: Args): number => {
      refusals += 1;
      return refusals > 2 ? call(...args) : -native.abi.errno.EMFILE;
    };
  const sys = standIn(native, {
    accept4: refusing(native.accept4.bind(native)),
    accept: refusing(native.accept.bind(native)),
  });
  using loop = new EventLoop({ backend: createBackend('poll', sys), sys });
  loop.attach();
  const listener = listen(LOOPBACK, { loop });
  const client = connect(`127.0.0.1:${listener.port}`, { loop });
  const server = await listener.accept();
  assert.ok(refusals > 2);
  await Promise.all([client.close(), server.close(), listener.close()]);
  await until(() => !loop.alive, 'every socket is closed');
});
