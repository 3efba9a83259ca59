// Goal: a queue of io_uring that is too small for a turn is a detour and nothing more: law 12.
// Method: the real kernel, and more operations at once than either queue has entries.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Loop } from '#src/loop/loop.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { EventLoop } from '#src/net/event-loop.js';
import type { Connection } from '#src/net/stream/connection.js';
import { ConnectionGroup } from '#src/net/stream/connection-group.js';
import { StreamConnection } from '#src/net/stream/stream-connection.js';
import { ADDRESSES_MAX, COMPLETIONS, SUBMISSIONS } from '#src/ring/limits.js';
import { nativeSys } from '#src/sys/native.js';
import { openFilesLimit } from '#src/sys/rlimit.js';
import type { Sys } from '#src/sys/sys.js';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { withoutRing } from './environment.ts';
import { pushInto, socketPair, takeFrom, Wired } from './socket-pairs.ts';

const sys = nativeSys();

/** More than the completion queue holds, by half. */
const MANY = COMPLETIONS + COMPLETIONS / 2;

/** Two descriptors each, and some to spare. */
const tooFew =
  openFilesLimit(sys).soft < 2 * MANY + 100 ? `it takes ${2 * MANY + 100} descriptors` : false;
const limits = { skip: withoutRing, timeout: 60_000 };
const why = withoutRing === false ? tooFew : withoutRing;
const manyLimits = { skip: why, timeout: 60_000 };

const TURNS_MAX = 2000;

/** Turns a bare backend until `done` says so. */
function pollUntil(backend: RingBackend, done: () => boolean): void {
  for (let turns = 0; turns < TURNS_MAX && !done(); turns++) {
    backend.poll(5);
    backend.closePhase();
  }
  assert.ok(done(), 'waited in vain');
}

function openBackend(t: TestContext, over: Sys = sys): RingBackend {
  const backend = new RingBackend(over);
  t.after(() => backend.destroy());
  return backend;
}

function closing(t: TestContext, wired: readonly Wired[]): void {
  t.after(() => {
    for (const { peer } of wired) sys.close(peer);
  });
}

test('ring queues: more operations in one turn than the queue has entries', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const [fd, other] = socketPair(sys);
  const count = 3 * SUBMISSIONS + 7;
  const told = new Array<number>(count).fill(0);
  const watches = told.map((_, index) => {
    const watch = backend.watch(fd, 1, {
      ready: () => {
        told[index] = (told[index] ?? 0) + 1;
        watch.unwatch();
      },
    });
    return watch;
  });
  backend.poll(0);
  assert.equal(Math.max(...told), 0);
  pushInto(sys, other, Buffer.from('x'));
  pollUntil(backend, () => told.every((times) => times > 0));
  for (let turns = 0; turns < 5; turns++) backend.poll(1);
  assert.deepEqual(new Set(told), new Set([1]));
  assert.equal(backend.active, 0);
  assert.equal(watches.length, count);
  sys.close(fd);
  sys.close(other);
});

test('ring queues: sends of one callback that do not fit into the queue at once', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const listeners = Array.from({ length: 3 * SUBMISSIONS }, () => new Wired(sys, backend));
  const source = new Wired(sys, backend, {
    received: (chunk) => {
      for (const { stream } of listeners) stream.send(chunk, 0, chunk.length);
    },
  });
  closing(t, [...listeners, source]);
  for (let round = 0; round < 5; round++) {
    const words = Buffer.from(`to everybody, round ${round}`);
    pushInto(sys, source.peer, words);
    pollUntil(backend, () => source.received >= words.length * (round + 1));
    backend.poll(0);
    for (const { peer } of listeners) assert.ok(takeFrom(sys, peer).equals(words));
  }
});

