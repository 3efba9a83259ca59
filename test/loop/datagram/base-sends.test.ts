// Goal: a socket of datagrams owes nothing and forgets nothing, whatever its sends answer: each
// datagram is sent or fails once and in order, what waits is waited for in the right way, and a
// refused send is followed by one `drained`.
// Method: the class that all backends share, over calls whose answers are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { abi, code, MadeUpSocket } from './made-up-socket.ts';

const { errno } = abi;

const texts = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${from + index}`);

test('base datagrams: sends wait for the end of the turn, and are made once', () => {
  const made = new MadeUpSocket();
  const { socket, sent, asked } = made;
  for (const text of texts(3)) assert.ok(made.send(text));
  assert.deepEqual([sent, socket.queuedDatagrams, socket.queuedBytes], [[], 3, 3]);
  made.endTurn();
  made.endTurn();
  assert.deepEqual([sent, asked, socket.queuedDatagrams], [texts(3), [3], 0]);
  assert.deepEqual([socket.counters.sent, socket.counters.sentBytes], [3, 3]);
  made.send('3');
  socket.flush();
  assert.deepEqual(sent, texts(4));
  made.endTurn();
  assert.deepEqual(asked, [3, 1]);
});

test('base datagrams: EAGAIN waits for room, and what a call left follows in order', () => {
  const made = new MadeUpSocket();
  const { socket, sent, answers, stats } = made;
  for (const text of texts(5)) made.send(text);
  answers.push(2, -errno.EAGAIN);
  assert.equal(socket.writes, false);
  made.endTurn();
  assert.deepEqual(
    [sent, socket.writes, made.takeDirty(), made.take()],
    [texts(2), true, true, []],
  );
  assert.equal(stats.eagain, 1);
  // Nothing is tried until there is room.
  made.send('5');
  made.endTurn();
  socket.flush();
  assert.deepEqual([sent.length, socket.queuedDatagrams], [2, 4]);
  socket.writable();
  assert.deepEqual([sent, socket.writes, made.takeDirty()], [texts(6), false, true]);
  socket.writable();
  assert.equal(socket.queuedDatagrams, 0);
});

test('base datagrams: what no event tells of is tried again after a rest, and not before', () => {
  const cases = [
    ['ENOBUFS', false],
    ['ENOMEM', false],
    ['EINTR', false],
    ['EAGAIN', true],
  ] as const;
  for (const [name, unixPeers] of cases) {
    const made = new MadeUpSocket({ settings: { unixPeers } });
    const { socket, sent, answers } = made;
    for (const text of texts(3)) made.send(text);
    answers.push(1, -code(name));
    made.endTurn();
    assert.deepEqual([sent, made.take(), made.takeDirty()], [texts(1), ['resting 5'], true], name);
    assert.equal(socket.writes, false, 'an event would come at once, again and again');
    socket.writable();
    socket.flush();
    assert.equal(sent.length, 1);
    socket.retry();
    assert.deepEqual([sent, socket.writes, made.take()], [texts(3), false, []], name);
    assert.deepEqual(socket.counters.sendErrors, {});
    assert.equal(made.stats.eintr, name === 'EINTR' ? 1 : 0);
  }
});

test('base datagrams: after 16 times of room that was none it rests', () => {
  const made = new MadeUpSocket();
  const { socket, sent, answers } = made;
  made.send('0');
  answers.push(-errno.EAGAIN);
  made.endTurn();
  for (let time = 0; time < 15; time += 1) {
    answers.push(-errno.EAGAIN);
    socket.writable();
    assert.deepEqual([made.take(), socket.writes], [[], true], `${time}`);
  }
  answers.push(-errno.EAGAIN);
  socket.writable();
  assert.deepEqual([made.take(), socket.writes, sent], [['resting 5'], false, []]);
  // What is sent begins the count anew.
  socket.retry();
  assert.deepEqual(sent, ['0']);
  for (let time = 0; time < 15; time += 1) {
    made.send(`${time}`);
    answers.push(-errno.EAGAIN);
    made.endTurn();
    socket.writable();
    assert.deepEqual(made.take(), []);
  }
});

test('base datagrams: it takes what its bound allows, to the byte, and refuses once', () => {
  const made = new MadeUpSocket();
  const { socket, answers } = made;
  answers.push(-errno.EAGAIN);
  made.send('x'.repeat(1000));
  made.endTurn();
  for (let one = 0; one < 8; one += 1) assert.ok(made.send('x'.repeat(1000)));
  assert.equal(made.send('x'.repeat(1001)), false);
  assert.ok(made.send('x'.repeat(999)));
  assert.ok(made.send('x'));
  assert.equal(made.send('x'), false);
  assert.ok(made.send(''), 'nothing has room');
  assert.deepEqual([socket.queuedBytes, socket.counters.refused], [10_000, 2]);
  assert.equal(made.isLater, false);
  made.report();
  assert.deepEqual(made.take(), []);
  // Some room: not yet the queue, and so no drain.
  answers.push(3, -errno.EAGAIN);
  socket.writable();
  made.endTurn();
  assert.deepEqual([made.take(), socket.queuedDatagrams], [[], 9]);
  socket.writable();
  assert.deepEqual([made.take(), made.isLater], [[], true], 'not inside of the call');
  // What is sent in between is of the next turn.
  made.send('once more');
  made.report();
  assert.deepEqual(made.take(), []);
  made.endTurn();
  made.report();
  assert.deepEqual([made.take(), socket.queuedDatagrams], [['drained'], 0]);
  made.send('and again');
  made.endTurn();
  made.endTurn();
  assert.deepEqual(made.take(), [], 'one for all refused');
});

test('base datagrams: a queue that is full by its memory alone makes its sends first', () => {
  const made = new MadeUpSocket({ settings: { queuedBytesMax: 1_000_000 } });
  const { socket, sent, asked } = made;
  const long = (): boolean => made.send('x'.repeat(60_000));
  for (let one = 0; one < 12; one += 1) assert.ok(long());
  assert.ok(sent.length >= 4, 'without a wait');
  assert.equal(socket.counters.refused, 0);
  assert.ok(asked.every((count) => count > 0));
  assert.equal(sent.length + socket.queuedDatagrams, 12);
});

test('base datagrams: an error of one datagram drops it, and those around it are sent', () => {
  const made = new MadeUpSocket();
  const { socket, sent, answers } = made;
  for (const text of texts(4)) made.send(text);
  answers.push(1, -code('EPERM'), -code('EMSGSIZE'));
  made.endTurn();
  assert.deepEqual([sent, made.take()], [['0', '3'], []]);
  assert.deepEqual(socket.counters.sendErrors, { EPERM: 1, EMSGSIZE: 1 });
  assert.deepEqual([socket.counters.sent, socket.queuedDatagrams], [2, 0]);
});

test('base datagrams: an error of an earlier datagram costs no other, its own one', () => {
  for (const name of ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']) {
    const made = new MadeUpSocket();
    const { socket, sent, answers } = made;
    made.send('0');
    answers.push(-code(name));
    made.endTurn();
    // Tried again, and sent: the error was of another.
    assert.deepEqual([sent, made.take()], [['0'], [`peer ${code(name)}`]]);
    assert.deepEqual([socket.counters.peerErrors, socket.counters.sendErrors], [{ [name]: 1 }, {}]);
    made.send('1');
    made.send('2');
    answers.push(-code(name), -code(name));
    made.endTurn();
    // The same twice is its own.
    assert.deepEqual([sent, made.take()], [['0', '2'], []]);
    assert.deepEqual(socket.counters.sendErrors, { [name]: 1 });
    made.send('3');
    answers.push(-code(name), -code('EPERM'));
    made.endTurn();
    assert.deepEqual(socket.counters.sendErrors, { [name]: 1, EPERM: 1 });
    assert.deepEqual([socket.counters.peerErrors, sent], [{ [name]: 2 }, ['0', '2']]);
  }
});

test('base datagrams: who hears of each datagram hears of errors as the kernel has them', () => {
  const made = new MadeUpSocket({ settles: true });
  const { socket, sent, answers, settled } = made;
  for (const text of texts(4)) made.send(text);
  answers.push(1, -code('ECONNREFUSED'), 1, -code('EPERM'));
  made.endTurn();
  assert.deepEqual(sent, ['0', '2']);
  assert.deepEqual(settled, [
    [1, 0],
    [1, code('ECONNREFUSED')],
    [1, 0],
    [1, code('EPERM')],
  ]);
  assert.deepEqual(socket.counters.sendErrors, { ECONNREFUSED: 1, EPERM: 1 });
});

test('base datagrams: a broken socket fails once, in the next turn, and takes nothing more', () => {
  for (const [name, sequenced] of [
    ['EBADF', false],
    ['ENOTSOCK', false],
    ['EPIPE', true],
    ['ENOTCONN', true],
  ] as const) {
    const made = new MadeUpSocket({
      settings: { sequenced },
    });
    const { socket, answers, asked } = made;
    made.send('0');
    answers.push(-code(name));
    made.endTurn();
    assert.deepEqual([made.take(), socket.reads, socket.writes], [[], false, false], name);
    assert.equal(made.send('1'), false);
    socket.flush();
    assert.equal(asked.length, 1);
    made.report();
    assert.deepEqual(made.take(), ['removed', `failed ${code(name)}`]);
    assert.equal(socket.counters.refused, 0, 'no drain will come');
  }
  const calm = new MadeUpSocket();
  calm.send('0');
  calm.answers.push(-code('EPIPE'));
  calm.endTurn();
  assert.deepEqual(calm.socket.counters.sendErrors, { EPIPE: 1 });
});

test('base datagrams: a close sends what this turn has gathered, not what waits', () => {
  const open = new MadeUpSocket();
  open.send('0');
  open.socket.close();
  assert.deepEqual([open.sent, open.take()], [['0'], ['removed']]);
  assert.equal(open.send('1'), false);
  open.endTurn();
  assert.deepEqual(open.asked, [1]);
  const full = new MadeUpSocket();
  full.send('0');
  full.answers.push(-errno.EAGAIN);
  full.endTurn();
  full.socket.close();
  assert.deepEqual([full.sent, full.asked], [[], [1]]);
});

const ANSWERS = ['EAGAIN', 'ENOBUFS', 'EINTR', 'ECONNREFUSED', 'EPERM', 'EHOSTUNREACH'] as const;
const answer = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(...ANSWERS));
const step = fc.oneof(
  fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ do: fc.constant('answer' as const), answer }),
  fc.record({ do: fc.constantFrom('room' as const, 'turn' as const, 'flush' as const) }),
);

test('base datagrams: whatever the kernel answers, each goes out or is counted, in order', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (settles, steps) => {
      const made = new MadeUpSocket({ settles, settings: { queuedBytesMax: 2000 } });
      const { socket, sent, answers, settled } = made;
      let taken = 0;
      let owed = false;
      let rests = false;
      /** Whether it waits in the right way, and drains when it owes that. */
      const check = (): void => {
        for (const event of made.take()) {
          if (event.startsWith('resting')) rests = true;
          if (event !== 'drained') continue;
          assert.ok(owed && socket.queuedDatagrams === 0);
          owed = false;
        }
        assert.ok(!socket.writes || socket.queuedDatagrams > 0);
        const errors = Object.values(socket.counters.sendErrors).reduce((sum, one) => sum + one, 0);
        assert.equal(sent.length + errors + socket.queuedDatagrams, taken);
        assert.equal(socket.counters.sent, sent.length);
      };
      const turn = (): void => {
        made.endTurn();
        made.report();
        check();
      };
      for (const one of steps) {
        if (one.do === 'send') {
          for (let each = 0; each < one.count; each += 1) {
            if (made.send(`${taken}`.padEnd(100))) taken += 1;
            else owed = true;
          }
        } else if (one.do === 'answer') {
          answers.push(typeof one.answer === 'number' ? one.answer : -code(one.answer));
        } else if (one.do === 'flush') socket.flush();
        else if (one.do === 'turn') turn();
        else if (socket.writes) socket.writable();
        check();
      }
      answers.length = 0;
      for (let time = 0; time < 5; time += 1) {
        if (rests) socket.retry();
        if (socket.writes) socket.writable();
        turn();
      }
      assert.deepEqual([socket.queuedDatagrams, socket.queuedBytes, owed], [0, 0, false]);
      const numbers = sent.map(Number);
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(numbers).size, numbers.length);
      if (settles) {
        assert.equal(
          settled.reduce((sum, [count]) => sum + count, 0),
          taken,
        );
        assert.equal(settled.filter(([, error]) => error === 0).length, sent.length);
      }
    }),
    { numRuns: 300 },
  );
});
