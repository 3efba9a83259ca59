// Goal: the promises of a socket tell the truth, its errors are those of the proposal and reach
// both streams, and every order of closing leaves no descriptor and no promise behind.
// Method: peers of node:net that end, reset and refuse, in each state of the socket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type Socket as BlockingSocket, createServer, EventLoop } from 'sockloop';
import { connect, listen, type Socket, SocketError, type SocketOptions } from 'sockloop/web';
import { leakCheck } from '#test/harness/leaks.js';
import { overLoops, pair, pattern, rejection, textOf, until, withNode } from './stage.ts';

const NOWHERE = '127.0.0.1:1';

/** The address of `server`, for connect. */
function formatted(server: BlockingSocket): string {
  const address = server.getSockName();
  assert.ok(address.family === 'IPv4');
  return `${address.address}:${address.port}`;
}

/** How each promise of a socket and of its streams ended. */
async function endOf(socket: Socket): Promise<string[]> {
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  const settled = await Promise.allSettled([
    socket.opened,
    socket.closed,
    reader.closed,
    reader.read(),
    writer.closed,
    writer.write('x'),
  ]);
  return settled.map((result) => {
    if (result.status === 'fulfilled') return 'fulfilled';
    return result.reason?.code ?? result.reason?.message ?? String(result.reason);
  });
}

overLoops('opened tells of both ends', async () => {
  const { client, server } = await pair();
  const [one, other] = await Promise.all([client.opened, server.opened]);
  assert.equal(one.alpn, null);
  assert.match(one.remoteAddress ?? '', /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(
    [one.remoteAddress, one.localAddress],
    [other.localAddress, other.remoteAddress],
  );
  assert.deepEqual([client.secureTransport, client.upgraded], ['off', false]);
  await Promise.all([client.close(), textOf(server.readable), server.closed]);
});

overLoops('IPv6 and UNIX sockets', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'socket');
  for (const address of ['[::1]:0', { hostname: '[::1]', port: 0 }, { path }]) {
    const listener = listen(address);
    const to = listener.port === null ? { path } : `[::1]:${listener.port}`;
    const client = connect(to);
    const server = await listener.accept();
    const { remoteAddress } = await client.opened;
    assert.equal(remoteAddress, listener.port === null ? path : to);
    assert.equal(listener.localAddress, remoteAddress);
    await client.writable.close();
    assert.equal(await textOf(server.readable), '');
    assert.equal(await textOf(client.readable), '');
    await Promise.all([client.closed, server.closed, listener.close()]);
  }
});

overLoops('an address that is refused, and one that has no host', async () => {
  const refused = await endOf(connect(NOWHERE));
  assert.deepEqual(refused, Array(6).fill('ECONNREFUSED'));
  const unknown = await endOf(connect('nowhere.invalid:80'));
  assert.match(unknown[0] ?? '', /^(ENOTFOUND|EAI_AGAIN)$/);
  assert.deepEqual(unknown, Array(6).fill(unknown[0]));
  const error = await rejection(connect(NOWHERE).opened);
  assert.ok(error instanceof SocketError && error instanceof TypeError);
  assert.equal(error.constructor.name, 'SocketError');
  assert.match(error.message, /^SocketError: cannot connect to 127.0.0.1:1: ECONNREFUSED/);
  assert.match(inspect(error), /^SocketError \[TypeError\]: SocketError: cannot connect/);
  assert.equal((error.cause as { syscall: string }).syscall, 'connect');
});

overLoops('written before it is connected', async () => {
  const listener = listen('127.0.0.1:0');
  const socket = connect(`127.0.0.1:${listener.port}`);
  const writer = socket.writable.getWriter();
  const reading = textOf(socket.readable);
  const writing = [writer.write('one '), writer.write('two'), writer.close()];
  const server = await listener.accept();
  const text = await textOf(server.readable);
  assert.equal(text, 'one two');
  await Promise.all([...writing, socket.closed, server.closed, listener.close()]);
  assert.equal(await reading, '');
});

