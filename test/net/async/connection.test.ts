// Goal: a connection with promises delivers every byte once and in order, holds back whoever is too
// fast, and settles each promise.
// Method: both ends on one loop, over each poller, turned by the test.

import assert from 'node:assert/strict';
import type { AsyncConnection } from 'sockloop';
import { overPollers, pattern } from '../stream/pollers.ts';
import { Outcome, pairOn, settled, textOf, turnOn, until } from './drive.ts';

async function bytesOf(connection: AsyncConnection): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function linesOf(connection: AsyncConnection, bytesMax?: number): Promise<string[]> {
  const lines: string[] = [];
  const options = bytesMax === undefined ? {} : { bytesMax };
  for await (const line of connection.lines(options)) lines.push(line);
  return lines;
}

overPollers('async: a request until its end, and the answer behind it', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const request = textOf(server);
  await settled(loop, client.write('one '));
  await settled(loop, client.end('two'));
  assert.equal(await settled(loop, request), 'one two');
  assert.ok(server.connection.isOpen, "the peer's end leaves this side open");
  assert.equal(server.remoteAddress?.family, 'IPv4');
  assert.deepEqual(server.remoteAddress, client.localAddress);
  const answer = textOf(client);
  await settled(loop, server.end('three'));
  assert.equal(await settled(loop, answer), 'three');
  await until(loop, () => !loop.alive, 'both ends are closed');
  assert.equal(await textOf(client), '', 'the iterator of a connection that has ended');
});

overPollers('async: a chunk is its own for ever', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const chunks = server[Symbol.asyncIterator]();
  await client.write('first');
  const first = await settled(loop, chunks.next());
  await client.write('other');
  const other = await settled(loop, chunks.next());
  assert.equal(Buffer.from(first.value ?? []).toString(), 'first');
  assert.equal(Buffer.from(other.value ?? []).toString(), 'other');
  assert.equal(server.connection.write(first.value ?? ''), true, 'it can be written later');
});

overPollers('async: both sides wait for a consumer that is slow', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const bytes = pattern(16 * 1024 * 1024);
  const written = new Outcome(client.write(bytes));
  const chunks = server[Symbol.asyncIterator]();
  await turnOn(loop, 200);
  assert.equal(written.state, 'pending');
  assert.ok(client.connection.queuedBytes > 64 * 1024);
  const held = server.connection.bytesReceived;
  assert.ok(held > 0 && held <= 2 * 64 * 1024, `${held} bytes are held`);
  const got: Uint8Array[] = [];
  let length = 0;
  while (length < bytes.length) {
    const { value } = await settled(loop, chunks.next());
    assert.ok(value !== undefined);
    got.push(value);
    length += value.length;
  }
  assert.ok(Buffer.concat(got).equals(bytes));
  await until(loop, () => written.state !== 'pending', 'the write is done');
  assert.equal(written.state, 'resolved undefined');
});

overPollers('async: two writers at once, 100 MB, and nothing', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const length = 50_000_000;
  let received = 0;
  let inOrder = true;
  const reading = (async () => {
    for await (const chunk of server) {
      const byte = received < length ? 1 : 2;
      inOrder &&= chunk[0] === byte;
      received += chunk.length;
    }
  })();
  const writes = [
    client.write(Buffer.alloc(length, 1)),
    client.write(Buffer.alloc(length, 2)),
    client.write(''),
    client.end(),
  ];
  await settled(loop, Promise.all(writes));
  await settled(loop, reading);
  assert.equal(received, 2 * length);
  assert.ok(inOrder);
});

overPollers('async: writes that are refused', async (_, loop) => {
  const { server, client } = await pairOn(loop, { queueBytesMax: 1000 });
  await client.write(new Uint8Array(0));
  await client.write('');
  await assert.rejects(client.write(7 as never), TypeError);
  await assert.rejects(client.end(7 as never), TypeError);
  await assert.rejects(client.write(new Uint8Array(1001)), RangeError);
  const ended = client.end('x');
  assert.equal(client.end(), ended, 'a second end');
  await settled(loop, ended);
  const afterEnd = { code: 'ERR_STREAM_WRITE_AFTER_END' };
  await assert.rejects(client.write('x'), afterEnd);
  await assert.rejects(client.write(''), afterEnd);
  await assert.rejects(client.end('x'), afterEnd);
  await settled(loop, server.close());
  const message = 'cannot write: the connection is closed';
  const afterClose = { code: 'ERR_STREAM_DESTROYED', message };
  await assert.rejects(server.write('x'), afterClose);
  await assert.rejects(server.end(), { message: 'cannot end: the connection is closed' });
  await server.close();
  server.reset();
});

