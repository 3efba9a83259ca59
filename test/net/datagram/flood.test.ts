// Goal: a flood at a slow handler costs no memory, and each datagram of it is received or counted.
// Method: a million datagrams that the kernel cuts off messages, at a handler that mostly sleeps.

import assert from 'node:assert/strict';
import { closeAll, overLoops, recorded, until } from './drive.ts';

/** As many datagrams as the kernel cuts at once. */
const AT_ONCE = 64;
const DATAGRAMS = 16_000 * AT_ONCE;
const DATAGRAM_BYTES = 64;
/** The handler is awake in one round of so many. */
const ROUNDS_ASLEEP = 50;
/** A copy of a million datagrams that is kept would be more. */
const GROWTH_BYTES_MAX = 48 * 2 ** 20;

overLoops('a million at a slow handler: bounded memory, and all are accounted for', (loop) => {
  let received = 0;
  const server = loop.datagram({
    host: '127.0.0.1',
    chunks: 'borrowed',
    receiveBufferBytes: 1 << 20,
    handlers: {
      datagrams: (socket, batch) => {
        received += batch.length;
        socket.pause();
      },
    },
  });
  const client = recorded(loop);
  const bytes = Buffer.alloc(AT_ONCE * DATAGRAM_BYTES, 'f');
  const send = { to: server.address, segmentSize: DATAGRAM_BYTES };
  const flood = (datagrams: number): void => {
    for (let sent = 0, round = 0; sent < datagrams; round++) {
      if (client.socket.send(bytes, send)) sent += AT_ONCE;
      else loop.turn(0);
      if (round % ROUNDS_ASLEEP === 0) {
        server.resume();
        loop.turn(0);
      }
    }
    until(loop, () => client.socket.queuedDatagrams === 0, 'all are sent');
  };
  flood(DATAGRAMS / 10);
  const before = process.memoryUsage.rss();
  flood((DATAGRAMS * 9) / 10);
  const growth = process.memoryUsage.rss() - before;
  assert.ok(growth < GROWTH_BYTES_MAX, `${growth} bytes more`);

  const { sent, sendErrors } = client.socket.stats();
  assert.deepEqual([sent, sendErrors], [DATAGRAMS, {}]);
  // The count of what the kernel has dropped comes with a datagram that it has not.
  const counted = (): number => server.stats().received + server.stats().droppedByKernel;
  let asked = 0;
  until(
    loop,
    () => {
      server.resume();
      if (counted() >= DATAGRAMS + asked) return true;
      client.socket.send('and more', { to: server.address });
      asked += 1;
      return false;
    },
    'all are accounted for',
  );
  const stats = server.stats();
  assert.equal(stats.received, received);
  assert.ok(received > 0 && stats.droppedByKernel > DATAGRAMS / 2, JSON.stringify(stats));
  assert.ok(counted() <= DATAGRAMS + asked, `${counted()} of ${DATAGRAMS + asked}`);
  server.close();
  closeAll(loop, client);
});
