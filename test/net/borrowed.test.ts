// Goal: bytes that were only borrowed are found out, wherever they are handed over.
// Method: chunks that are kept, given to what takes bytes; a process with SOCKLOOP_DEBUG=1.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Connection, EventLoop, encodeFrame, LineBuffer, Socket } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';

const names = backends.filter(({ available }) => available(nativeSys()) === true);
const STALE = /the bytes are a received chunk whose handler has returned/;

/** A chunk that a loop of that name has delivered, and whose handler has returned. */
async function staleChunk(name: (typeof names)[number]['name'], sent: string): Promise<Uint8Array> {
  using loop = new EventLoop({ backend: name });
  let kept: Uint8Array | null = null;
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    chunks: 'borrowed',
    handlers: {
      data: (connection, chunk) => {
        kept ??= chunk;
        // Legal here: a copy.
        assert.equal(encodeFrame(chunk, 2).length, chunk.length + 2);
        connection.close();
        server.close();
      },
    },
  });
  assert.ok(server.address.family === 'IPv4');
  const { port } = server.address;
  loop.connect({
    host: '127.0.0.1',
    port,
    handlers: { open: (connection: Connection) => connection.write(sent) },
  });
  await loop.run();
  return kept ?? assert.fail('nothing came');
}

test('borrowed: a kept chunk is refused by sockets, frames and lines, of every loop', async (t) => {
  leakCheck(t);
  const [left, right] = Socket.pair();
  for (const { name } of names) {
    const chunk = await staleChunk(name, 'kept for too long');
    assert.throws(() => left.send(chunk), { message: STALE }, name);
    assert.throws(() => left.send(chunk, 1, 2), { message: STALE }, name);
    assert.throws(() => left.sendAll(chunk.subarray(3)), { message: STALE }, name);
    assert.throws(() => encodeFrame(chunk, 2), { message: STALE }, name);
    assert.throws(() => new LineBuffer(100).append(chunk), { message: STALE }, name);
  }
  left.close();
  assert.equal(right.recv(new Uint8Array(1)), 0, 'nothing was sent');
  right.close();
});

test('borrowed: a chunk that is posted away leaves the loop its memory', async (t) => {
  leakCheck(t);
  for (const { name } of names) {
    const chunk = await staleChunk(name, 'posted');
    const { buffer } = chunk;
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(1, [buffer as ArrayBuffer]);
    } catch (error) {
      // Node from 21 on refuses; before, it did as if the buffer was not named.
      assert.equal((error as Error).name, 'DataCloneError');
    }
    port1.close();
    port2.close();
    assert.ok(buffer.byteLength > 0, name);
  }
});

test('borrowed: with SOCKLOOP_DEBUG=1 every late use of a chunk shows, on every loop', (t) => {
  leakCheck(t);
  const child = fileURLToPath(new URL('./borrowed/debug-child.js', import.meta.url));
  const env = { ...process.env, SOCKLOOP_DEBUG: '1' };
  const out = execFileSync(process.execPath, [child], { env, encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual(
    out.trim().split('\n'),
    names.map(({ name }) => name),
  );
});

test('borrowed: blocking sockets and frames take strings and every view, and nothing else', (t) => {
  leakCheck(t);
  const [left, right] = Socket.pair();
  const memory = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
  assert.equal(left.send('h\u00e9'), 3);
  assert.equal(left.send('abcdef', 2, 3), 3);
  left.sendAll(new Uint16Array(memory, 2, 3));
  left.sendAll(new DataView(memory, 7));
  const into = new Uint32Array(8);
  assert.equal(right.recv(into), 13);
  const came = Buffer.from(into.buffer, 0, 13);
  assert.equal(came.toString('latin1'), 'h\u00c3\u00a9cde\x03\x04\x05\x06\x07\x08\x08');
  assert.deepEqual(encodeFrame('h\u00e9', 1), new Uint8Array([3, 0x68, 0xc3, 0xa9]));
  assert.deepEqual(encodeFrame(new Uint16Array(memory, 0, 1), 1), new Uint8Array([2, 1, 2]));
  const lines = new LineBuffer(10);
  lines.append('on');
  lines.append(new DataView(new Uint8Array([0x65, 10]).buffer));
  assert.equal(Buffer.from(lines.takeLine() ?? []).toString(), 'one\n');
  for (const value of [undefined, null, 3, {}, [1], memory]) {
    const data = value as unknown as string;
    const wrong = { name: 'TypeError', message: /^bytes are/ };
    assert.throws(() => left.send(data), wrong);
    assert.throws(() => left.sendAll(data), wrong);
    assert.throws(() => encodeFrame(data, 1), wrong);
    assert.throws(() => lines.append(data), wrong);
    assert.throws(() => right.recv(data as unknown as Uint8Array), wrong);
  }
  assert.throws(() => right.recv('text' as unknown as Uint8Array), TypeError);
  for (const range of [[-1], [3], [0.5], [Number.NaN], [0, 3], [0, -1], [1, Number.NaN]]) {
    assert.throws(() => left.send('ab', ...range), RangeError);
    assert.throws(() => right.recv(new Uint8Array(2), ...range), RangeError);
  }
  left.close();
  right.close();
});