overLoops('closed, aborted and cancelled before it is connected', async () => {
  const listener = listen('127.0.0.1:0');
  const reason = new Error('changed my mind');
  const address = `127.0.0.1:${listener.port}`;
  const closed = connect(address);
  const writing = rejection(closed.writable.getWriter().write('x'));
  const closing = closed.close(reason);
  assert.equal(closing, closed.closed);
  await closing;
  assert.equal(await rejection(closed.opened), reason);
  assert.equal(await writing, reason);

  const aborted = connect(address);
  const writer = aborted.writable.getWriter();
  const write = rejection(writer.write('x'));
  await writer.abort(reason);
  assert.equal(await write, reason);
  assert.equal(await rejection(aborted.opened), reason);
  await aborted.closed;
  assert.equal(await rejection(textOf(aborted.readable)), reason);

  const signalled = connect(address, { signal: AbortSignal.abort(reason) });
  assert.equal(await rejection(signalled.opened), reason);
  await signalled.closed;

  await listener.close();
});

overLoops('cancelled and ended before it is connected', async () => {
  const listener = listen('127.0.0.1:0');
  const socket = connect(`127.0.0.1:${listener.port}`);
  await socket.readable.cancel();
  const close = socket.writable.close();
  const server = await listener.accept();
  assert.equal(await textOf(server.readable), '');
  await Promise.all([close, socket.closed, server.closed, listener.close()]);
});

overLoops('a signal closes the socket, and is left alone behind its end', async () => {
  const controller = new AbortController();
  const { client, server } = await pair({ signal: controller.signal }, {});
  const reading = textOf(client.readable);
  controller.abort(new Error('enough'));
  await client.closed;
  assert.equal(await reading, '');
  assert.match((await rejection(client.writable.getWriter().closed)).message, /enough/);
  await Promise.all([textOf(server.readable), server.closed]);
});

overLoops('the peer resets: idle, reading, writing, half-closed on either side', async () => {
  const stages: Record<string, (socket: Socket) => unknown> = {
    idle: () => undefined,
    reading: (socket) => socket.readable.getReader().read(),
    writing: (socket) => socket.writable.getWriter().write(pattern(30_000_000)),
    finished: (socket) => socket.writable.close(),
    cancelled: (socket) => socket.readable.cancel(),
    piping: (socket) => socket.readable.pipeTo(socket.writable),
  };
  for (const [name, act] of Object.entries(stages)) {
    const { socket, peer } = await withNode({ allowHalfOpen: true });
    const acting = Promise.allSettled([act(socket)]);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    peer.resetAndDestroy();
    const error = await rejection(socket.closed);
    assert.ok(error instanceof SocketError, name);
    assert.match(error.code ?? '', /^(ECONNRESET|EPIPE)$/, name);
    const [acted] = await acting;
    const fails = ['reading', 'writing', 'piping'].includes(name);
    assert.equal(acted?.status, fails ? 'rejected' : 'fulfilled', name);
    if (acted?.status === 'rejected') assert.equal(acted.reason, error, name);
    if (!socket.writable.locked && name !== 'finished') {
      assert.equal(await rejection(socket.writable.getWriter().closed), error, name);
    }
    if (!socket.readable.locked && name !== 'cancelled') {
      assert.equal(await rejection(socket.readable.getReader().closed), error, name);
    }
  }
});

overLoops('what was received before a reset is read before the error', async () => {
  const { socket, peer } = await withNode({ allowHalfOpen: true });
  peer.write('received');
  await until(() => peer.writableLength === 0, 'the bytes are sent');
  await new Promise((resolve) => setTimeout(resolve, 20));
  peer.resetAndDestroy();
  assert.equal((await rejection(socket.closed)).code, 'ECONNRESET');
  const reader = socket.readable.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'received');
  assert.equal((await rejection(reader.read())).code, 'ECONNRESET');
});

overLoops('close delivers what was taken, and ends both streams', async () => {
  const { socket, peer } = await withNode();
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  const reading = reader.read();
  await writer.write('delivered');
  await socket.close();
  assert.deepEqual(await reading, { done: true, value: undefined });
  assert.ok((await rejection(writer.closed)) instanceof SocketError);
  let text = '';
  for await (const chunk of peer) text += chunk;
  assert.equal(text, 'delivered');
  assert.equal(await socket.close(), undefined, 'a second call');
});

