// Goal: a handshake that is done, given up or late leaves no timer, no signal and no connection
// behind, and what is told is told once.
// Method: peers of node:net that say nothing, or a ClientHello in pieces.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import type { Connection } from '#src/index.js';
import { connect, startTls } from '#src/net/tls/index.js';
import {
  authority,
  client,
  Heard,
  localhost,
  open,
  over,
  scenario,
  server,
  until,
} from './scenario.ts';

/** A listener of node:net whose connections get no answer. */
async function silentServer(): Promise<{ port: number; close: () => void; sockets: net.Socket[] }> {
  const sockets: net.Socket[] = [];
  const silent = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).resume();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as net.AddressInfo;
  return { port, close: () => silent.close(), sockets };
}

scenario('the time of a connect bounds the handshake, too', async (s) => {
  const { port, close } = await silentServer();
  const startMs = performance.now();
  const asked = client(s, port, { timeoutMs: 40 });
  await over(asked);
  assert.equal(asked.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
  assert.ok(performance.now() - startMs < 5000);
  close();
});

scenario('a connect that is cancelled in its handshake closes the connection', async (s) => {
  const { port, close, sockets } = await silentServer();
  const heard = new Heard();
  const connector = connect(s.loop, {
    host: '127.0.0.1',
    port,
    handshakeTimeoutMs: 2 ** 31 - 1,
    handlers: heard.handlers(),
    onError: (error) => heard.failed(error),
  });
  await until(() => sockets.length === 1);
  connector.cancel();
  await until(() => sockets[0]?.destroyed === true);
  assert.deepEqual([connector.connecting, heard.error, heard.events], [false, null, []]);
  close();
});

scenario('a listener that is shut down gives up its handshakes', async (s) => {
  const { listener, port } = server(s, { handshakeTimeoutMs: 2 ** 31 - 1 });
  const silent = net
    .connect(port, '127.0.0.1')
    .on('error', () => undefined)
    .resume();
  await until(() => listener.handshakes === 1);
  assert.deepEqual(await listener.shutdown(), { ended: 0, reset: 0 });
  await until(() => silent.destroyed && listener.handshakes === 0);
});

scenario('what is over leaves no timer, and a signal is heard no more', async (s) => {
  const { heard, listener, port } = server(s);
  const controller = new AbortController();
  const asked = client(s, port, { signal: controller.signal });
  const here = await open(asked);
  const there = await open(heard);
  controller.abort();
  await delay(5);
  assert.deepEqual([asked.error, here.isOpen], [null, true], 'it was heard until the handshake');
  there.write('one');
  await until(() => asked.text === 'one');
  there.write('two');
  await until(() => asked.text === 'onetwo' && asked.sessions.length > 0);
  const sessions = asked.sessions.map((session) => Buffer.from(session).toString('hex'));
  assert.equal(new Set(sessions).size, sessions.length, 'each session once');
  here.end();
  await over(asked, heard);
  listener.close();
  const endMs = performance.now() + 5000;
  await until(() => !s.loop.alive || performance.now() > endMs);
  assert.equal(s.loop.alive, false, 'no timer of the handshakes');
});

scenario('drain is told once for each write that was too much', async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port);
  const here = await open(asked);
  const there = await open(heard);
  there.pause();
  const large = Buffer.alloc(4 * 1024 * 1024);
  assert.equal(here.write(large), false);
  there.resume();
  await until(() => asked.events.includes('drain'));
  for (let count = 1; count <= 3; count++) {
    assert.equal(here.write('x'), true);
    await until(() => heard.bytes === large.length + count);
  }
  assert.deepEqual(asked.events, ['open', 'drain']);
  here.end();
  await over(asked, heard);
  listener.close();
});

scenario('TLS on a paused connection gets what has come in its order', async (s) => {
  const heard = new Heard();
  const pieces: Uint8Array[] = [];
  const plain: Connection<unknown>[] = [];
  const listener = s.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      data: (connection, chunk) => {
        plain.push(connection);
        pieces.push(chunk);
        connection.pause();
      },
    },
  });
  const below = net.connect(listener.port ?? 0, '127.0.0.1').on('error', () => undefined);
  let isFirst = true;
  const pair = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      const cut = isFirst ? 20 : 0;
      isFirst = false;
      if (cut > 0) below.write(chunk.subarray(0, cut));
      // The rest of the ClientHello waits in the socket.
      void until(() => cut === 0 || plain.length > 0).then(() =>
        below.write(chunk.subarray(cut), done),
      );
    },
  });
  below.on('data', (chunk: Buffer) => pair.push(chunk));
  const socket = tls.connect({ socket: pair, ca: authority.cert, servername: 'localhost' });
  await until(() => plain.length > 0 && below.bytesWritten > 200);
  const [connection] = plain;
  const [head] = pieces;
  assert.ok(connection !== undefined && head !== undefined);
  startTls(connection, {
    isServer: true,
    tls: { ...localhost },
    head,
    handlers: heard.handlers(),
    onError: (error) => heard.failed(error),
  });
  await until(() => socket.authorized || heard.error !== null);
  assert.equal(heard.error, null);
  socket.write('hello');
  await until(() => heard.text === 'hello');
  heard.connection?.reset();
  await over(heard);
  below.destroy();
  socket.destroy();
  listener.close();
});
