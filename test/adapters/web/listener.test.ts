// Goal: a listener gives its clients by accept, by iteration and as a stream, holds the others back
// when nobody asks, and ends in every way without a client or a promise left.
// Method: clients of node:net and of sockloop/web, on each loop that is compared.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectNode } from 'node:net';
import { connect, listen, type Socket, SocketError } from 'sockloop/web';
import { overLoops, rejection, textOf, until } from './stage.ts';

const LOOPBACK = { hostname: '127.0.0.1', port: 0 };

/** Clients that say hello and end, and what they got back. */
async function hellos(port: number | null, count: number): Promise<string[]> {
  const asked = Array.from({ length: count }, async (_, index) => {
    const client = connect(`127.0.0.1:${port}`, { allowHalfOpen: true });
    const writer = client.writable.getWriter();
    await writer.write(`hello ${index}`);
    const [text] = await Promise.all([textOf(client.readable), writer.close()]);
    await client.closed;
    return text;
  });
  return await Promise.all(asked);
}

async function echo(socket: Socket): Promise<void> {
  await socket.readable.pipeTo(socket.writable);
  await socket.closed;
}

const answers = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `hello ${index}`);

overLoops('clients by iteration; leaving it closes the listener', async () => {
  const listener = listen(LOOPBACK);
  const asked = hellos(listener.port, 100);
  const echoes: Promise<void>[] = [];
  for await (const socket of listener) {
    echoes.push(echo(socket));
    if (echoes.length === 100) break;
  }
  assert.deepEqual(await asked, answers(100));
  await Promise.all(echoes);
  await listener.closed;
  assert.equal(
    (await rejection(connect(`127.0.0.1:${listener.port}`).opened)).code,
    'ECONNREFUSED',
  );
});

overLoops('clients as a stream, piped into one that serves them', async () => {
  const controller = new AbortController();
  const listener = listen(LOOPBACK, { signal: controller.signal });
  let served = 0;
  const serving = listener.readable.pipeTo(
    new WritableStream({
      write: async (socket: Socket) => {
        await echo(socket);
        served += 1;
      },
    }),
  );
  assert.deepEqual(await hellos(listener.port, 20), answers(20));
  await until(() => served === 20, 'all are served');
  controller.abort();
  await Promise.all([serving, listener.closed]);
  assert.throws(() => listen(LOOPBACK, { signal: controller.signal }), { name: 'AbortError' });
});

overLoops('clients one by one; the others wait', async () => {
  await using listener = listen(LOOPBACK);
  const clients = [0, 1].map(() => connectNode(listener.port ?? 0, '127.0.0.1'));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  const accepts = [listener.accept(), listener.accept()];
  const sockets = await Promise.all(accepts);
  for (const socket of sockets) await socket.close();
  await Promise.all(clients.map((client) => once(client.resume(), 'close')));
});

overLoops('closed with clients that nobody has taken, and with a waiting accept', async () => {
  const listener = listen(LOOPBACK);
  const reader = listener.readable.getReader();
  const first = reader.read();
  const clients = [0, 1, 2].map(() => connectNode(listener.port ?? 0, '127.0.0.1'));
  const ends = clients.map((client) => {
    return new Promise((resolve) => client.on('error', () => undefined).once('close', resolve));
  });
  const { value } = await first;
  assert.ok(value !== undefined);
  // The others were accepted ahead, or are in the queue of the kernel.
  await Promise.all(clients.map((client) => client.connecting && once(client, 'connect')));
  const closing = listener.close();
  assert.equal(closing, listener.close());
  assert.equal((await reader.read()).done, true);
  await reader.closed;
  await Promise.all([closing, value.close()]);
  for (const client of clients) client.resume();
  await Promise.all(ends);
  const accepting = rejection(listener.accept());
  assert.match((await accepting).message, /cannot accept: the listener is closed/);

  const other = listen(LOOPBACK);
  const waiting = rejection(other.accept());
  const left = other.readable.getReader();
  const read = left.read();
  await other.close();
  assert.ok((await waiting) instanceof SocketError);
  assert.equal((await read).done, true);
});

overLoops('a cancelled stream closes the listener, and keeps no client', async () => {
  const listener = listen(LOOPBACK);
  const reader = listener.readable.getReader();
  const reading = reader.read();
  const client = connectNode(listener.port ?? 0, '127.0.0.1').on('error', () => undefined);
  const ended = new Promise((resolve) => client.once('close', resolve));
  await once(client, 'connect');
  await reader.cancel();
  await listener.closed;
  const { value } = await reading;
  await value?.close();
  client.resume();
  await ended;
});

overLoops('a place that is taken, and options that are wrong', async () => {
  await using listener = listen(LOOPBACK);
  const taken = (): unknown => listen(`127.0.0.1:${listener.port}`);
  assert.throws(taken, (error) => error instanceof SocketError && error.code === 'EADDRINUSE');
  assert.throws(taken, /SocketError: cannot listen on 127.0.0.1:\d+: EADDRINUSE/);
  assert.throws(() => listen('nowhere.invalid:0'), SocketError);
  assert.throws(() => listen('127.0.0.1'), SocketError);
  assert.throws(() => listen(LOOPBACK, { maxConnections: 0 }), RangeError);
  assert.throws(() => listen(LOOPBACK, { signal: 1 as never }), TypeError);
  const everywhere = listen({ port: 0 });
  const client = connect(`127.0.0.1:${everywhere.port}`);
  const server = await everywhere.accept();
  await Promise.all([client.close(), textOf(server.readable), server.closed]);
  await everywhere.close();
});
