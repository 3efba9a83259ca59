// Goal: a connection that has become a stream of node:stream keeps what its handlers promise: every
// byte once, backpressure and half-close both ways, its errors, and no descriptor left.
// Method: a stream at each end of a connection, on one loop that runs, over each poller.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionSettings,
  type EventLoop,
  Socket,
  type ToDuplexOptions,
} from 'sockloop';
import { overPollers, pattern, run } from './pollers.ts';

interface Streams {
  readonly server: Duplex;
  readonly client: Duplex;
  readonly connection: Connection;
}

/** A stream at each end; the loop runs until they are closed. */
async function streams(
  loop: EventLoop,
  options?: ToDuplexOptions,
  settings?: Omit<ConnectionSettings, 'handlers'>,
): Promise<Streams> {
  const host = '127.0.0.1';
  const ends = await new Promise<Connection[]>((resolve) => {
    const found: Connection[] = [];
    const open = (connection: Connection): void => {
      found.push(connection);
      if (found.length < 2) return;
      listener.close();
      resolve(found);
    };
    const listener = loop.listen({ host, port: 0, handlers: { open }, ...settings });
    loop.connect({ host, port: listener.port ?? 0, handlers: { open }, ...settings });
    loop.attach();
  });
  const [one, other] = ends;
  assert.ok(one !== undefined && other !== undefined);
  return { server: one.toDuplex(options), client: other.toDuplex(options), connection: other };
}

/** The names of what `stream` emits, and the codes of its errors. */
function eventsOf(stream: Duplex): string[] {
  const events: string[] = [];
  for (const name of ['end', 'finish', 'close'] as const) {
    stream.on(name, () => events.push(name));
  }
  stream.on('error', (error: NodeJS.ErrnoException) => events.push(`error ${error.code}`));
  return events;
}

/** What `stream` brings until its end, which does not destroy it as an iterator would. */
async function textOf(stream: Duplex): Promise<string> {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  if (!stream.readableEnded) await once(stream, 'end');
  return text;
}

async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  // At its end a plain iterator destroys the stream, whose other side may have more to send.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) hash.update(chunk);
  return hash.digest('hex');
}

/** Waits until all of `streams` are closed. */
async function closed(...streams: readonly Duplex[]): Promise<void> {
  for (const stream of streams) {
    if (!stream.closed) await new Promise<void>((resolve) => void stream.on('close', resolve));
  }
}

overPollers('duplex: 20 MB both ways at once', async (_, loop) => {
  const { server, client } = await streams(loop);
  const bytes = pattern(20 * 1024 * 1024);
  const wanted = createHash('sha256').update(bytes).digest('hex');
  const hashes = [hashOf(server), hashOf(client)];
  // One whole, one in chunks of the size of a file's.
  client.end(bytes);
  const chunks = Array.from({ length: 320 }, (_, at) => bytes.subarray(at << 16, (at + 1) << 16));
  await pipeline(Readable.from(chunks), server);
  assert.deepEqual(await Promise.all(hashes), [wanted, wanted]);
  await closed(server, client);
  assert.equal(loop.alive, false, 'both ends are closed');
});

overPollers('duplex: an echo by pipe', async (_, loop) => {
  const { server, client } = await streams(loop);
  const bytes = pattern(5_000_000);
  server.pipe(server);
  client.end(bytes);
  assert.equal(await hashOf(client), createHash('sha256').update(bytes).digest('hex'));
});

overPollers('duplex: a slow reader holds the writer back', async (_, loop) => {
  const { server, client, connection } = await streams(loop);
  const bytes = pattern(16 * 1024 * 1024);
  let isWritten = false;
  client.write(bytes, () => {
    isWritten = true;
  });
  let turns = 0;
  for (let before = -1; turns < 50; before = connection.bytesSent) {
    turns = connection.bytesSent === before ? turns + 1 : 0;
    await turnOfNode();
  }
  assert.equal(isWritten, false);
  assert.ok(server.readableLength > 0 && server.readableLength < 1024 * 1024);
  assert.ok(connection.queuedBytes <= 4 * 1024 * 1024, 'a long chunk is queued in pieces');
  client.end();
  assert.equal(await hashOf(server), createHash('sha256').update(bytes).digest('hex'));
  assert.ok(isWritten);
  server.end();
  client.resume();
  await closed(client);
});

