// Goal: a list of calls does what the calls do, each with its own result, whether it is one foreign
// call or many. Method: real sockets, the same cases in both ways.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Socket } from '#src/socket/index.js';
import { Call, CallList } from '#src/sys/batch/call-list.js';
import { makeCalls } from '#src/sys/batch/make-calls.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { DATA_AT, made, newList, put, RECORDS, results, sys, text, ways } from './lists.ts';
import type { Rounds } from './rounds.ts';

const { constants, errno } = sys.abi;
const timeout = 60_000;

function pairOf(t: TestContext): [Socket, Socket] {
  const pair = Socket.pair();
  t.after(() => {
    for (const socket of pair) socket.close();
  });
  for (const socket of pair) socket.setBlocking(false);
  return pair;
}

/** A listener of 127.0.0.1, and clients that are connected to it. */
function listening(t: TestContext, clients: number): Socket {
  const listener = new Socket('IPv4');
  t.after(() => listener.close());
  listener.bind({ address: '127.0.0.1', port: 0 });
  listener.listen();
  listener.setBlocking(false);
  for (let client = 0; client < clients; client++) {
    const socket = new Socket('IPv4');
    t.after(() => socket.close());
    socket.connect(listener.getSockName());
  }
  return listener;
}

/** Fills the kernel's buffer of a socket. */
function fill(socket: Socket): void {
  const bytes = new Uint8Array(65_536);
  while (sys.send(socket.fileno(), bytes, 0, bytes.length, 0) > 0);
}

