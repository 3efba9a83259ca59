// Goal: what surrounds the simulated process does what its users count on: virtual time, latency,
// deadlocks that are noticed, peers, faults drawn independently of each other.
// Method: small environments in which one thing happens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultPlan, faultKinds } from '#sim/faults.js';
import { DeadlockError } from '#sim/kernel.js';
import { Peer } from '#sim/peers.js';
import { Draws } from '#sim/random.js';
import { SimSys } from '#sim/sim-sys.js';
import { abis } from '#src/sys/abi/index.js';
import { Arm } from './arm.ts';
import { epollEvent, pollState } from './states.ts';

const HERE = { family: 'IPv4', address: '127.0.0.1', port: 7007 } as const;

test('sim environment: the abi tells the platform, and what it lacks is ENOSYS', () => {
  for (const abi of abis) {
    const sys = new SimSys({ seed: 1, abi });
    const arm = new Arm(sys, false, 'environment');
    const isLinux = abi.platform.startsWith('linux');
    const isDarwin = abi.platform.startsWith('darwin');
    const epoll = sys.epoll_create1(0);
    assert.equal(arm.name(epoll), isLinux ? '3' : 'ENOSYS');
    if (epoll >= 0) sys.close(epoll);
    const event = sys.eventfd(0, 0);
    assert.equal(arm.name(event), isDarwin ? 'ENOSYS' : '3');
    if (event >= 0) sys.close(event);
    assert.equal(arm.name(sys.pipe2(new Int32Array(2), 0)), isDarwin ? 'ENOSYS' : '0');
    const [left, right] = arm.unixPair();
    assert.equal(arm.send(left, 'hello'), 5);
    assert.equal(arm.recv(right), '"hello"');
  }
});

test('sim environment: a BSD hands O_NONBLOCK down, and accept4 does not', () => {
  for (const abi of abis) {
    const sys = new SimSys({ seed: 1, abi });
    const arm = new Arm(sys, false, 'environment');
    const { F_GETFL, O_NONBLOCK } = abi.constants;
    const { fd, address } = arm.listener();
    arm.connect(arm.socket(), address);
    arm.connect(arm.socket(), address);
    const plain = sys.accept(fd, new Uint8Array(128), new Int32Array([128]));
    const handed = (sys.fcntl(plain, F_GETFL, 0) & O_NONBLOCK) !== 0;
    assert.equal(handed, !abi.platform.startsWith('linux'));
    if (!abi.behaviours.accept4) continue;
    assert.equal(sys.fcntl(arm.accept(fd), F_GETFL, 0) & O_NONBLOCK, 0);
  }
});

test('sim environment: waiting costs virtual time only', () => {
  const sys = new SimSys({ seed: 1 });
  const arm = new Arm(sys, false, 'environment');
  const [left] = arm.unixPair();
  const begin = sys.monotonicMs();
  assert.equal(pollState(sys, left, 0), '1 OUT');
  assert.equal(sys.poll(new Uint8Array(0), 0, 3_600_000), 0);
  const passed = sys.monotonicMs() - begin;
  assert.ok(passed >= 3_600_000 && passed < 3_600_001, `${passed} ms`);
});

test('sim environment: what is scheduled happens at its time, and ends a wait', () => {
  const sys = new SimSys({ seed: 1 });
  const arm = new Arm(sys, false, 'environment');
  const fd = arm.own(sys.eventfd(0, 0));
  const at = sys.monotonicMs() + 40;
  sys.kernel.at(at, () => sys.write(fd, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 0, 8));
  const count = new Uint8Array(8);
  assert.equal(sys.read(fd, count, 0, 8), 8);
  assert.equal(sys.monotonicMs(), at);
});

test('sim environment: who acts for others must not wait', () => {
  const sys = new SimSys({ seed: 1 });
  const fd = sys.eventfd(0, 0);
  sys.kernel.after(5, () => sys.read(fd, new Uint8Array(8), 0, 8));
  assert.throws(() => sys.poll(new Uint8Array(0), 0, 10), /must not wait/);
});

