// Run with SOCKLOOP_DEBUG=1: keeps every chunk it gets, on every loop of this machine, and prints a
// line for each loop on which all of them were found out.

import assert from 'node:assert/strict';
import { backends } from '#src/loop/backends.js';
import { EventLoop } from '#src/net/event-loop.js';
import { nativeSys } from '#src/sys/native.js';

const MESSAGES = ['first', 'other', 'third'] as const;
const POISONED = Buffer.alloc(5, 0xdb).toString('hex');

for (const { name, available } of backends) {
  if (available(nativeSys()) !== true) continue;
  using loop = new EventLoop({ backend: name });
  const kept: Uint8Array[] = [];
  let echoed = '';
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    chunks: 'borrowed',
    handlers: {
      data: (connection, chunk) => {
        // Chunks of one length come in the same place without the variable: here each one shows.
        for (const old of kept) {
          assert.equal(Buffer.from(old).toString('hex'), POISONED);
          assert.throws(() => connection.write(old), /handler has returned/);
        }
        kept.push(chunk);
        connection.write(chunk.subarray(0, 2));
        connection.write(chunk, 2);
      },
    },
  });
  assert.ok(server.address.family === 'IPv4');
  loop.connect({
    host: '127.0.0.1',
    port: server.address.port,
    handlers: {
      open: (connection) => connection.write(MESSAGES[0]),
      data: (connection, chunk) => {
        echoed += Buffer.from(chunk).toString();
        const next = MESSAGES[echoed.length / 5];
        if (next !== undefined) connection.write(next);
        else if (echoed.length === 15) connection.end();
      },
      close: () => server.close(),
    },
  });
  await loop.run();
  assert.equal(echoed, MESSAGES.join(''));
  assert.equal(new Set(kept.map(({ buffer }) => buffer)).size, kept.length, 'each has its memory');
  for (const old of kept) assert.equal(Buffer.from(old).toString('hex'), POISONED);
  process.stdout.write(`${name}\n`);
}