for (const { name, oneByOne, skip } of ways) {
  const notLinux = skip || reasonWithoutProc;

  test(`calls ${name}: send, recv, shutdown and the end`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const list = newList(oneByOne);
    list.send(left.fileno(), DATA_AT, put(list, 0, 'hello'), 0);
    list.recv(right.fileno(), DATA_AT + 100, 1000);
    list.recv(right.fileno(), DATA_AT + 200, 1000);
    list.shutdown(left.fileno(), constants.SHUT_WR);
    list.recv(right.fileno(), DATA_AT + 300, 1000);
    assert.deepEqual(made(list), [5, 5, -errno.EAGAIN, 0, 0]);
    assert.equal(text(list, 100, 6), 'hello\0');
    assert.equal(list.offset(1), DATA_AT + 100);
  });

  test(`calls ${name}: a record is used again, for the same call and for another`, {
    skip,
  }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const [other, end] = pairOf(t);
    const list = newList(oneByOne);
    const again = (add: () => void, result: number): void => {
      list.count = 0;
      add();
      list.close(-1);
      assert.deepEqual(made(list), [result, -errno.EBADF]);
    };
    const sendFrom = (fd: number, sent: string): void => {
      list.send(fd, DATA_AT, put(list, 0, sent), constants.MSG_NOSIGNAL ?? 0);
    };
    again(() => sendFrom(left.fileno(), 'hello'), 5);
    list.count = 0;
    sendFrom(-1, 'nobody');
    list.close(-1);
    assert.equal(makeCalls(sys, list, 0), 1, 'a failure ends the list');
    again(() => sendFrom(other.fileno(), 'you'), 3);
    again(() => list.send(left.fileno(), DATA_AT, put(list, 0, ' world'), 0), 6);
    again(() => list.recv(right.fileno(), DATA_AT + 100, 1000, 7), 11);
    assert.equal(list.tag(0), 7);
    again(() => list.recv(end.fileno(), DATA_AT + 100, 1000, 2 ** 31 - 1), 3);
    assert.equal(list.tag(0), 2 ** 31 - 1);
    assert.equal(text(list, 100, 11), 'youlo world');
    again(() => list.recv(end.fileno(), DATA_AT + 100, 1000, 7), -errno.EAGAIN);
    again(() => sendFrom(other.fileno(), 'once more'), 9);
    again(() => list.recv(end.fileno(), DATA_AT + 200, 4, 7), 4);
    again(() => list.recv(end.fileno(), DATA_AT + 300, 1000, 7), 5);
    assert.equal(text(list, 200, 5), 'once\0');
    assert.equal(text(list, 300, 6), ' more\0');
  });

  test(`calls ${name}: two lists in one memory`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const first = newList(oneByOne);
    const second = new CallList(sys, first.memory, 8, oneByOne, DATA_AT + 1024);
    first.send(left.fileno(), DATA_AT, put(first, 0, 'hello'), 0);
    second.recv(right.fileno(), DATA_AT + 100, 1000);
    second.close(-1);
    assert.deepEqual(made(first), [5]);
    assert.deepEqual(made(second), [5, -errno.EBADF]);
    assert.equal(second.offset(0), DATA_AT + 100);
    assert.equal(text(first, 100, 5), 'hello');
    assert.deepEqual(results(first), [5], 'the first list is as it was');
  });

  test(`calls ${name}: accept4 gives non-blocking descriptors, and EAGAIN`, { skip }, (t) => {
    leakCheck(t);
    const listener = listening(t, 2);
    const list = newList(oneByOne);
    for (let accept = 0; accept < 3; accept++) list.accept(listener.fileno());
    const [first = -1, second = -1, third] = made(list);
    assert.equal(third, -errno.EAGAIN);
    for (const fd of [first, second]) {
      assert.notEqual(sys.fcntl(fd, constants.F_GETFL, 0) & constants.O_NONBLOCK, 0);
      assert.equal(sys.fcntl(fd, constants.F_GETFD, 0), constants.FD_CLOEXEC);
    }
    list.count = 0;
    list.close(first);
    list.close(second);
    list.close(second);
    assert.deepEqual(made(list), [0, 0, -errno.EBADF]);
  });

  test(`calls ${name}: accept4 without a descriptor left fails, those before it do not`, {
    skip,
  }, (t) => {
    leakCheck(t);
    const listener = listening(t, 3);
    const list = newList(oneByOne);
    for (let accept = 0; accept < 3; accept++) list.accept(listener.fileno());
    const free = sys.dup(listener.fileno());
    sys.close(free);
    const limit = new BigUint64Array(2);
    const bytes = new Uint8Array(limit.buffer);
    assert.equal(sys.getrlimit(constants.RLIMIT_NOFILE, bytes), 0);
    const [before = 0n] = limit;
    // Nothing else runs on this thread until it is as before.
    limit[0] = BigInt(free + 1);
    assert.equal(sys.setrlimit(constants.RLIMIT_NOFILE, bytes), 0);
    const accepted = made(list);
    limit[0] = before;
    assert.equal(sys.setrlimit(constants.RLIMIT_NOFILE, bytes), 0);
    assert.deepEqual(accepted, [free, -errno.EMFILE, -errno.EMFILE]);
    sys.close(free);
  });

  test(`calls ${name}: epoll_ctl adds and changes, and names the token`, {
    skip: notLinux,
  }, (t) => {
    leakCheck(t);
    const { EPOLL_CTL_ADD = 0, EPOLL_CTL_MOD = 0, EPOLLIN = 0, EPOLLOUT = 0 } = constants;
    const { size = 0, fields } = sys.abi.structs.epoll_event ?? {};
    assert.ok(fields !== undefined);
    const epfd = sys.epoll_create1(constants.EPOLL_CLOEXEC ?? 0);
    t.after(() => sys.close(epfd));
    const [left] = pairOf(t);
    const event = new Int32Array(size / 4);
    event[fields.data.offset / 4] = 4711;
    const list = newList(oneByOne);
    event[0] = EPOLLIN;
    list.epollControl(epfd, EPOLL_CTL_ADD, left.fileno(), event);
    event[0] = EPOLLOUT;
    list.epollControl(epfd, EPOLL_CTL_MOD, left.fileno(), event);
    assert.deepEqual(made(list), [0, 0]);
    const events = new Uint8Array(128);
    assert.equal(sys.epoll_wait(epfd, events, 1, 0), 1);
    const words = new Int32Array(events.buffer);
    assert.equal(words[0], EPOLLOUT);
    assert.equal(words[fields.data.offset / 4], 4711);
    list.count = 0;
    list.epollControl(epfd, EPOLL_CTL_ADD, left.fileno(), event);
    list.close(-1);
    assert.equal(makeCalls(sys, list, 0), 1, 'a failure ends the list');
    assert.equal(list.result(0), -errno.EEXIST);
  });

  test(`calls ${name}: a bad descriptor fails alone`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const list = newList(oneByOne);
    left.sendAll(Buffer.from('abc'));
    list.recv(-1, DATA_AT, 10);
    list.accept(1_000_000);
    list.accept(right.fileno());
    list.close(-1);
    list.recv(right.fileno(), DATA_AT, 10);
    const { EBADF } = errno;
    const notListening = made(list)[2] ?? 0;
    assert.ok([errno.EINVAL, errno['EOPNOTSUPP']].includes(-notListening), `${notListening}`);
    assert.deepEqual(results(list), [-EBADF, -EBADF, notListening, -EBADF, 3]);
  });

  test(`calls ${name}: a send that fails ends the list, the rest is made next`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const [full] = pairOf(t);
    fill(full);
    const list = newList(oneByOne);
    const length = put(list, 0, '0123456789');
    list.send(left.fileno(), DATA_AT, length, 0);
    list.send(full.fileno(), DATA_AT, length, 0);
    list.send(-1, DATA_AT, length, 0);
    list.shutdown(-1, constants.SHUT_WR);
    list.recv(right.fileno(), DATA_AT + 100, 100);
    const stops: number[] = [];
    for (let from = 0; from < list.count; ) {
      from = makeCalls(sys, list, from);
      stops.push(from);
    }
    assert.deepEqual(stops, [2, 3, 4, 5]);
    assert.deepEqual(results(list), [10, -errno.EAGAIN, -errno.EBADF, -errno.EBADF, 10]);
  });

  test(`calls ${name}: a short write ends the list with its length`, { skip }, (t) => {
    leakCheck(t);
    const listener = listening(t, 1);
    const list = newList(oneByOne);
    list.accept(listener.fileno());
    const [fd = -1] = made(list);
    t.after(() => sys.close(fd));
    // TCP takes what fits of a send, and says how much.
    const longest = list.memory.length - DATA_AT;
    let short = 0;
    for (let sends = 0; sends < 10_000 && short === 0; sends++) {
      list.count = 0;
      list.send(fd, DATA_AT, longest, 0);
      list.close(-1);
      const end = makeCalls(sys, list, 0);
      const result = list.result(0);
      assert.equal(end, result === longest ? 2 : 1);
      if (result !== longest) short = result;
    }
    assert.ok(short === -errno.EAGAIN || (short > 0 && short < longest), `${short}`);
  });

  test(`calls ${name}: a send that was lengthened, one that was taken back`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const list = newList(oneByOne);
    put(list, 0, 'abcdef');
    const first = list.send(left.fileno(), DATA_AT, 3, 0);
    list.lengthen(first, 3);
    const second = list.shutdown(left.fileno(), constants.SHUT_WR);
    assert.equal(list.call(second), Call.shutdown);
    list.cancel(second);
    assert.equal(list.call(second), Call.none);
    const third = list.send(left.fileno(), DATA_AT, 1, 0);
    list.recv(right.fileno(), DATA_AT + 100, 100);
    assert.equal(makeCalls(sys, list, 0), list.count, 'it stops nothing');
    assert.deepEqual([list.result(first), list.result(third), list.result(3)], [6, 1, 7]);
    assert.equal(text(list, 100, 7), 'abcdefa');
  });

  test(`calls ${name}: a full list, and an empty one`, { skip }, (t) => {
    leakCheck(t);
    const [left, right] = pairOf(t);
    const list = newList(oneByOne);
    assert.equal(makeCalls(sys, list, 0), 0);
    for (let pair = 0; pair < RECORDS / 2; pair++) {
      list.send(left.fileno(), DATA_AT + pair, put(list, pair, 'x'), 0);
      list.recv(right.fileno(), DATA_AT + 1000 + pair, 1);
    }
    assert.equal(list.count, list.room);
    assert.deepEqual(made(list), new Array(RECORDS).fill(1));
    assert.equal(text(list, 1000, RECORDS / 2), 'x'.repeat(RECORDS / 2));
  });

  test(`calls ${name}: a storm of signals ends none of them`, {
    timeout,
    skip: notLinux,
  }, async (t) => {
    leakCheck(t);
    const command = start(t, [process.execPath, `${root}build/test/sys/batch/rounds.js`, name]);
    await command.until('out', /ready/);
    for (let signals = 0; !command.out.includes('}'); signals++) {
      command.child.kill(signals % 2 === 0 ? 'SIGTERM' : 'SIGUSR2');
      if (command.child.exitCode !== null) break;
      await delay(1);
    }
    command.child.stdin?.end();
    const { status, out, err } = await command.end();
    assert.deepEqual([status, err], [0, '']);
    const { rounds, interrupted }: Rounds = JSON.parse(out.slice(out.indexOf('{')));
    assert.ok(interrupted > 0, `of ${rounds} rounds none was interrupted`);
  });

  test(`calls ${name}: in two threads at once`, {
    timeout,
    skip: notLinux,
  }, async (t) => {
    leakCheck(t);
    const threads = [1, 2].map(
      () => new Worker(`${root}build/test/sys/batch/rounds.js`, { workerData: { oneByOne } }),
    );
    const ends = threads.map(
      (thread) =>
        new Promise<Rounds>((resolve, reject) => {
          thread.once('message', resolve);
          thread.once('error', reject);
        }),
    );
    await Promise.all(ends);
    await Promise.all(threads.map((thread) => thread.terminate()));
  });
}

