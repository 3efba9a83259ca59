// Goal: what a ring works for can end at any moment, and nothing is left of it.
// Method: the real kernel, with everything that can be under way under way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RingBackend } from '#src/loop/ring/backend.js';
import type { Connection } from '#src/net/stream/connection.js';
import { createServer } from '#src/socket/create.js';
import { nativeSys } from '#src/sys/native.js';
import { openFilesLimit } from '#src/sys/rlimit.js';
import { connectedPair, pattern, portOf, turnOn, until } from '#test/conformance/environment.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { ringEnvironment, withoutRing } from './environment.ts';
import { pushInto, socketPair, takeFrom, Wired } from './socket-pairs.ts';

const sys = nativeSys();
const limits = { skip: withoutRing, timeout: 60_000 };

const ROUNDS = 200;

test('ring lifecycle: a listener that is closed while connections come', limits, (t) => {
  leakCheck(t);
  const environment = ringEnvironment();
  t.after(() => environment.close());
  for (let round = 0; round < 50; round++) {
    const opened: Connection[] = [];
    const open = (connection: Connection): unknown => opened.push(connection);
    const listener = environment.loop.listen({ host: '127.0.0.1', port: 0, handlers: { open } });
    for (let clients = 0; clients < 10; clients++) {
      environment.loop.connect({
        host: '127.0.0.1',
        port: portOf(listener),
        handlers: { open },
        // The listener may be gone by then.
        onError: () => undefined,
      });
    }
    turnOn(environment, round % 4);
    listener.close();
    turnOn(environment, 2);
    const over = (): boolean => {
      for (const connection of opened) connection.close();
      return environment.openDescriptors() === 0;
    };
    until(environment, over, 'nothing is left');
    assert.equal(environment.backend.active, 0);
  }
});

/** A TCP listener whose queue is full, so that a connect to it comes to nothing and no error. */
function fullListener() {
  const listener = createServer({ host: '127.0.0.1', port: 0 }, { backlog: 0, sys });
  const address = listener.getSockName();
  if (address.family !== 'IPv4') throw new Error('unreachable');
  return { listener, port: address.port };
}

test('ring lifecycle: connects that never end are cancelled, or time out', limits, (t) => {
  leakCheck(t);
  const { listener, port } = fullListener();
  t.after(() => listener.close());
  const environment = ringEnvironment();
  t.after(() => environment.close());
  const opened: Connection[] = [];
  const errors: string[] = [];
  const connect = (timeoutMs: number) =>
    environment.loop.connect({
      host: '127.0.0.1',
      port,
      timeoutMs,
      handlers: { open: (connection) => opened.push(connection) },
      onError: (error) => errors.push(String(error)),
    });
  const connectors = Array.from({ length: 10 }, () => connect(10_000));
  turnOn(environment, 20);
  assert.ok(opened.length < 5, 'the queue is full');
  const late = connect(30);
  until(environment, () => errors.length > 0, 'one has timed out');
  assert.match(errors[0] ?? '', /ETIMEDOUT|30 ms/);
  for (const connector of [...connectors, late]) connector.cancel();
  for (const connection of opened) connection.close();
  until(environment, () => environment.openDescriptors() === 0, 'nothing is left');
  assert.equal(errors.length, 1);
  assert.equal(environment.backend.active, 0);
});

test('ring lifecycle: a loop that is closed with everything in flight', limits, (t) => {
  leakCheck(t);
  const { listener, port } = fullListener();
  t.after(() => listener.close());
  for (const inside of [false, true]) {
    const before = openFds().size;
    const environment = ringEnvironment();
    const { loop } = environment;
    const blocked = connectedPair(environment);
    blocked.client.pause();
    blocked.server.write(pattern(8_000_000));
    connectedPair(environment).client.write(Buffer.from('x'));
    for (let i = 0; i < 10; i++) loop.connect({ host: '127.0.0.1', port, handlers: {} });
    const [fd, other] = socketPair(sys);
    loop.watch(fd, 3, () => undefined);
    loop.setTimer(60_000, () => assert.fail('the loop is closed'));
    turnOn(environment, 3);
    assert.ok(blocked.server.queuedBytes > 0);
    connectedPair(environment, { data: () => loop.close() }).client.write(Buffer.from('x'));
    if (inside) assert.throws(() => turnOn(environment, 200), /closed/);
    else loop.close();
    assert.equal(environment.backend.active, 0);
    sys.close(fd);
    sys.close(other);
    assert.equal(openFds().size, before);
  }
});