test('ring queues: more connects in a turn than there is room for addresses', limits, (t) => {
  leakCheck(t);
  const loop = new EventLoop({ backend: 'io_uring' });
  t.after(() => loop.close());
  const met = new Set<string>();
  const count = ADDRESSES_MAX + 20;
  const listener = loop.listen({
    host: '0.0.0.0',
    port: 0,
    backlog: count,
    handlers: { open: ({ localAddress }) => void met.add(JSON.stringify(localAddress)) },
  });
  for (let one = 1; one <= count; one++) {
    loop.connect({ host: `127.0.0.${one}`, port: portOf(listener), handlers: {} });
  }
  for (let turns = 0; turns < TURNS_MAX && met.size < count; turns++) loop.turn(5);
  assert.equal(met.size, count, 'each has reached its own address');
});

test('ring queues: more completions at once than the queue has entries', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const [fd, other] = socketPair(sys);
  pushInto(sys, other, Buffer.from('x'));
  const told = new Array<number>(2 * COMPLETIONS + 11).fill(0);
  for (const index of told.keys()) {
    const watch = backend.watch(fd, 1, {
      ready: () => {
        told[index] = (told[index] ?? 0) + 1;
        watch.unwatch();
      },
    });
  }
  pollUntil(backend, () => told.every((times) => times > 0));
  for (let turns = 0; turns < 5; turns++) backend.poll(1);
  assert.deepEqual(new Set(told), new Set([1]));
  assert.ok(backend.stats.overflows > 0, 'counted');
  assert.equal(backend.active, 0);
  sys.close(fd);
  sys.close(other);
});

test('ring queues: connections that all speak and end at once are all closed', manyLimits, (t) => {
  leakCheck(t);
  const backend = new RingBackend(sys);
  const loop = new Loop(sys, backend);
  t.after(() => loop.close());
  let closed = 0;
  const errors: unknown[] = [];
  const handlers = {
    data: (connection: Connection, chunk: Uint8Array) => connection.write(chunk),
    close: (_: Connection, error: Error | null) => {
      closed += 1;
      if (error !== null) errors.push(error);
    },
  };
  const group = new ConnectionGroup<undefined>(loop, { handlers }, false, null);
  const peers: number[] = [];
  for (let index = 0; index < MANY; index++) {
    const [own, peer] = socketPair(sys);
    new StreamConnection(group, own, null);
    pushInto(sys, peer, Buffer.from('x'));
    sys.shutdown(peer, sys.abi.constants.SHUT_WR);
    peers.push(peer);
  }
  for (let turns = 0; turns < TURNS_MAX && closed < MANY; turns++) loop.turn(5);
  assert.equal(closed, MANY);
  assert.deepEqual(errors, []);
  assert.ok(backend.stats.overflows > 0, 'the queue was too small');
  for (const peer of peers) {
    assert.equal(takeFrom(sys, peer).toString(), 'x');
    sys.close(peer);
  }
});

/** Streams into which not one byte more fits, and how much is in them. */
function stuckStreams(backend: RingBackend, count: number) {
  const { MSG_NOSIGNAL = 0 } = sys.abi.constants;
  const filler = new Uint8Array(512);
  return Array.from({ length: count }, () => {
    const wired = new Wired(sys, backend, {}, 4096);
    let filled = 0;
    for (;;) {
      const sent = sys.send(wired.stream.fd, filler, 0, filler.length, MSG_NOSIGNAL);
      if (sent < 0) return { wired, filled };
      filled += sent;
    }
  });
}