/** What `peer` gets to hear behind everything that it has received. */
function endAt(peer: BlockingSocket): string {
  const buffer = new Uint8Array(65_536);
  try {
    while (peer.recv(buffer) > 0);
    return 'end';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

overLoops('close, abort and a wrong chunk cut a write off by a reset', async () => {
  const reason = new Error('no more');
  const ways: Record<string, (socket: Socket, writer: WritableStreamDefaultWriter) => unknown> = {
    close: (socket) => socket.close(reason),
    abort: (_, writer) => writer.abort(reason),
  };
  for (const [name, act] of Object.entries(ways)) {
    using server = createServer({ host: '127.0.0.1', port: 0 });
    const socket = connect(formatted(server));
    await socket.opened;
    // A socket of node:net may take a reset for an end, if it was paused.
    const [accepted] = server.accept();
    using peer = accepted;
    const writer = socket.writable.getWriter();
    const writing = rejection(writer.write(pattern(30_000_000)));
    const behind = rejection(writer.write('behind'));
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    await act(socket, writer);
    assert.deepEqual([await writing, await behind], [reason, reason], name);
    await socket.closed;
    assert.equal(endAt(peer), 'ECONNRESET', name);
  }
  const { socket, peer } = await withNode();
  const heard = once(peer.resume(), 'end').catch((error) => error.code);
  const writer = socket.writable.getWriter();
  assert.match((await rejection(writer.write(7 as never))).message, /not the number 7/);
  await socket.closed;
  assert.ok((await rejection(textOf(socket.readable))) instanceof TypeError);
  assert.equal(await heard, 'ECONNRESET');
});

overLoops('disposal delivers what was written', async () => {
  const { socket, peer } = await withNode();
  const bytes = pattern(3_000_000);
  const done = (async () => {
    await using client = socket;
    void client.writable.getWriter().write(bytes);
  })();
  let received = 0;
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) received += chunk.length;
  assert.equal(received, bytes.length);
  peer.end();
  await done;
  await socket[Symbol.asyncDispose]();
});

overLoops('the loop is closed: every promise is settled', async (_, thread) => {
  const { client, server } = await pair();
  const connecting = connect(NOWHERE);
  const listener = listen('127.0.0.1:0');
  const accepting = rejection(listener.accept());
  const reading = rejection(client.readable.getReader().read());
  const writing = rejection(client.writable.getWriter().write(pattern(30_000_000)));
  const ends = [client, server, connecting, listener].map(({ closed }) => rejection(closed));
  thread.loop.close();
  for (const error of await Promise.all([...ends, accepting, reading, writing])) {
    assert.ok(error instanceof SocketError, String(error));
  }
  assert.ok((await rejection(connecting.opened)) instanceof SocketError);
});

test('web: a loop of the program', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const listener = listen('127.0.0.1:0', { loop });
  const client = connect(`127.0.0.1:${listener.port}`, { loop });
  const talk = (async () => {
    const server = await listener.accept();
    await Promise.all([server.writable.getWriter().write('hello'), listener.close()]);
    await server.close();
  })();
  const text = textOf(client.readable);
  await loop.run();
  await talk;
  assert.equal(await text, 'hello');
});

test('web: addresses and options that are none', () => {
  const wrong = [
    '',
    'host',
    'host:',
    ':80',
    'host:65536',
    'host:-1',
    'host:8x',
    '::1:80',
    'http://host:80',
    'host:80/path',
    7,
    null,
    undefined,
    {},
    { hostname: 'host' },
    { port: 80 },
    { hostname: '', port: 80 },
    { hostname: 7, port: 80 },
    { hostname: 'host', port: '80' },
    { hostname: 'host', port: 1.5 },
    { hostname: 'host', port: -1 },
    { hostname: 'host', port: 65_536 },
    { path: 7 },
    { path: '/'.repeat(200) },
  ];
  for (const address of wrong) {
    const name = JSON.stringify(address) ?? 'undefined';
    assert.throws(() => connect(address as never), SocketError, name);
    assert.throws(() => connect(address as never), /^TypeError: SocketError: /, name);
  }
  const options: [SocketOptions, ErrorConstructor | TypeErrorConstructor][] = [
    [null as never, TypeError],
    [{ secureTransport: 'yes' as never }, TypeError],
    [{ allowHalfOpen: 1 as never }, TypeError],
    [{ highWaterMark: -1 }, RangeError],
    [{ highWaterMark: '1' as never }, TypeError],
    [{ signal: {} as never }, TypeError],
    [{ loop: {} as never }, TypeError],
  ];
  for (const [option, type] of options) {
    assert.throws(() => connect(NOWHERE, option), type, inspect(option));
  }
});