overPollers('duplex: each side ends by itself, in either order', async (_, loop) => {
  for (const first of ['server', 'client'] as const) {
    const both = await streams(loop);
    const [one, other] =
      first === 'server' ? [both.server, both.client] : [both.client, both.server];
    const events = eventsOf(one);
    const otherEvents = eventsOf(other);
    one.end('that is all');
    assert.equal(await textOf(other), 'that is all');
    assert.ok(other.writable, 'the other side is open');
    other.end('the answer');
    assert.equal(await textOf(one), 'the answer');
    await closed(one, other);
    assert.deepEqual(events, ['finish', 'end', 'close']);
    assert.deepEqual(otherEvents, ['end', 'finish', 'close']);
    loop.detach();
  }
});

overPollers('duplex: without half-open streams the end is answered', async (_, loop) => {
  const { server, client } = await streams(loop, { allowHalfOpen: false });
  const events = eventsOf(server);
  client.end();
  client.resume();
  server.resume();
  await closed(server, client);
  assert.deepEqual(events, ['end', 'finish', 'close']);
});

overPollers('duplex: what the peer has sent is read after its end', async (_, loop) => {
  const { server, client } = await streams(loop);
  client.end('kept');
  server.end();
  client.resume();
  await closed(client);
  for (let turn = 0; turn < 20; turn++) await turnOfNode();
  assert.equal(await textOf(server), 'kept');
  assert.equal(server.errored, null);
});

overPollers('duplex: a reset is its error, and the writes hear of it', async (_, loop) => {
  const { server, client, connection } = await streams(loop);
  const events = eventsOf(server);
  const written = new Promise<unknown>((resolve) => server.write(pattern(30_000_000), resolve));
  for (let turn = 0; turn < 20; turn++) await turnOfNode();
  connection.reset();
  await closed(server, client);
  const code = (await written) as NodeJS.ErrnoException;
  assert.match(code.code ?? '', /^(ECONNRESET|EPIPE)$/);
  assert.deepEqual(events, [`error ${code.code}`, 'close']);
});

overPollers('duplex: destroyed with and without an error', async (_, loop) => {
  const { server, client, connection } = await streams(loop);
  const events = eventsOf(client);
  const serverEvents = eventsOf(server);
  server.resume();
  const late = new Promise<unknown>((resolve) => client.write(pattern(30_000_000), resolve));
  client.destroy(Object.assign(new Error('no more'), { code: 'ENOUGH' }));
  assert.ok(!connection.isOpen);
  if (!server.readableEnded) await once(server, 'end');
  await closed(client);
  assert.equal((await late) instanceof Error, true);
  assert.deepEqual(events, ['error ENOUGH', 'close']);
  server.destroy();
  await closed(server);
  assert.deepEqual(serverEvents, ['end', 'close']);
  assert.equal(loop.alive, false);
});

overPollers('duplex: the connection is closed, or its loop', async (_, loop) => {
  const { server, client, connection } = await streams(loop);
  const events = eventsOf(client);
  connection.close();
  await closed(client);
  assert.deepEqual(events, ['close']);
  loop.close();
  await closed(server);
  assert.equal(server.errored, null);
});

overPollers('duplex: one for a connection, and none for one that is over', async (_, loop) => {
  const [one, other] = Socket.pair();
  const connection = loop.adopt(one.detach(), { handlers: { data: assert.fail } });
  assert.throws(() => connection.toDuplex({ allowHalfOpen: 1 as never }), TypeError);
  const stream = connection.toDuplex();
  assert.throws(() => connection.toDuplex(), /a stream or TLS has it/);
  other.sendAll('adopted');
  other.shutdown('write');
  const text = textOf(stream);
  stream.end();
  await run(loop);
  assert.equal(await text, 'adopted');
  assert.throws(() => connection.toDuplex(), /cannot make a stream of the connection/);
  other.close();
});

overPollers('duplex: an error of its reader is one of a handler', async (_, loop) => {
  const heard: string[] = [];
  const onHandlerError = (error: unknown): void => void heard.push((error as Error).message);
  const { server, client } = await streams(loop, {}, { onHandlerError });
  server.on('data', () => {
    throw new Error('out of paper');
  });
  client.resume();
  client.write('x');
  await closed(server);
  if (!client.readableEnded) await once(client, 'end');
  assert.deepEqual(heard, ['out of paper']);
  client.destroy();
  await closed(client);
});
