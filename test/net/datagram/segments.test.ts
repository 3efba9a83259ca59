// Goal: a buffer that is sent as datagrams of one size is taken however large it is, or refused
// with a sentence; and a socket that is resumed has what waited for it in the same turn.
// Method: sockets on this machine, with more bytes than the queue has memory for at first, and with
// more messages.

import assert from 'node:assert/strict';
import { closeAll, overLoops, recorded, textsOf, until } from './drive.ts';

const TURN_MS = 5;

/** Lengths of a buffer and of its datagrams: more than the queue has memory for at first. */
const LARGE = [
  [600_000, 1200],
  [1_048_576, 16],
  [65_000, 10],
] as const;

overLoops('a large buffer with segmentSize is taken by a queue that is empty', (loop) => {
  const server = recorded(loop);
  server.socket.pause();
  for (const [bytes, segmentSize] of LARGE) {
    const client = recorded(loop, { connect: server.socket.address });
    const what = `${bytes} bytes as datagrams of ${segmentSize}`;
    assert.equal(client.socket.send(new Uint8Array(bytes), { segmentSize }), true, what);
    const stats = () => client.socket.stats();
    until(loop, () => stats().sentBytes === bytes, `${what} are sent`);
    assert.deepEqual([stats().sent, stats().refused], [Math.ceil(bytes / segmentSize), 0], what);
    assert.deepEqual(stats().sendErrors, {}, what);
    closeAll(loop, client);
  }
  closeAll(loop, server);
});

overLoops('more datagrams than the queue ever holds are refused with a sentence', (loop) => {
  const server = recorded(loop);
  const client = recorded(loop, { connect: server.socket.address });
  server.socket.pause();
  assert.throws(() => client.socket.send(new Uint8Array(100_000), { segmentSize: 1 }), {
    name: 'RangeError',
    message: 'cannot send 100000 bytes as datagrams of 1: at most 65536 of them are queued',
  });
  assert.equal(client.socket.queuedDatagrams, 0);
  closeAll(loop, server, client);
});

overLoops('what waited is delivered in the turn that resumes, once', (loop) => {
  const waiting = recorded(loop);
  const first = recorded(loop, {
    host: '127.0.0.1',
    handlers: { datagrams: () => waiting.socket.resume() },
  });
  const sender = recorded(loop);
  waiting.socket.pause();
  loop.turn(0);
  sender.socket.sendMany(['one', 'two'], { to: waiting.socket.address });
  until(loop, () => sender.socket.queuedDatagrams === 0, 'two are on their way');
  for (let turn = 0; turn < 3; turn++) loop.turn(TURN_MS);
  assert.deepEqual(textsOf(waiting), [], 'none comes to a paused socket');
  sender.socket.send('go', { to: first.socket.address });
  until(loop, () => first.came.length === 1, 'the other socket has its datagram');
  assert.deepEqual(textsOf(waiting), ['one', 'two']);
  for (let turn = 0; turn < 3; turn++) loop.turn(TURN_MS);
  assert.deepEqual(textsOf(waiting), ['one', 'two']);
  closeAll(loop, waiting, first, sender);
});