test('ring queues: many sends that fall short while completions are held back', manyLimits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const stuck = stuckStreams(backend, MANY);
  const [first, second] = [Buffer.from('the first message, '), Buffer.from('the second message')];
  const source = new Wired(sys, backend, {
    received: () => {
      for (const { wired } of stuck) wired.stream.send(first, 0, first.length);
    },
  });
  closing(t, [...stuck.map(({ wired }) => wired), source]);
  for (let turns = 0; turns < 20; turns++) backend.poll(0);
  pushInto(sys, source.peer, Buffer.from('x'));
  pollUntil(backend, () => source.received > 0);
  // The completions of these sends are more than there is room for, and one entry is free again.
  for (const { wired } of stuck.slice(0, 3)) assert.ok(wired.stream.queuedBytes >= first.length);
  for (const { wired } of stuck) wired.stream.send(second, 0, second.length);
  const texts = stuck.map(() => '');
  const expected = first.toString() + second.toString();
  const drained = (): boolean => {
    for (const [index, { wired }] of stuck.entries()) {
      texts[index] += takeFrom(sys, wired.peer).toString('latin1');
    }
    return stuck.every(({ filled }, index) => (texts[index]?.length ?? 0) >= filled + 37);
  };
  pollUntil(backend, drained);
  assert.ok(stuck.every(({ filled }, index) => texts[index]?.slice(filled) === expected));
  pollUntil(backend, () => stuck.every(({ wired }) => wired.drains === 1));
  assert.ok(backend.stats.overflows > 0, 'the queue was too small');
});

test('ring queues: thousands of streams closed in one turn', manyLimits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const all = Array.from({ length: MANY }, () => new Wired(sys, backend));
  closing(t, all);
  for (let turns = 0; turns < 5; turns++) backend.poll(0);
  for (const { stream } of all) stream.send(Buffer.from('bye'), 0, 3);
  for (const { stream } of all) stream.close();
  pollUntil(backend, () => all.every(({ closes }) => closes > 0));
  for (let turns = 0; turns < 5; turns++) backend.poll(0);
  assert.equal(backend.active, 0);
  for (const { closes, errors, peer } of all) {
    assert.deepEqual([closes, errors.length], [1, 0]);
    assert.equal(takeFrom(sys, peer).toString(), 'bye');
  }
});

test(
  'ring queues: who hears of queued bytes that had gone also hears of their end',
  limits,
  (t) => {
    leakCheck(t);
    let refuses = false;
    const { EBUSY = 16 } = sys.abi.errno;
    const unwilling = standIn(sys, {
      io_uring_enter: (...call) => (refuses ? -EBUSY : sys.io_uring_enter(...call)),
    });
    const backend = openBackend(t, unwilling);
    const wired = new Wired(sys, backend);
    closing(t, [wired]);
    backend.poll(0);
    wired.stream.send(Buffer.from('hello'), 0, 5);
    refuses = true;
    assert.equal(wired.stream.queuedBytes, 5, 'nobody knows yet');
    assert.equal(wired.drains, 0);
    refuses = false;
    pollUntil(backend, () => wired.drains > 0);
    assert.equal(wired.stream.queuedBytes, 0);
    for (let turns = 0; turns < 5; turns++) backend.poll(0);
    assert.equal(wired.drains, 1);
    assert.equal(takeFrom(sys, wired.peer).toString(), 'hello');
  },
);

test('ring queues: a send that cannot be submitted goes to nobody else', limits, (t) => {
  leakCheck(t);
  let refuses = false;
  const { EAGAIN } = sys.abi.errno;
  const unwilling = standIn(sys, {
    io_uring_enter: (...call) => (refuses ? -EAGAIN : sys.io_uring_enter(...call)),
  });
  const backend = openBackend(t, unwilling);
  const wired = new Wired(sys, backend);
  closing(t, [wired]);
  const { fd } = wired.stream;
  for (let turns = 0; turns < 3; turns++) backend.poll(0);
  // Nothing of it is under way, so that its descriptor could be closed at once.
  wired.stream.pause();
  pushInto(sys, wired.peer, Buffer.from('x'));
  for (let turns = 0; turns < 5; turns++) backend.poll(0);
  wired.stream.send(Buffer.from('secret'), 0, 6);
  refuses = true;
  wired.stream.close();
  backend.closePhase();
  const [next, other] = socketPair(sys);
  assert.notEqual(next, fd, 'the number is not free yet');
  refuses = false;
  pollUntil(backend, () => wired.closes === 1);
  assert.equal(takeFrom(sys, wired.peer).toString(), 'secret');
  assert.equal(takeFrom(sys, other).length + takeFrom(sys, next).length, 0);
  sys.close(next);
  sys.close(other);
});