test('calls together: each wait, with a timeout and without', {
  skip: ways[0]?.skip ?? false,
}, (t) => {
  leakCheck(t);
  const [left, right] = pairOf(t);
  const fd = right.fileno();
  const epfd = sys.epoll_create1(constants.EPOLL_CLOEXEC ?? 0);
  t.after(() => sys.close(epfd));
  const event = new Int32Array(4);
  event[0] = constants.EPOLLIN ?? 0;
  const { pollfd } = sys.abi.structs;
  const memory = new Uint8Array(4096);
  const view = new DataView(memory.buffer);
  const address = sys.address(memory);
  const prepare = (): void => {
    view.setInt32(0, fd, true);
    view.setInt32(pollfd.fields.events.offset, constants.POLLIN, true);
    for (const set of [1024, 2048]) memory.fill(0, set, set + 128);
    memory[1024 + (fd >> 3)] = 1 << (fd & 7);
  };
  const list = newList(false);
  list.epollControl(epfd, constants.EPOLL_CTL_ADD ?? 0, fd, event);
  made(list);
  for (const add of [
    (timeoutMs: number) => list.epollWait(epfd, address, 1, timeoutMs),
    (timeoutMs: number) => list.poll(address, 1, timeoutMs),
    (timeoutMs: number) => list.select(fd + 1, address + 1024, address + 2048, timeoutMs),
  ]) {
    list.count = 0;
    prepare();
    const startMs = performance.now();
    add(1020);
    assert.deepEqual(made(list), [0]);
    assert.ok(performance.now() - startMs > 1000, 'it has waited');
    list.count = 0;
    prepare();
    list.send(left.fileno(), DATA_AT, 1, 0);
    add(-1);
    list.recv(fd, DATA_AT, 1);
    assert.deepEqual(made(list), [1, 1, 1]);
  }
});
