// Goal: the two streams of a socket are streams of the standard: every byte once, readers of each
// kind, tee and pipes, backpressure both ways, and an end that each side can make.
// Method: pairs of sockets, and peers of node:net, on each loop that is compared.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectNode, createServer } from 'node:net';
import { connect, listen, type Socket } from 'sockloop/web';
import {
  bytesOf,
  overLoops,
  pair,
  pattern,
  portOf,
  rejection,
  textOf,
  until,
  withNode,
} from './stage.ts';

const halfOpen = { allowHalfOpen: true };

/** Writes `bytes` in pieces of uneven length, and closes the stream. */
async function writeAll(socket: Socket, bytes: Uint8Array): Promise<void> {
  const writer = socket.writable.getWriter();
  for (let at = 0, length = 1; at < bytes.length; at += length) {
    length = (length * 7) % 65_521;
    await writer.write(bytes.slice(at, at + length));
  }
  await writer.close();
}

overLoops('5 MB both ways at once', async () => {
  const { client, server } = await pair(halfOpen);
  const bytes = pattern(5_000_000);
  const [atClient, atServer] = await Promise.all([
    bytesOf(client.readable),
    bytesOf(server.readable),
    writeAll(client, bytes),
    writeAll(server, bytes),
  ]);
  assert.ok(Buffer.from(bytes).equals(atClient) && Buffer.from(bytes).equals(atServer));
  await Promise.all([client.closed, server.closed]);
});

overLoops('an echo by pipeTo, and a decoder by pipeThrough', async () => {
  const { client, server } = await pair();
  const echo = server.readable.pipeTo(server.writable);
  const words = '\u00e4\u00f6\u00fc '.repeat(50_000);
  const writing = writeAll(client, new TextEncoder().encode(words));
  let text = '';
  for await (const part of client.readable.pipeThrough(new TextDecoderStream())) text += part;
  assert.ok(text === words, 'every letter, whole');
  await Promise.all([echo, writing, client.closed, server.closed]);
});

overLoops('strings, views and buffers are written, in order', async () => {
  const { socket, peer } = await withNode();
  const writer = socket.writable.getWriter();
  const bytes = new TextEncoder().encode('xbytesx').subarray(1, 6);
  const words = new Uint16Array(new TextEncoder().encode('words!').buffer);
  for (const chunk of ['text ', bytes, bytes.slice().buffer, new DataView(words.buffer), words]) {
    void writer.write(chunk);
  }
  const closing = writer.close();
  let text = '';
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) text += chunk;
  assert.equal(text, 'text bytesbyteswords!words!');
  peer.end();
  await Promise.all([closing, socket.readable.cancel(), socket.closed]);
});

overLoops('a reader with a view of its own gets the bytes in it', async () => {
  const { client, server } = await pair();
  const bytes = pattern(300_000);
  const writing = writeAll(client, bytes);
  const reader = server.readable.getReader({ mode: 'byob' });
  const got: Uint8Array[] = [];
  let buffer = new ArrayBuffer(1000);
  for (let length = 1; ; length = (length * 3) % 997) {
    const { value, done } = await reader.read(new Uint8Array(buffer, 3, length));
    assert.ok(value !== undefined && value.byteOffset === 3 && value.length <= length);
    buffer = value.buffer as ArrayBuffer;
    if (done) break;
    got.push(value.slice());
  }
  assert.ok(Buffer.concat(got).equals(bytes));
  await writing;
  reader.releaseLock();
  await Promise.all([client.readable.cancel(), client.closed, server.closed]);
});

overLoops('a waiting read into a view ends with the connection', async () => {
  for (const how of ['end', 'close', 'reset'] as const) {
    const { socket, peer } = await withNode();
    const reader = socket.readable.getReader({ mode: 'byob' });
    const reading = reader.read(new Uint16Array(10));
    const heard = Promise.allSettled([reading, reader.closed]);
    if (how === 'end') peer.end();
    else if (how === 'reset') peer.resetAndDestroy();
    else void socket.close();
    const [read, closed] = await heard;
    assert.equal(closed?.status, how === 'reset' ? 'rejected' : 'fulfilled');
    if (how === 'reset')
      assert.equal(((await rejection(reading)) as { code?: string }).code, 'ECONNRESET');
    else
      assert.ok(read?.status === 'fulfilled' && read.value.done && read.value.value?.length === 0);
    await Promise.allSettled([socket.closed]);
    peer.destroy();
  }
});

overLoops('half of an element is an error, and no hang', async () => {
  const { socket, peer } = await withNode();
  const reader = socket.readable.getReader({ mode: 'byob' });
  const reading = reader.read(new Uint16Array(10));
  peer.end('x');
  assert.ok((await rejection(reading)) instanceof TypeError);
  await socket.close();
  peer.destroy();
});

overLoops('both branches of tee get everything', async () => {
  const { client, server } = await pair();
  const bytes = pattern(500_000);
  const [one, other] = server.readable.tee();
  const [a, b] = await Promise.all([bytesOf(one), bytesOf(other), writeAll(client, bytes)]);
  assert.ok(Buffer.from(a).equals(bytes) && Buffer.from(b).equals(bytes));
  await Promise.all([client.close(), server.closed]);
});

