// Goal: no connection is lost between an acceptor and its threads, handed over twice or left open;
// restarts and what a thread leaves are counted exactly.
// Method: the parts of a service without threads: takers, loops and kernels that are made up.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AcceptSink } from '#src/loop/backend.js';
import { chooseBackend } from '#src/loop/backends.js';
import { ACCEPTS_PER_TURN } from '#src/loop/limits.js';
import { Loop } from '#src/loop/loop.js';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { keepLedger } from '#src/sys/thread-resources.js';
import { Acceptor } from '#src/workers/acceptor.js';
import { HandedConnections } from '#src/workers/handed-connections.js';
import { RestartPolicy } from '#src/workers/restart-policy.js';
import { SharedLedger } from '#src/workers/shared-ledger.js';
import { ThreadState } from '#src/workers/shared-state.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();
const where: SocketAddress = { family: 'IPv4', address: '127.0.0.1', port: 1 };

test('restarts: at once, then later and later, and never more than the limit', () => {
  const policy = new RestartPolicy({ max: 3, withinMs: 1000 });
  const pauses = [0, 10, 20, 30, 999, 1000, 1010].map((nowMs) => policy.pauseMs(nowMs));
  assert.deepEqual(pauses, [0, 100, 200, null, null, 200, 200]);
  const many = new RestartPolicy({ max: 9, withinMs: 1000 });
  assert.deepEqual(
    Array.from({ length: 10 }, () => many.pauseMs(5)),
    [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, null],
  );
  assert.equal(new RestartPolicy({ max: 0, withinMs: 1000 }).pauseMs(0), null);
});

test('ledger: what a thread has left is closed and unmapped once, and nothing else', () => {
  const ledger = new SharedLedger(100);
  for (const fd of [0, 31, 32, 63, 95, 5000]) ledger.opened(fd);
  for (const fd of [32, 5000]) ledger.closing(fd);
  ledger.mapped(4096, 8192);
  ledger.mapped(65_536, 1);
  ledger.unmapping(65_536);
  ledger.mapped(131_072, 2);
  const done: unknown[] = [];
  const sys = standIn(native, {
    close: (fd) => done.push(fd),
    munmap: (address, length) => done.push([address, length]),
  });
  // The owner maps the same memory.
  new SharedLedger(ledger.memory).closeAll(sys);
  assert.deepEqual(done, [[4096, 8192], [131_072, 2], 0, 31, 63, 95]);
  new SharedLedger(ledger.memory).closeAll(sys);
  assert.equal(done.length, 6);
});

test('state: the next thread begins with nothing, and counters go on', () => {
  const state = new ThreadState(2);
  const own = new ThreadState(2, state.memory);
  own.take();
  own.full = true;
  own.publish(7, 3);
  own.add(1, 5);
  assert.deepEqual([state.taken, state.full, state.accepted, state.open], [1, true, 7, 3]);
  state.reset();
  assert.deepEqual([state.taken, state.full, state.accepted, state.open], [0, false, 0, 0]);
  assert.deepEqual([state.counter(0), state.counter(1)], [0, 5]);
});

/** A thread as an acceptor sees it. */
class Taker {
  isHungry: boolean;
  load = 0;
  readonly taken: number[] = [];

  constructor(isHungry = true) {
    this.isHungry = isHungry;
  }

  hand(fd: number): void {
    this.taken.push(fd);
    this.load += 1;
  }
}

