// Goal: a socket of datagrams receives what has come, rests where nothing does though it is said
// to, and ends once.
// Method: the class that all backends share, over calls whose answers are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { came, code, MadeUpSocket } from './made-up-socket.ts';

test('base datagrams: a receive that brings less than it asked for is the last of its turn', () => {
  const made = new MadeUpSocket();
  const { socket, received } = made;
  made.receiving = came(1, 2, 3);
  socket.readable();
  assert.deepEqual([received, made.take()], [[4], ['received 3']]);
  made.receiving = came(1, 2, 3, 4);
  socket.readable();
  assert.deepEqual(received, [4, 4, 16]);
  assert.deepEqual([socket.counters.received, socket.counters.receivedBytes], [11, 26]);
});

const endless: MadeUpSocket['receiving'] = (messages, count) =>
  came(...new Array<number>(count).fill(1))(messages, count);

test('base datagrams: four receives in a turn, or fewer if the handler wants no more', () => {
  const made = new MadeUpSocket();
  const { socket, received } = made;
  made.receiving = endless;
  socket.readable();
  assert.deepEqual(received, [4, 16, 64, 64]);
  made.handling = () => socket.pause();
  socket.readable();
  assert.equal(received.length, 5);
  socket.resume();
  made.handling = () => socket.close();
  socket.readable();
  assert.equal(received.length, 6);
  made.take();
  made.report();
  socket.readable();
  assert.deepEqual([made.take(), received.length], [[], 6]);
});

test('base datagrams: few datagrams are asked for fewer at a time, but four at least', () => {
  const made = new MadeUpSocket();
  const { socket, received } = made;
  made.receiving = endless;
  socket.readable();
  received.length = 0;
  made.receiving = came(1);
  for (let time = 0; time < 6; time += 1) socket.readable();
  assert.deepEqual(received, [64, 32, 16, 8, 4, 4]);
  received.length = 0;
  // A fourth of what was asked for, or more, is what such a room is for.
  made.receiving = endless;
  socket.readable();
  received.length = 0;
  made.receiving = came(...new Array<number>(16).fill(1));
  socket.readable();
  socket.readable();
  assert.deepEqual(received, [64, 64]);
  made.receiving = came(...new Array<number>(15).fill(1));
  socket.readable();
  socket.readable();
  assert.deepEqual(received, [64, 64, 64, 32]);
});

test('base datagrams: a queue of errors is read behind what came, and tells of them alone', () => {
  for (const errorQueue of [true, false]) {
    const made = new MadeUpSocket({ settings: { errorQueue } });
    made.receiving = () => -code('ECONNREFUSED');
    made.socket.readable();
    assert.equal(made.errorReads, errorQueue ? 1 : 0);
    const counts = errorQueue ? {} : { ECONNREFUSED: 1 };
    assert.deepEqual(made.socket.counters.peerErrors, counts);
    assert.deepEqual(made.take(), errorQueue ? [] : [`peer ${code('ECONNREFUSED')}`]);
  }
});

test('base datagrams: nothing is received while it is paused, and then without an event', () => {
  const made = new MadeUpSocket();
  const { socket, received } = made;
  made.receiving = came(1);
  socket.pause();
  assert.equal(socket.reads, false);
  socket.readable();
  assert.deepEqual(received, []);
  socket.resume();
  assert.deepEqual([socket.reads, made.isLater], [true, true]);
  made.report();
  assert.deepEqual([received, made.take()], [[4], ['received 1']]);
  socket.report();
  assert.deepEqual(received, [4], 'once');
  socket.resume();
  assert.equal(made.isLater, false, 'it was not paused');
});

test('base datagrams: a socket that is readable without a datagram rests after 16 times', () => {
  for (const name of ['EAGAIN', 'EINTR']) {
    const made = new MadeUpSocket();
    const { socket, received, stats } = made;
    made.receiving = () => -code(name);
    for (let time = 1; time < 16; time += 1) {
      socket.readable();
      assert.deepEqual([made.take(), socket.reads], [[], true], `${time}`);
    }
    socket.readable();
    assert.deepEqual([made.take(), socket.reads, made.takeDirty()], [['resting 5'], false, true]);
    socket.readable();
    assert.equal(received.length, 16);
    assert.deepEqual([stats.eagain, stats.eintr], name === 'EINTR' ? [0, 16] : [16, 0]);
    socket.retry();
    assert.deepEqual([socket.reads, made.takeDirty()], [true, true]);
    made.receiving = came(1);
    socket.readable();
    for (let time = 1; time < 16; time += 1) {
      made.receiving = () => -code(name);
      socket.readable();
    }
    made.receiving = came(1);
    socket.readable();
    // A datagram begins the count anew.
    made.receiving = () => -code(name);
    for (let time = 1; time < 16; time += 1) socket.readable();
    assert.deepEqual(made.take(), ['received 1', 'received 1']);
  }
});

test('base datagrams: an error of a receive is of a peer, unless it breaks the socket', () => {
  const made = new MadeUpSocket();
  const { socket } = made;
  made.receiving = () => -code('ECONNREFUSED');
  socket.readable();
  assert.deepEqual(made.take(), [`peer ${code('ECONNREFUSED')}`]);
  assert.deepEqual(socket.counters.peerErrors, { ECONNREFUSED: 1 });
  made.receiving = () => -code('EBADF');
  socket.readable();
  made.report();
  assert.deepEqual(made.take(), ['removed', `failed ${code('EBADF')}`]);
});

test('base datagrams: the end of a connection of records comes once, behind them', () => {
  const made = new MadeUpSocket({ settings: { sequenced: true } });
  const { socket } = made;
  made.receiving = came(5, 6, 0, 7);
  socket.readable();
  assert.deepEqual(
    [made.take(), socket.reads, made.takeDirty()],
    [['received 2', 'ended'], false, true],
  );
  socket.readable();
  assert.deepEqual(made.take(), []);
  assert.deepEqual([socket.counters.received, socket.counters.receivedBytes], [2, 11]);
  assert.equal(made.batch?.length, 0, 'a batch is over with its handler');
  const empty = new MadeUpSocket({ settings: { sequenced: true } });
  empty.receiving = came(0);
  empty.socket.readable();
  assert.deepEqual(empty.take(), ['ended'], 'nothing was received');
  const calm = new MadeUpSocket();
  calm.receiving = came(0);
  calm.socket.readable();
  assert.deepEqual(calm.take(), ['received 1'], 'a datagram may be empty');
});