overLoops('a reader that does not read stops the peer, and goes on', async () => {
  const { socket, peer } = await withNode();
  const bytes = pattern(16 * 1024 * 1024);
  peer.end(bytes);
  // The kernel's buffers and ours are full when nothing moves any more.
  let still = 0;
  for (let before = -1; still < 100; before = peer.writableLength) {
    still = before === peer.writableLength ? still + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(peer.writableFinished, false);
  assert.ok(Buffer.from(await bytesOf(socket.readable)).equals(bytes));
  await socket.closed;
  peer.destroy();
});

overLoops('a writer waits for the kernel', async () => {
  const { socket, peer } = await withNode(halfOpen);
  const writer = socket.writable.getWriter();
  const chunk = pattern(65_536);
  let written = 0;
  let isStuck = false;
  while (!isStuck) {
    const writing = writer.write(chunk);
    isStuck = await Promise.race([
      writing.then(() => false),
      new Promise<true>((resolve) => setTimeout(resolve, 200, true)),
    ]);
    written += 1;
    assert.ok(written < 1000, 'no more than the kernel holds');
  }
  assert.equal(writer.desiredSize, 0);
  const closing = writer.close();
  let received = 0;
  for await (const bytes of peer.iterator({ destroyOnReturn: false })) received += bytes.length;
  await closing;
  assert.equal(received, written * chunk.length);
  peer.end();
  await Promise.all([bytesOf(socket.readable), socket.closed]);
});

overLoops('a chunk longer than all buffers', async () => {
  const { client, server } = await pair();
  const bytes = pattern(12_000_000);
  const writer = client.writable.getWriter();
  const [got] = await Promise.all([bytesOf(server.readable), writer.write(bytes), writer.close()]);
  assert.ok(Buffer.from(got).equals(bytes));
  await Promise.all([client.readable.cancel(), server.closed, client.closed]);
});

overLoops('half-open: each side ends by itself, in either order', async () => {
  for (const first of ['client', 'server'] as const) {
    const both = await pair(halfOpen);
    const [one, other] =
      first === 'client' ? [both.client, both.server] : [both.server, both.client];
    await one.writable.close();
    assert.equal(await textOf(other.readable), '');
    const writer = other.writable.getWriter();
    await writer.write('an answer');
    await writer.close();
    assert.equal(await textOf(one.readable), 'an answer');
    await Promise.all([one.closed, other.closed]);
  }
});

overLoops('not half-open: the end closes the writer as well', async () => {
  for (const locked of [false, true]) {
    const { socket, peer } = await withNode();
    const writer = locked ? socket.writable.getWriter() : null;
    peer.resume().end('the last word');
    assert.equal(await textOf(socket.readable), 'the last word');
    await socket.closed;
    await (writer ?? socket.writable.getWriter()).closed;
    if (!peer.readableEnded) await once(peer, 'end');
  }
});

overLoops('the reader of the last bytes may answer them', async () => {
  const { socket, peer } = await withNode();
  peer.end('question');
  const reader = socket.readable.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), 'question');
  const writer = socket.writable.getWriter();
  const writing = writer.write('answer');
  let text = '';
  for await (const chunk of peer) text += chunk;
  assert.equal(text, 'answer');
  assert.equal((await reader.read()).done, true);
  await Promise.all([writing, writer.closed, socket.closed]);
});

overLoops('a cancelled reader lets the peer go on, and its end is seen', async () => {
  const { socket, peer } = await withNode();
  await socket.readable.cancel('enough');
  peer.write(pattern(8_000_000));
  peer.end();
  await Promise.all([once(peer, 'finish'), socket.closed]);
  peer.destroy();
});

overLoops('cancelled and closed, a socket is let go', async () => {
  const { socket, peer } = await withNode(halfOpen);
  const writer = socket.writable.getWriter();
  await writer.write('good-bye');
  await Promise.all([writer.close(), socket.readable.cancel()]);
  let text = '';
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) text += chunk;
  assert.equal(text, 'good-bye');
  peer.end();
  await socket.closed;
});

overLoops('a proxy by pipeTo in both directions, half-close included', async () => {
  const target = createServer({ allowHalfOpen: true }, async (peer) => {
    let text = '';
    for await (const chunk of peer.iterator({ destroyOnReturn: false })) text += chunk;
    peer.end(text.toUpperCase());
  }).listen(0, '127.0.0.1');
  await once(target, 'listening');
  const proxy = listen('127.0.0.1:0', halfOpen);
  const client = connectNode({ port: proxy.port ?? 0, host: '127.0.0.1', allowHalfOpen: true });
  const front = await proxy.accept();
  const back = connect(`127.0.0.1:${portOf(target)}`, halfOpen);
  const piping = Promise.all([
    front.readable.pipeTo(back.writable),
    back.readable.pipeTo(front.writable),
  ]);
  client.end('a question '.repeat(30_000));
  let answer = '';
  for await (const chunk of client) answer += chunk;
  assert.ok(answer === 'A QUESTION '.repeat(30_000));
  await Promise.all([piping, front.closed, back.closed, proxy.close()]);
  target.close();
});

overLoops('a proxy passes a reset on', async () => {
  const { socket: front, peer: client } = await withNode(halfOpen);
  const { socket: back, peer: target } = await withNode(halfOpen);
  const piping = Promise.allSettled([
    front.readable.pipeTo(back.writable),
    back.readable.pipeTo(front.writable),
  ]);
  target.resume().on('error', () => undefined);
  client.write('x');
  await until(() => target.bytesRead === 1, 'the proxy passes on');
  client.resetAndDestroy();
  await new Promise((resolve) => target.once('close', resolve));
  const [one, other] = await piping;
  assert.ok(one?.status === 'rejected' && one.reason.code === 'ECONNRESET');
  assert.equal(other?.status, 'rejected');
  await Promise.allSettled([front.closed, back.closed]);
});