test('sim environment: a wait for what never comes is a deadlock, with its story', () => {
  const sys = new SimSys({ seed: 42, traceLines: 50 });
  const arm = new Arm(sys, false, 'environment');
  const [left, right] = arm.unixPair();
  arm.send(right, 'a');
  arm.recv(left);
  const epoll = arm.own(sys.epoll_create1(0));
  const blocking = arm.tcpPair()[0];
  sys.fcntl(blocking, sys.abi.constants.F_SETFL, 0);
  for (const wait of [
    () => sys.epoll_wait(epoll, new Uint8Array(64), 1, -1),
    () => sys.poll(new Uint8Array(0), 0, -1),
    () => sys.select(0, null, null, null),
    () => sys.kevent(arm.own(sys.kqueue()), null, 0, new Uint8Array(64), 1, null),
    () => sys.recv(blocking, new Uint8Array(1), 0, 1, 0),
  ]) {
    assert.throws(wait, DeadlockError);
  }
  const words =
    /deadlock in epoll_wait.*seed 42.*fd 3: socket \(connected.*send\(4, 1, 16384\) = 1/s;
  assert.throws(() => sys.epoll_wait(epoll, new Uint8Array(64), 1, -1), words);
});

test('sim environment: bytes, connections and ends take their time and keep their order', () => {
  const sys = new SimSys({ seed: 1, limits: { latencyMs: [10, 30] } });
  const arm = new Arm(sys, false, 'environment');
  const { fd, address } = arm.listener();
  const client = arm.socket();
  const begin = sys.monotonicMs();
  assert.equal(arm.name(arm.connect(client, address)), 'EINPROGRESS');
  assert.equal(pollState(sys, client), '0 -');
  assert.equal(arm.peerOf(client), 'ENOTCONN');
  assert.equal(pollState(sys, client, -1), '1 OUT');
  assert.ok(sys.monotonicMs() - begin >= 10);
  const server = arm.own(arm.accept(fd, sys.abi.constants.SOCK_NONBLOCK));
  for (const text of ['a', 'b', 'c']) arm.send(client, text);
  arm.shutdown(client, 'SHUT_WR');
  let got = '';
  for (;;) {
    pollState(sys, server, 0);
    const piece = arm.recv(server, 1);
    if (piece === '""') break;
    if (piece === 'EAGAIN') sys.poll(new Uint8Array(0), 0, 1);
    else got += piece;
  }
  assert.equal(got, '"a""b""c"');
});

test('sim environment: connect times out without an answer, and waits for a full backlog', () => {
  const sys = new SimSys({ seed: 1 });
  const arm = new Arm(sys, false, 'environment');
  const far = arm.socket();
  arm.connect(far, { family: 'IPv4', address: '192.0.2.1', port: 7 });
  const begin = sys.monotonicMs();
  assert.equal(pollState(sys, far, -1), '1 IN|OUT|ERR|HUP|RDHUP');
  assert.equal(arm.errorOf(far), 'ETIMEDOUT');
  assert.ok(sys.monotonicMs() - begin > 60_000);

  const { fd, address } = arm.listener('IPv4', 0);
  arm.connect(arm.socket(), address);
  const waiting = arm.socket();
  arm.connect(waiting, address);
  assert.equal(pollState(sys, waiting, 500), '0 -');
  arm.own(arm.accept(fd));
  assert.equal(pollState(sys, waiting, -1), '1 OUT');
});

test('sim environment: a peer talks to a server of one thread', () => {
  const sys = new SimSys({ seed: 7, limits: { latencyMs: [1, 5], sendBufferBytes: 3 } });
  const arm = new Arm(sys, false, 'environment');
  const listener = arm.socket('IPv4', 'blocking');
  arm.bind(listener, HERE);
  sys.listen(listener, 5);
  const heard: string[] = [];
  const buffer = new Uint8Array(64);
  let said = 0;
  const peer = new Peer(sys, 'client', () => {
    if (peer.connecting) return;
    if (said < 5) said += Math.max(0, peer.send(new TextEncoder().encode('hello'), said));
    let count = peer.receive(buffer);
    for (; count > 0; count = peer.receive(buffer)) {
      heard.push(new TextDecoder().decode(buffer.subarray(0, count)));
    }
    if (count === 0) peer.close();
  });
  assert.equal(arm.name(peer.connect(HERE)), 'EINPROGRESS');
  const server = arm.own(arm.accept(listener));
  let got = 0;
  while (got < 5) {
    const count = sys.recv(server, buffer, 0, 64, 0);
    assert.ok(count > 0);
    assert.equal(sys.send(server, buffer, 0, count, 0), count);
    got += count;
  }
  arm.close(server);
  arm.close(listener);
  sys.poll(new Uint8Array(0), 0, 100);
  assert.equal(heard.join(''), 'hello');
  assert.ok(peer.closed);
  assert.deepEqual(sys.openDescriptors(), []);
});

test('sim environment: a peer can be the server', () => {
  const sys = new SimSys({ seed: 7 });
  const arm = new Arm(sys, false, 'environment');
  const child = new Peer(sys, 'connection', () => {
    child.send(new TextEncoder().encode('welcome'));
    child.end();
  });
  const host = new Peer(sys, 'server', () => assert.equal(host.accept(child), 0));
  assert.equal(host.listen(HERE, 5), 0);
  const client = arm.socket('IPv4', 'blocking');
  assert.equal(arm.connect(client, HERE), 0);
  assert.equal(arm.recv(client), '"welcome"');
  assert.equal(arm.recv(client), '""');
});

test('sim environment: keys are read from descriptor 0', () => {
  const sys = new SimSys({ seed: 1 });
  sys.kernel.after(20, () => sys.type('q\n'));
  assert.equal(pollState(sys, 0, -1), '1 IN');
  const bytes = new Uint8Array(8);
  assert.equal(sys.read(0, bytes, 0, 8), 2);
  assert.deepEqual([...bytes.subarray(0, 2)], [113, 10]);
});

test('sim environment: one fault alone, and none after healing', () => {
  const sys = new SimSys({ seed: 1, faults: new FaultPlan({ interrupt: 1 }) });
  const arm = new Arm(sys, false, 'environment');
  assert.equal(arm.name(sys.poll(new Uint8Array(0), 0, 1000)), 'EINTR');
  sys.kernel.heal();
  assert.equal(sys.poll(new Uint8Array(0), 0, 1000), 0);
  assert.deepEqual(
    faultKinds.filter((kind) => sys.kernel.faults.fired[kind] > 0),
    ['interrupt'],
  );
});

test('sim environment: after a false EAGAIN no edge follows until a rearm', () => {
  const sys = new SimSys({ seed: 1, faults: new FaultPlan({ falseEagain: 0.5 }) });
  const arm = new Arm(sys, false, 'environment');
  const [left, right] = arm.unixPair();
  const { EPOLLIN = 0, EPOLLET = 0, EPOLL_CTL_ADD = 0, EPOLL_CTL_MOD = 0 } = sys.abi.constants;
  const epoll = arm.own(sys.epoll_create1(0));
  const event = epollEvent(sys, left, EPOLLIN | EPOLLET);
  sys.epoll_ctl(epoll, EPOLL_CTL_ADD, left, event);
  for (let round = 0; round < 50; round += 1) {
    while (arm.send(right, 'a') < 0);
    assert.equal(sys.epoll_wait(epoll, event, 1, -1), 1);
    while (arm.recv(left) === 'EAGAIN') {
      assert.equal(sys.epoll_wait(epoll, event, 1, 0), 0);
      sys.epoll_ctl(epoll, EPOLL_CTL_MOD, left, epollEvent(sys, left, EPOLLIN | EPOLLET));
      assert.equal(sys.epoll_wait(epoll, event, 1, 0), 1);
    }
  }
  assert.ok(sys.kernel.faults.fired.falseEagain > 20);
});

test('sim environment: the draws of one concern do not shift those of another', () => {
  const first = new Draws(5).split('a');
  const expected = Array.from({ length: 5 }, () => first.bits());
  const root = new Draws(5);
  root.bits();
  const other = root.split('b');
  other.bits();
  const again = root.split('a');
  assert.deepEqual(
    Array.from({ length: 5 }, () => again.bits()),
    expected,
  );
  assert.notEqual(new Draws(6).split('a').bits(), expected[0]);
  assert.notEqual(new Draws(5 + 2 ** 40).split('a').bits(), expected[0]);
});

test('sim environment: the numbers are spread evenly', () => {
  const random = new Draws(1, 'evenly');
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw += 1) {
    const digit = random.below(10);
    counts[digit] = (counts[digit] ?? 0) + 1;
  }
  assert.ok(
    counts.every((count) => count > 9_500 && count < 10_500),
    counts.join(' '),
  );
  assert.deepEqual([...random.shuffled([1, 2, 3, 4, 5])].sort(), [1, 2, 3, 4, 5]);
});
