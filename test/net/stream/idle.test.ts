// Goal: a connection is given up exactly when nothing has moved for its idle timeout, never a
// millisecond early and no turn late; so is a lingering close.
// Method: a clock and a kernel that the test sets by hand: checks fall on the edge of each time.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Loop } from '#src/loop/loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import { ConnectionGroup } from '#src/net/stream/connection-group.js';
import { StreamConnection } from '#src/net/stream/stream-connection.js';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { ScriptedKernel } from '#test/loop/readiness/scripted/kernel.js';

const { EAGAIN } = nativeSys().abi.errno;
const IDLE_MS = 100;
const CHUNK = 65_536;
const REMOTE = { family: 'IPv4', address: '127.0.0.1', port: 7007 } as const;

/** A connection that is opened at 1000 ms, with what became of it. */
function connected(
  t: TestContext,
  handlers: ConnectionHandlers = {},
  idle: number | null = IDLE_MS,
) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, false);
  const loop = new Loop(kernel.sys, kernel.backend);
  t.after(() => loop.close());
  const ends: string[] = [];
  const also: ConnectionHandlers = {
    end: () => undefined,
    ...handlers,
    close: (_, error) => void ends.push(`${error?.code ?? 'closed'} at ${kernel.nowMs}`),
  };
  const group = new ConnectionGroup(loop, { handlers: also, idleTimeoutMs: idle }, false, null);
  let idles = 0;
  group.onIdle = () => {
    idles += 1;
  };
  const connection: Connection = new StreamConnection(group, kernel.newFd(), REMOTE);
  loop.turn(0);
  const fd = connection.fd;
  /** A turn at `timeMs`. */
  const turnAt = (timeMs: number): string[] => {
    kernel.nowMs = timeMs;
    loop.turn(0);
    return ends;
  };
  return { kernel, loop, connection, fd, ends, turnAt, idles: () => idles };
}

/** Queues `chunks` of 64 KiB that the kernel does not take. */
function fill({ kernel, connection }: ReturnType<typeof connected>, chunks: number): void {
  kernel.sends.push(-EAGAIN);
  connection.write(Buffer.alloc(chunks * CHUNK));
}

test('idle: nothing moves, until the very millisecond', (t) => {
  const { loop, turnAt, idles } = connected(t);
  assert.deepEqual(turnAt(1099.999), []);
  assert.equal(idles(), 0);
  assert.deepEqual(turnAt(1100), ['ETIMEDOUT at 1100']);
  assert.deepEqual([idles(), loop.alive], [1, false]);
});

test('idle: what is received or written is counted from its own moment', (t) => {
  for (const move of ['receive', 'write', 'end'] as const) {
    const { kernel, connection, fd, turnAt, loop } = connected(t);
    kernel.nowMs = 1060;
    if (move === 'receive') kernel.bring(fd, 'x');
    else if (move === 'write') connection.write('x');
    else kernel.bring(fd, 0);
    turnAt(1060);
    // The end of the peer is no byte.
    const activeMs = move === 'end' ? 1000 : 1060;
    for (const timeMs of [1099, activeMs + 99]) assert.deepEqual(turnAt(timeMs), [], move);
    if (move !== 'end') assert.deepEqual(turnAt(1100), []);
    assert.deepEqual(turnAt(activeMs + 99.5), []);
    assert.deepEqual(turnAt(activeMs + 100), [`ETIMEDOUT at ${activeMs + 100}`]);
    assert.equal(loop.alive, false);
  }
});

test('idle: a check at which time is left looks again when that is over', (t) => {
  const { kernel, fd, loop, turnAt } = connected(t);
  turnAt(1010);
  kernel.bring(fd, 'x');
  turnAt(1010);
  turnAt(1100);
  kernel.waits();
  loop.turn(1000);
  assert.deepEqual(kernel.waits(), ['wait 10']);
  assert.deepEqual(turnAt(1109), []);
  assert.deepEqual(turnAt(1110), ['ETIMEDOUT at 1110']);
});

test('idle: output that moves counts from the check that sees it', (t) => {
  const one = connected(t);
  const { kernel, fd, turnAt } = one;
  fill(one, 40);
  assert.deepEqual(turnAt(1001), []);
  kernel.ready(fd, Interest.write);
  assert.deepEqual(turnAt(1030), []);
  assert.equal(one.connection.queuedBytes, 24 * CHUNK);
  assert.deepEqual(turnAt(1100), [], 'it has moved');
  assert.deepEqual(turnAt(1199), []);
  assert.deepEqual(turnAt(1200), ['ETIMEDOUT at 1200'], 'but not since');
});