/** An acceptor over pollers, so that accepts can be counted and refused. */
function accepting(t: TestContext, takers: readonly Taker[], own: Partial<Sys> = {}) {
  leakCheck(t);
  const sys = standIn(native, { io_uring_setup: () => -native.abi.errno.ENOSYS, ...own });
  const listener = new Socket('IPv4');
  listener.bind({ address: '127.0.0.1', port: 0 });
  listener.listen();
  listener.setBlocking(false);
  const address = listener.getSockName();
  const failures: string[] = [];
  const loop = new Loop(sys, chooseBackend('auto', sys).backend);
  loop.attach();
  const acceptor = new Acceptor(
    loop,
    [listener.detach()],
    address,
    takers,
    (error) => failures.push(error.code),
    (error) => failures.push(`broken: ${error.code}`),
  );
  const clients: Socket[] = [];
  t.after(() => {
    acceptor.close();
    for (const client of clients) client.close();
    for (const taker of takers) for (const fd of taker.taken) native.close(fd);
  });
  const connect = (): void => {
    const client = new Socket('IPv4');
    client.connect(address);
    clients.push(client);
  };
  return { acceptor, connect, failures };
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let turn = 0; !done(); turn++) {
    assert.ok(turn < 5000, what);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A descriptor of a connection that was accepted, and its peer. */
function connection(t: TestContext): { fd: number; peer: Socket } {
  const [one, peer] = Socket.pair();
  t.after(() => peer.close());
  return { fd: one.detach(), peer };
}

test('acceptor: the thread with the fewest connections that can take one gets it', async (t) => {
  const takers = [new Taker(), new Taker(false), new Taker()];
  const [first, busy, last] = takers as [Taker, Taker, Taker];
  first.load = 2;
  last.load = 1;
  const { connect } = accepting(t, takers);
  for (let client = 0; client < 3; client++) {
    const before = first.taken.length + last.taken.length;
    connect();
    await until(() => first.taken.length + last.taken.length > before, 'it is handed over');
  }
  assert.deepEqual([first.taken.length, busy.taken.length, last.taken.length], [1, 0, 2]);
});

test('acceptor: once nobody can take one, the next wait in the queue of listen(2)', async (t) => {
  const taker = new Taker();
  let accepted = 0;
  const counting = (fd: number): number => {
    if (fd >= 0) accepted += 1;
    return fd;
  };
  const { connect } = accepting(t, [taker], {
    accept4: (...args) => counting(native.accept4(...args)),
    accept: (...args) => counting(native.accept(...args)),
  });
  const { hand } = taker;
  taker.hand = (fd) => {
    hand.call(taker, fd);
    taker.isHungry = false;
  };
  connect();
  await until(() => taker.taken.length === 1, 'the first is handed over');
  connect();
  connect();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(accepted, 1);
});

test('acceptor: what nobody can take waits, and goes out when one can', async (t) => {
  const taker = new Taker(false);
  const { acceptor, connect } = accepting(t, [taker]);
  connect();
  const { fd } = connection(t);
  acceptor.handBack([fd]);
  assert.deepEqual(taker.taken, []);
  taker.isHungry = true;
  acceptor.hungry();
  assert.deepEqual(taker.taken, [fd], 'what was handed back');
  await until(() => taker.taken.length === 2, 'it accepts again');
  const other = connection(t);
  acceptor.handBack([other.fd]);
  assert.deepEqual(taker.taken.slice(2), [other.fd], 'at once where one is hungry');
});

test('acceptor: what is handed back with nobody left is closed at the end', (t) => {
  const taker = new Taker(false);
  const { acceptor } = accepting(t, [taker]);
  const { fd, peer } = connection(t);
  acceptor.handBack([fd]);
  acceptor.close();
  peer.setTimeout(1000);
  assert.equal(peer.recv(new Uint8Array(1)), 0, 'the peer is told');
});

test('acceptor: it is retired once, behind the last connection', async (t) => {
  const taker = new Taker(false);
  const { acceptor } = accepting(t, [taker]);
  const { fd } = connection(t);
  acceptor.handBack([fd]);
  let retired = 0;
  acceptor.retire(() => {
    retired += 1;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(retired, 0, 'a connection waits');
  taker.isHungry = true;
  acceptor.hungry();
  await until(() => retired === 1, 'it is retired');
  acceptor.hungry();
  assert.equal(retired, 1);
  assert.deepEqual(taker.taken, [fd]);
});

test('acceptor: without descriptors it rests, hungry threads or not, and goes on', async (t) => {
  let refused = 0;
  let accepts = 0;
  const refusing =
    <Args extends unknown[]>(call: (...args: Args) => number) =>
    (...args: Args): number => {
      accepts += 1;
      if (accepts > 2) return call(...args);
      refused += 1;
      return -native.abi.errno.EMFILE;
    };
  const taker = new Taker();
  const { acceptor, connect, failures } = accepting(t, [taker], {
    accept4: refusing(native.accept4.bind(native)),
    accept: refusing(native.accept.bind(native)),
  });
  connect();
  await until(() => failures.length > 0, 'it says so');
  assert.deepEqual(failures, ['EMFILE']);
  const before = accepts;
  acceptor.hungry();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(accepts, before, 'it rests');
  await until(() => taker.taken.length === 1, 'and accepts again');
  assert.ok(refused > 0);
});

/** Connections that an owner hands to a thread whose loop is a list of tasks. */
function handed(t: TestContext) {
  const tasks: (() => void)[] = [];
  const closed: number[] = [];
  const sys = standIn(native, { close: (fd) => closed.push(fd) });
  const loop = { closed: false, sys, defer: (task: () => void) => void tasks.push(task) };
  const log: string[] = [];
  const held = new Set<number>();
  keepLedger({
    opened: (fd) => held.add(fd),
    closing: (fd) => held.delete(fd),
    mapped: () => undefined,
    unmapping: () => undefined,
  });
  t.after(() => keepLedger(new SharedLedger(32)));
  const state = new ThreadState(0);
  const connections = new HandedConnections(where, state, () => log.push('hungry'));
  const sink: AcceptSink = {
    accepted: (fd) => log.push(String(fd)),
    exhausted: () => assert.fail('it accepts nothing'),
    failed: () => assert.fail('it accepts nothing'),
    closed: () => log.push('closed'),
  };
  return {
    connections,
    state,
    log,
    closed,
    held,
    subscribe: () => connections.subscribe(loop as unknown as Loop, sink),
    /** One turn. Returns how many connections it has delivered. */
    turn: (): number => {
      const before = log.length;
      for (const task of tasks.splice(0)) task();
      return log.length - before;
    },
  };
}

test('handed over: a thread is full until it listens, and while it is paused', (t) => {
  const { connections, state, log, subscribe, turn, held } = handed(t);
  assert.equal(state.full, true);
  connections.push([7]);
  assert.deepEqual([state.taken, [...held]], [1, [7]], 'its own from now on');
  const subscription = subscribe();
  assert.deepEqual([state.full, log], [false, ['hungry']]);
  assert.throws(() => subscribe(), /have a listener already/);
  turn();
  connections.push([8]);
  turn();
  assert.deepEqual(log, ['hungry', '7', '8']);
  subscription.pause();
  assert.equal(state.full, true);
  connections.push([9]);
  assert.equal(turn(), 0);
  subscription.resume();
  assert.equal(state.full, false);
  turn();
  assert.deepEqual(log.slice(3), ['hungry', '9']);
});

test('handed over: a turn delivers as many as an accept would, and the next ones the rest', (t) => {
  const { connections, subscribe, turn } = handed(t);
  subscribe();
  connections.push(Array.from({ length: 2 * ACCEPTS_PER_TURN + 1 }, (_, index) => index));
  assert.deepEqual([turn(), turn(), turn(), turn()], [ACCEPTS_PER_TURN, ACCEPTS_PER_TURN, 1, 0]);
});

for (const count of [0, 1, ACCEPTS_PER_TURN, ACCEPTS_PER_TURN + 1]) {
  test(`handed over: a retiring listener gets the last ${count}, even if it is paused`, (t) => {
    const { connections, subscribe, turn, log, closed, state } = handed(t);
    const subscription = subscribe();
    subscription.pause();
    log.length = 0;
    connections.push(Array.from({ length: count }, (_, index) => index));
    assert.equal(turn(), 0);
    subscription.retire();
    for (let left = 0; left < 4; left++) turn();
    assert.equal(log.length, count + 1);
    assert.equal(log.at(-1), 'closed', 'once, at the end');
    assert.deepEqual([closed, state.full], [[], true]);
    // Another one may listen.
    subscribe();
    assert.equal(state.full, false);
  });
}

test('handed over: what a listener that is closed has not got is closed once', (t) => {
  const { connections, subscribe, turn, log, closed, state, held } = handed(t);
  const subscription = subscribe();
  connections.push([7, 8]);
  subscription.close();
  assert.deepEqual([closed, [...held], state.full], [[7, 8], [], true]);
  subscription.close();
  turn();
  connections.close(native);
  assert.deepEqual([closed, log], [[7, 8], ['hungry']]);
});