test(
  'ring lifecycle: a number that is reused at once gets nothing of its former owner',
  limits,
  (t) => {
    leakCheck(t);
    const backend = new RingBackend(sys);
    t.after(() => backend.destroy());
    for (let round = 0; round < ROUNDS; round++) {
      const old = new Wired(sys, backend);
      backend.poll(0);
      // With a receive under way in some rounds, and a send in the same turn in all.
      if (round % 2 === 0) old.stream.pause();
      pushInto(sys, old.peer, Buffer.from('unread'));
      if (round % 3 === 0) backend.poll(0);
      const { fd } = old.stream;
      old.stream.send(Buffer.from('farewell'), 0, 8);
      old.stream.close();
      for (let turns = 0; turns < 3; turns++) {
        backend.closePhase();
        if (old.closes > 0) break;
        backend.poll(1);
      }
      assert.equal(old.closes, 1);
      const fresh = new Wired(sys, backend);
      assert.equal(fresh.stream.fd, fd);
      for (let turns = 0; turns < 2; turns++) backend.poll(0);
      assert.equal(fresh.received, 0);
      assert.equal(takeFrom(sys, fresh.peer).length, 0);
      assert.equal(takeFrom(sys, old.peer).toString(), 'farewell');
      fresh.stream.close();
      backend.poll(1);
      backend.closePhase();
      sys.close(old.peer);
      sys.close(fresh.peer);
    }
  },
);

test('ring lifecycle: out of descriptors while accepting', limits, (t) => {
  leakCheck(t);
  const environment = ringEnvironment();
  t.after(() => environment.close());
  const opened: Connection[] = [];
  const errors: string[] = [];
  const listener = environment.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { open: (connection) => opened.push(connection) },
    onError: (error) => errors.push((error as NodeJS.ErrnoException).code ?? ''),
  });
  const clients = Array.from({ length: 4 }, () => {
    const { AF_INET, SOCK_STREAM } = sys.abi.constants;
    return sys.socket(AF_INET, SOCK_STREAM, 0);
  });
  const { soft, hard } = openFilesLimit(sys);
  const highest = Math.max(...openFds().keys());
  withOpenFiles(highest + 1, hard, () => {
    const fill: number[] = [];
    for (let fd = sys.dup(0); fd >= 0; fd = sys.dup(0)) fill.push(fd);
    for (const fd of clients) connectTo(fd, portOf(listener));
    until(environment, () => listener.stats.exhausted > 0, 'it is out of descriptors');
    assert.ok(listener.stats.shed > 0, 'clients are turned away');
    assert.equal(errors[0], 'EMFILE');
    const { turns } = environment.loop;
    const startMs = environment.nowMs();
    while (environment.nowMs() - startMs < 30) environment.turn();
    assert.ok(environment.loop.turns - turns < 50, 'it does not spin');
    for (const fd of fill) sys.close(fd);
  });
  assert.equal(openFilesLimit(sys).soft, soft);
  const again = sys.socket(sys.abi.constants.AF_INET, sys.abi.constants.SOCK_STREAM, 0);
  connectTo(again, portOf(listener));
  until(environment, () => opened.length > 0, 'it accepts again');
  for (const fd of [...clients, again]) sys.close(fd);
});

/** Runs `body` with room for descriptors below `soft` only. */
function withOpenFiles(soft: number, hard: number, body: () => void): void {
  const { rlimit } = sys.abi.structs;
  const { RLIMIT_NOFILE } = sys.abi.constants;
  const limit = new Uint8Array(rlimit.size);
  assert.equal(sys.getrlimit(RLIMIT_NOFILE, limit), 0);
  const before = limit.slice();
  const view = new DataView(limit.buffer);
  view.setBigUint64(rlimit.fields.rlim_cur.offset, BigInt(Math.min(soft, hard)), true);
  assert.equal(sys.setrlimit(RLIMIT_NOFILE, limit), 0);
  try {
    body();
  } finally {
    assert.equal(sys.setrlimit(RLIMIT_NOFILE, before), 0);
  }
}

/** connect(2) to a port of this machine, on a blocking socket: the queue of listen(2) takes it. */
function connectTo(fd: number, port: number): void {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, sys.abi.constants.AF_INET, true);
  view.setUint16(2, port);
  address.set([127, 0, 0, 1], 4);
  assert.equal(sys.connect(fd, address, address.length), 0);
}

test('ring lifecycle: a watch whose descriptor was closed behind its back', limits, (t) => {
  leakCheck(t);
  const backend = new RingBackend(sys);
  t.after(() => backend.destroy());
  const [fd, other] = socketPair(sys);
  let told = 0;
  const watch = backend.watch(fd, 1, {
    ready: () => {
      told += 1;
      // Read, so that the next poll of it has to wait.
      takeFrom(sys, fd);
    },
  });
  backend.poll(0);
  pushInto(sys, other, Buffer.from('x'));
  backend.poll(5);
  assert.equal(told, 1);
  sys.close(fd);
  sys.close(other);
  // The poll that comes next finds nothing, and is not made again and again.
  const { waits } = backend.stats;
  for (let turns = 0; turns < 5; turns++) backend.poll(1);
  assert.equal(told, 1);
  assert.equal(backend.stats.waits - waits, 5);
  // The number is that of another one now, and its owner asks again.
  const [next, peer] = socketPair(sys);
  assert.equal(next, fd);
  pushInto(sys, peer, Buffer.from('x'));
  watch.modify(1);
  for (let turns = 0; turns < 5 && told < 2; turns++) backend.poll(1);
  assert.equal(told, 2);
  watch.unwatch();
  backend.poll(1);
  assert.equal(backend.active, 0);
  sys.close(next);
  sys.close(peer);
});