overPollers('async: lines', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const lines = linesOf(server);
  const text = Buffer.from('one\ntwo\r\n\n\u{feff}caf\u{e9}\nlast');
  // A character in two pieces.
  await client.write(text.subarray(0, 16));
  await turnOn(loop);
  await settled(loop, client.end(text.subarray(16)));
  assert.deepEqual(await settled(loop, lines), ['one', 'two', '', '\u{feff}caf\u{e9}', 'last']);
  assert.throws(() => server.lines({ bytesMax: 0 }), RangeError);
  assert.throws(() => server.lines({ bytesMax: Number.NaN }), RangeError);
});

overPollers('async: a line that is too long closes the connection', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const line of server.lines({ bytesMax: 4 })) seen.push(line);
  })();
  await client.write('abc\nabcde');
  await assert.rejects(settled(loop, reading), {
    name: 'RangeError',
    message: 'cannot read a line: it takes more than 4 bytes',
  });
  assert.deepEqual(seen, ['abc']);
  assert.equal(server.connection.isOpen, false);
  assert.equal(await settled(loop, textOf(client)), '');
});

overPollers('async: an iterator that is left closes, behind what was written', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  // What the server does not read would make a plain close a reset.
  await client.write(new Uint8Array(200_000));
  const serving = (async () => {
    for await (const _chunk of server) {
      await server.write('enough');
      break;
    }
  })();
  await settled(loop, serving);
  assert.equal(server.connection.isOpen, false);
  await assert.rejects(server.write('x'), { code: 'ERR_STREAM_DESTROYED' });
  assert.equal(await settled(loop, textOf(client)), 'enough');
});

overPollers('async: leaving ends what is pending; there is one iterator', async (_, loop) => {
  const { server } = await pairOn(loop);
  const chunks = server[Symbol.asyncIterator]();
  const first = chunks.next();
  const second = chunks.next();
  assert.throws(() => server[Symbol.asyncIterator](), /another iterator is at it$/);
  assert.throws(() => server.lines(), /another iterator is at it$/);
  const over = { done: true, value: undefined };
  assert.deepEqual(await chunks.return?.(), over);
  assert.deepEqual(await Promise.all([first, second, chunks.next()]), [over, over, over]);
  assert.equal(server.connection.isOpen, false);
});

overPollers('async: overlapping calls of next are answered in order', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const lines = server.lines();
  const three = Promise.all([lines.next(), lines.next(), lines.next()]);
  await settled(loop, client.end('1\n2\n'));
  const results = await settled(loop, three);
  assert.deepEqual(
    results.map(({ value }) => value),
    ['1', '2', undefined],
  );
});

overPollers('async: a reset is thrown behind what had come', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const written = new Outcome(server.write(pattern(32 * 1024 * 1024)));
  await client.write('last words');
  await until(loop, () => server.connection.bytesReceived === 10, 'they have come');
  client.reset();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const chunk of server) seen.push(Buffer.from(chunk).toString());
  })();
  await assert.rejects(settled(loop, reading), (error: Error & { code?: string }) => {
    assert.ok(error.code === 'ECONNRESET' || error.code === 'EPIPE', error.message);
    assert.match(error.message, /^cannot keep the connection with 127\.0\.0\.1:\d+: E/);
    return true;
  });
  assert.deepEqual(seen, ['last words']);
  assert.match(written.state, /^rejected cannot keep the connection/);
  await assert.rejects(server.write('x'), /cannot keep the connection/);
  await assert.rejects(textOf(server), /cannot keep the connection/);
  assert.equal(await textOf(client), '', 'the side that has reset');
});

overPollers('async: close ends iterators and fails what is not sent', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const written = new Outcome(server.write(pattern(32 * 1024 * 1024)));
  const ended = new Outcome(server.end());
  const chunk = server[Symbol.asyncIterator]().next();
  await turnOn(loop);
  assert.deepEqual([written.state, ended.state], ['pending', 'pending']);
  await assert.rejects(server.close({ lingerMs: -1 }), RangeError);
  await settled(loop, server.close());
  assert.deepEqual(await chunk, { done: true, value: undefined });
  await turnOn(loop);
  assert.equal(written.state, 'rejected cannot write: the connection is closed');
  assert.equal(ended.state, 'rejected cannot end: the connection is closed');
  client.reset();
});

overPollers('async: an idle timeout is thrown', async (_, loop) => {
  const { server } = await pairOn(loop);
  server.connection.setTimeout(20);
  await assert.rejects(settled(loop, bytesOf(server)), { code: 'ETIMEDOUT' });
});
