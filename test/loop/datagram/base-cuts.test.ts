// Goal: datagrams that were joined for the kernel to cut are each sent, counted or kept, where it
// cuts them and where it does not.
// Method: the class that all backends share, over calls whose answers are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abi, code, MadeUpSocket } from './made-up-socket.ts';

const { errno } = abi;
const GSO = { settings: { gso: true } } as const;

/** So many datagrams of four bytes: `1000`, `1001`, ... */
function sendMany(made: MadeUpSocket, count: number, first = 1000): string[] {
  const texts = Array.from({ length: count }, (_, index) => `${first + index}`);
  for (const text of texts) assert.ok(made.send(text));
  return texts;
}

test('base datagrams: joined ones are one message, and count each', () => {
  for (const settles of [false, true]) {
    const made = new MadeUpSocket({ ...GSO, settles });
    const texts = sendMany(made, 5);
    assert.deepEqual([made.socket.queuedDatagrams, made.socket.queuedBytes], [5, 20]);
    made.endTurn();
    assert.deepEqual([made.asked, made.sent], [[1], [texts.join('')]]);
    assert.deepEqual([made.socket.counters.sent, made.socket.counters.sentBytes], [5, 20]);
    assert.deepEqual(made.settled, settles ? [[5, 0]] : []);
    assert.equal(made.socket.queuedDatagrams, 0);
  }
});

test('base datagrams: a kernel that does not cut is given one at a time, from then on', () => {
  for (const name of ['EINVAL', 'EIO', 'EMSGSIZE']) {
    for (const settles of [false, true]) {
      const made = new MadeUpSocket({ ...GSO, settles });
      const texts = sendMany(made, 3);
      made.answers.push(-code(name));
      made.endTurn();
      assert.deepEqual([made.sent, made.asked], [texts, [1, 1, 1, 1]], name);
      assert.deepEqual([made.socket.counters.sent, made.socket.counters.sentBytes], [3, 12]);
      assert.deepEqual(made.socket.counters.sendErrors, {});
      const each = [1, 0];
      assert.deepEqual(made.settled, settles ? [each, each, each] : []);
      // They are not joined any more.
      const more = sendMany(made, 2, 2000);
      made.endTurn();
      assert.deepEqual([made.sent.slice(3), made.asked.at(-1)], [more, 2]);
    }
  }
});

test('base datagrams: in the middle of what is cut here, EAGAIN keeps the rest whole', () => {
  for (const taken of [0, 1, 2]) {
    const made = new MadeUpSocket(GSO);
    const { socket } = made;
    const texts = sendMany(made, 3);
    const one = new Array<number>(taken).fill(1);
    made.answers.push(-code('EINVAL'), ...one, -errno.EAGAIN);
    made.endTurn();
    assert.deepEqual([made.sent, socket.writes], [texts.slice(0, taken), true]);
    assert.deepEqual([socket.queuedDatagrams, socket.queuedBytes], [3 - taken, 4 * (3 - taken)]);
    assert.equal(socket.counters.sent, taken);
    socket.writable();
    assert.deepEqual([made.sent, socket.queuedDatagrams, socket.queuedBytes], [texts, 0, 0]);
    assert.deepEqual([socket.counters.sent, socket.counters.sentBytes], [3, 12]);
  }
});

test('base datagrams: an error of one that was cut off drops that one', () => {
  for (const settles of [false, true]) {
    const made = new MadeUpSocket({ ...GSO, settles });
    const texts = sendMany(made, 4);
    made.answers.push(-code('EINVAL'), 1, -code('EPERM'));
    made.endTurn();
    assert.deepEqual(made.sent, [texts[0], texts[2], texts[3]]);
    assert.deepEqual(made.socket.counters.sendErrors, { EPERM: 1 });
    assert.deepEqual(
      made.settled,
      settles
        ? [
            [1, 0],
            [1, code('EPERM')],
            [1, 0],
            [1, 0],
          ]
        : [],
    );
    assert.deepEqual([made.socket.queuedDatagrams, made.socket.queuedBytes], [0, 0]);
  }
});

test('base datagrams: an error of a message that the kernel cuts drops all of it', () => {
  const made = new MadeUpSocket({ ...GSO, settles: true });
  sendMany(made, 4);
  made.send('longer than those');
  made.answers.push(-code('EPERM'));
  made.endTurn();
  assert.deepEqual([made.sent, made.asked], [['longer than those'], [2, 1]]);
  assert.deepEqual(made.socket.counters.sendErrors, { EPERM: 4 });
  assert.deepEqual(made.settled, [
    [4, code('EPERM')],
    [1, 0],
  ]);
});

test('base datagrams: bytes with a segment size that is not cut go out in pieces', () => {
  const made = new MadeUpSocket(GSO);
  made.answers.push(-code('EIO'));
  made.send('aaaabbbbcc', 4);
  made.endTurn();
  assert.deepEqual(made.sent, ['aaaa', 'bbbb', 'cc']);
  made.send('ddddeeee', 4);
  made.send('f');
  made.endTurn();
  assert.deepEqual(made.sent.slice(3), ['dddd', 'eeee', 'f']);
  assert.deepEqual([made.socket.counters.sent, made.socket.counters.sentBytes], [6, 19]);
});

test('base datagrams: 64 are sent at once, and so many again', () => {
  const made = new MadeUpSocket();
  sendMany(made, 63);
  assert.deepEqual(made.asked, []);
  sendMany(made, 1);
  assert.deepEqual(made.asked, [64]);
  sendMany(made, 64);
  assert.deepEqual(made.asked, [64, 64]);
  sendMany(made, 5);
  made.endTurn();
  assert.deepEqual(made.asked, [64, 64, 5]);
});

test('base datagrams: a queue grows to its bound while it waits, to the byte', () => {
  for (const bound of [65, 100]) {
    const made = new MadeUpSocket({ settings: { queuedBytesMax: bound } });
    made.answers.push(-errno.EAGAIN);
    made.send('x');
    made.endTurn();
    for (let one = 1; one < bound; one += 1) assert.ok(made.send('x'), `${one}`);
    assert.equal(made.send('x'), false);
    assert.deepEqual([made.socket.queuedBytes, made.socket.counters.refused], [bound, 1]);
    made.socket.writable();
    assert.equal(made.sent.length, bound);
  }
});

test('base datagrams: a socket that is closed while it rests sends nothing more', () => {
  const made = new MadeUpSocket();
  made.send('x');
  made.answers.push(-errno.ENOBUFS);
  made.endTurn();
  made.socket.close();
  made.socket.retry();
  made.socket.flush();
  assert.deepEqual([made.sent, made.asked.length], [[], 1]);
});
