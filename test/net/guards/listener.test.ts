// Goal: the guards of a listener go with its other options and with the rest of the library.
// Method: the real kernel, one loop; wrong options; iterators, UNIX sockets, IPv6, streams.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoop, encodeProxyHeader, type Guards, type ProxyProtocolSettings } from 'sockloop';
import { createConnection } from 'sockloop/socket';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';

const timeout = 60_000;
const SOURCE = { family: 'IPv6', address: '2001:db8::7', port: 4711 } as const;
const DESTINATION = { family: 'IPv6', address: '2001:db8::9', port: 443 } as const;
const HEADER = encodeProxyHeader({ source: SOURCE, destination: DESTINATION });

test('guards: an option of a wrong type or value is refused, and nothing listens', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const wrong: readonly unknown[] = [
    5,
    null,
    { allow: '10.0.0.0/8' },
    { deny: ['10.0.0.0/99'] },
    { connectionsPerAddressMax: 0 },
    { connectionsMax: 1.5 },
    { acceptsPerSecondMax: 0 },
    { acceptsPerSecondMax: 10, acceptsBurstMax: 0 },
    { firstByteMs: 0 },
    { firstByteMs: '5' },
    { writeStallMs: -1 },
    { lifetimeMs: 2 ** 31 },
    { queuedBytesMax: -1 },
    { whenQueueFull: 'panic' },
    { onRefused: 5 },
  ];
  const handlers = {};
  const at = { host: '127.0.0.1', port: 0, handlers };
  const isNamed = (error: unknown): boolean =>
    (error instanceof TypeError || error instanceof RangeError) && error.message.length > 10;
  for (const guards of wrong) {
    assert.throws(() => loop.listen({ ...at, guards: guards as Guards }), isNamed);
  }
  const proxies: readonly unknown[] = [
    5,
    {},
    { from: '10.0.0.1' },
    { from: ['10.0.0.1'], required: 1 },
    { from: ['10.0.0.1'], timeoutMs: 0 },
    { from: ['10.0.0.1'], headerBytesMax: 8 },
  ];
  for (const one of proxies) {
    const proxyProtocol = one as ProxyProtocolSettings;
    assert.throws(() => loop.listen({ ...at, proxyProtocol }), isNamed, JSON.stringify(one));
  }
  const path = `${scratch(t)}/a.sock`;
  for (const guards of [{ allow: ['::1'] }, { deny: ['::1'] }, { connectionsPerAddressMax: 1 }]) {
    assert.throws(() => loop.listen({ path, guards, handlers }), /UNIX socket has no addresses/);
  }
  assert.throws(
    () => loop.connect({ ...at, port: 1, proxyProtocol: { source: SOURCE } }),
    /one fam/,
  );
  assert.equal(loop.alive, false);
});

test('guards: connections of an iterator have them too, and its headers', {
  timeout,
}, async (t) => {
  leakCheck(t);
  await using loop = new EventLoop();
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    guards: { lifetimeMs: 60_000, connectionsMax: 1 },
    proxyProtocol: { from: ['127.0.0.0/8'] },
  });
  const running = loop.run();
  const client = await loop.connectAsync({
    host: '127.0.0.1',
    port: listener.port ?? 0,
    proxyProtocol: { source: SOURCE, destination: DESTINATION },
  });
  const answer = client.end('hello\n');
  for await (const connection of listener) {
    assert.deepEqual(connection.remoteAddress, SOURCE);
    for await (const line of connection.lines()) assert.equal(line, 'hello');
    await connection.close();
    listener.close();
  }
  await answer;
  await client.close();
  await running;
});

test('guards: a proxy in front of a UNIX socket, whose clients have addresses', {
  timeout,
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const path = `${scratch(t)}/a.sock`;
  let text = '';
  const listener = loop.listen({
    path,
    guards: { deny: ['2001:db8::/64'] },
    proxyProtocol: { from: ['unix:'] },
    handlers: {
      data: (_, chunk) => {
        text += Buffer.from(chunk).toString();
        listener.close();
      },
    },
  });
  using denied = createConnection({ path });
  denied.sendAll(HEADER);
  using served = createConnection({ path });
  const source = { ...SOURCE, address: '2001:db8:1::7' };
  served.sendAll(encodeProxyHeader({ source, destination: DESTINATION }));
  served.sendAll('hello');
  served.shutdown('write');
  await loop.run();
  assert.equal(text, 'hello');
  assert.equal(listener.stats.refused.denied, 1);
});

test('guards: an IPv6 socket sees IPv4 clients through, and counts them as such', {
  timeout,
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  let told = 0;
  const listener = loop.listen({
    host: null,
    port: 0,
    guards: {
      deny: ['127.0.0.2'],
      connectionsPerAddressMax: 1,
      onRefused: () => {
        told += 1;
        if (told === 2) listener.close();
      },
    },
    handlers: { open: (connection) => connection.end() },
  });
  const at = { host: '127.0.0.1', port: listener.port ?? 0 };
  using first = createConnection(at);
  using second = createConnection(at);
  loop.connect({ ...at, localAddress: '127.0.0.2', handlers: {}, onError: () => undefined });
  first.shutdown('write');
  await loop.run();
  assert.equal(listener.stats.refused.perAddress, 1);
  assert.equal(listener.stats.refused.denied, 1);
  assert.equal(listener.stats.accepted, 1);
  assert.throws(() => second.recv(new Uint8Array(1)), { code: 'ECONNRESET' });
});

test('guards: a stream of node:stream is held and stalls as its connection does', {
  timeout,
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  let error: unknown = null;
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    guards: { writeStallMs: 100, queuedBytesMax: 1 },
    handlers: {
      open: (connection) => {
        listener.close();
        const stream = connection.toDuplex();
        stream.on('error', (failure) => {
          error = failure;
        });
        stream.write(Buffer.alloc(32_000_000));
      },
    },
  });
  using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
  await loop.run();
  assert.ok(error instanceof Error && 'kind' in error && error.kind === 'writeStall');
  assert.equal(listener.stats.refused.writeStall, 1);
  const piece = new Uint8Array(1_000_000);
  assert.throws(
    () => {
      while (client.recv(piece) > 0);
    },
    { code: 'ECONNRESET' },
  );
});

test('guards: 10,000 addresses behind one proxy, and few connections at a time', {
  timeout,
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const count = 10_000;
  const seen = new Set<string>();
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    backlog: 64,
    guards: { connectionsPerAddressMax: 1 },
    proxyProtocol: { from: ['127.0.0.1'] },
    handlers: {
      open: (connection) => {
        const { remoteAddress: from } = connection;
        if (from?.family === 'IPv4') seen.add(from.address);
        connection.reset();
        if (seen.size === count) listener.close();
      },
    },
  });
  let started = 0;
  const start = (): void => {
    if (started === count) return;
    const index = started;
    started += 1;
    const address = `10.1.${index >> 8}.${index & 255}`;
    const source = { family: 'IPv4', address, port: 1 } as const;
    loop.connect({
      host: '127.0.0.1',
      port: listener.port ?? 0,
      proxyProtocol: { version: 1, source, destination: source },
      handlers: { close: start },
    });
  };
  for (let index = 0; index < 16; index++) start();
  await loop.run();
  assert.equal(seen.size, count);
  assert.equal(listener.stats.accepted, count);
});