test('idle: output that is stuck when the timeout is set does not move by that', (t) => {
  const one = connected(t, {}, null);
  const { kernel, connection, turnAt } = one;
  fill(one, 2);
  turnAt(1001);
  kernel.nowMs = 1050;
  connection.setTimeout(IDLE_MS);
  assert.deepEqual(turnAt(1149), []);
  assert.deepEqual(turnAt(1150), ['ETIMEDOUT at 1150']);
  assert.ok(kernel.calls().includes(`setsockopt ${one.fd} 10000000`), 'a reset: bytes were left');
});

test('idle: with nothing queued, the peer gets a plain end', (t) => {
  const { kernel, turnAt } = connected(t);
  turnAt(1100);
  assert.ok(!kernel.calls().some((call) => call.startsWith('setsockopt')));
});

test('idle: an empty queue is a move, from its own moment', (t) => {
  const one = connected(t);
  fill(one, 1);
  one.turnAt(1000);
  one.turnAt(1001);
  one.kernel.ready(one.fd, Interest.write);
  assert.deepEqual(one.turnAt(1070), []);
  assert.deepEqual(one.turnAt(1100), []);
  assert.deepEqual(one.turnAt(1169), []);
  assert.deepEqual(one.turnAt(1170), ['ETIMEDOUT at 1170']);
});

test('idle: what waits in the socket when the timer is due came in time', (t) => {
  const { kernel, fd, turnAt } = connected(t);
  kernel.bring(fd, 'x');
  assert.deepEqual(turnAt(1100), []);
  assert.deepEqual(turnAt(1199), []);
  assert.deepEqual(turnAt(1200), ['ETIMEDOUT at 1200']);
});

test('idle: a timeout that is changed or taken back while its timer is due', (t) => {
  for (const [change, end] of [
    [null, null],
    [300, 1400],
    [20, 1120],
  ] as const) {
    const one = connected(t, { data: (connection) => connection.setTimeout(change) });
    one.kernel.bring(one.fd, 'x');
    assert.deepEqual(one.turnAt(1100), []);
    assert.deepEqual(one.turnAt(end === null ? 5000 : end - 1), []);
    if (end === null) {
      one.connection.close();
      assert.deepEqual(one.turnAt(5000), ['closed at 5000']);
    } else assert.deepEqual(one.turnAt(end), [`ETIMEDOUT at ${end}`]);
    assert.equal(one.loop.alive, false, 'no timer is left');
  }
});

test('idle: a handler that closes while the timer is due leaves nothing', (t) => {
  const one = connected(t, { data: (connection) => connection.close() });
  one.kernel.bring(one.fd, 'x');
  assert.deepEqual(one.turnAt(1100), ['closed at 1100']);
  one.turnAt(1300);
  assert.deepEqual([one.ends.length, one.idles(), one.loop.alive], [1, 0, false]);
});

test('idle: a new timeout begins when it is set', (t) => {
  const { kernel, connection, turnAt } = connected(t);
  turnAt(1090);
  kernel.nowMs = 1095;
  connection.setTimeout(50);
  assert.deepEqual(turnAt(1144), []);
  assert.deepEqual(turnAt(1145), ['ETIMEDOUT at 1145']);
});

test('linger: the peer takes all in time, or the connection is given up', (t) => {
  const late = connected(t);
  fill(late, 1);
  late.turnAt(1001);
  late.kernel.nowMs = 1010;
  late.connection.close({ lingerMs: 200 });
  late.connection.setTimeout(10);
  assert.deepEqual(late.turnAt(1209), [], 'the idle timeout counts no more');
  assert.deepEqual(late.turnAt(1210), ['ETIMEDOUT at 1210']);
  assert.equal(late.loop.alive, false);

  const justInTime = connected(t);
  fill(justInTime, 1);
  justInTime.turnAt(1001);
  justInTime.connection.close({ lingerMs: 200 });
  assert.deepEqual(justInTime.turnAt(1002), []);
  justInTime.kernel.ready(justInTime.fd, Interest.write);
  justInTime.kernel.bring(justInTime.fd, 0);
  assert.deepEqual(justInTime.turnAt(1201), ['closed at 1201']);

  const inTime = connected(t);
  fill(inTime, 1);
  inTime.turnAt(1001);
  inTime.connection.close({ lingerMs: 200 });
  inTime.kernel.ready(inTime.fd, Interest.write);
  inTime.turnAt(1100);
  inTime.turnAt(1150);
  assert.deepEqual(inTime.ends, [], 'the peer has not ended');
  // The timer is due in the turn that brings the end.
  inTime.kernel.bring(inTime.fd, 'late bytes');
  inTime.turnAt(1160);
  inTime.kernel.bring(inTime.fd, 0);
  assert.deepEqual(inTime.turnAt(1201), ['closed at 1201']);
  assert.equal(inTime.loop.alive, false);
});
