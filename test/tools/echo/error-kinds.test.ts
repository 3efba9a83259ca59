// Goal: one refused call ends no server, on any loop: what passes is passed over, what is short is
// waited for, and only what is final ends it.
// Method: a Sys that refuses calls of a server that is otherwise real, and real clients.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { EventLoop } from '#src/net/event-loop.js';
import { createServer } from '#src/socket/create.js';
import type { Socket } from '#src/socket/socket.js';
import { acceptErrorKind, waitErrnoKind } from '#src/sys/error-kinds.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { closed, dial, heard } from '#test/harness/clients.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { EventServer } from '#tools/echo/event-server.js';
import { IterativeServer } from '#tools/echo/iterative-server.js';

const timeout = 60_000;
const native = nativeSys();
const { errno, constants } = native.abi;

/** A Sys that answers calls of `name` with `-error` while `refuses` says so. */
function refusing(name: keyof Sys, error: string, refuses: () => boolean): Sys {
  const call = Reflect.get(native, name) as (...args: unknown[]) => unknown;
  const number = Reflect.get(errno, error) as number;
  return standIn(native, {
    [name]: (...args: unknown[]) => (refuses() ? -number : call.apply(native, args)),
  });
}

/** The first `count` times. */
function first(count: number): () => boolean {
  let left = count;
  return () => left-- > 0;
}

const HELLO = Buffer.from('hello\n');

/** A client that is answered, and goes. */
async function answered(port: number): Promise<void> {
  const client = await dial({ port });
  client.write(HELLO);
  assert.deepEqual(await heard(client), HELLO);
  await closed(client);
}

/** A blocking server that makes its calls by `sys`, its port, and the failures it tells of. */
function blocking(listener: Socket, sys: Sys) {
  const told: string[] = [];
  const address = listener.getSockName();
  assert.ok(address.family !== 'UNIX');
  const server = new IterativeServer(listener, {
    mode: 'echo',
    sys,
    // Short waits: its clients live on the same thread.
    idleTimeoutMs: 100,
    observer: { acceptFailed: (failure) => told.push(failure.message) },
  });
  return { server, port: address.port, told };
}

async function serveOnLoop(t: TestContext, name: string, sys: Sys): Promise<string[]> {
  leakCheck(t);
  const told: string[] = [];
  const backend = backends.find((each) => each.name === name)?.name ?? 'poll';
  using loop = new EventLoop({ backend, sys });
  const server = new EventServer(loop, {
    listen: (settings) => loop.listen({ host: '127.0.0.1', port: 0, ...settings }),
    mode: 'echo',
    observer: { acceptFailed: (failure) => told.push(failure.message) },
  });
  const { address } = server.listener;
  assert.ok(address.family !== 'UNIX');
  const { port } = address;
  let clients = 0;
  const start = (): void => {
    clients += 1;
    loop.connect({
      host: '127.0.0.1',
      port,
      timeoutMs: timeout,
      handlers: {
        open: (client) => client.write(HELLO),
        data: (client) => client.end(),
        close: () => (clients < 2 ? start() : server.stop()),
      },
    });
  };
  start();
  await server.run();
  assert.equal(server.totals.receivedBytes, 2 * HELLO.length);
  assert.equal(server.totals.connections, 2);
  return told;
}

const pollers = backends.filter(({ name }) => name !== 'io_uring');
const ring = backends.find(({ name }) => name === 'io_uring')?.available(native) ?? {
  reason: 'this platform has no io_uring',
};
const noRing = ring === true ? false : ring.reason;

for (const { name, available } of pollers) {
  const usable = available(native);
  const skip = usable === true ? (false as const) : usable.reason;
  for (const code of ['EPERM', 'ETIMEDOUT', 'ECONNABORTED', 'EACCES']) {
    test(`${name}: ${code} from accept(2), once and many times in a row`, {
      timeout,
      skip,
    }, async (t) => {
      const once = await serveOnLoop(t, name, refusing('accept4', code, first(1)));
      assert.deepEqual(once, []);
      // A row of them is told, and the listener rests instead of spinning.
      const calls = { refused: 0 };
      const left = first(100);
      const sys = refusing('accept4', code, () => {
        const refuses = left();
        if (refuses) calls.refused += 1;
        return refuses;
      });
      const told = await serveOnLoop(t, name, sys);
      assert.equal(calls.refused, 100);
      assert.match(told.join(), new RegExp(`^cannot accept a connection on .*: ${code} \\(`));
    });
  }

  const call = { select: 'select', poll: 'poll', epoll: 'epoll_wait', kqueue: 'kevent' } as const;
  const wait = call[name as keyof typeof call];
  for (const code of ['EAGAIN', 'ENOMEM']) {
    test(`${name}: ${code} from ${wait}(2) is asked again`, { timeout, skip }, async (t) => {
      let calls = 0;
      // Not the calls of kqueue that change, nor the pause, which is a poll(2) of nothing.
      const sys = refusing(wait, code, () => wait !== 'kevent' && ++calls % 3 === 1);
      assert.deepEqual(await serveOnLoop(t, name, sys), []);
    });
  }
}

for (const code of ['EAGAIN', 'ENOMEM', 'EBUSY']) {
  test(`io_uring: ${code} from io_uring_enter(2) is asked again`, {
    timeout,
    skip: noRing,
  }, async (t) => {
    let calls = 0;
    const sys = refusing('io_uring_enter', code, () => ++calls % 3 === 1);
    assert.deepEqual(await serveOnLoop(t, 'io_uring', sys), []);
  });
}

for (const [name, code] of [
  ['accept4', 'EPERM'],
  ['accept4', 'ECONNRESET'],
  ['accept4', 'ENOSR'],
  ['setsockopt', 'ENOMEM'],
  ['setsockopt', 'EPERM'],
] as const) {
  test(`blocking: ${code} from ${name}(2) ends one client at the most`, { timeout }, async (t) => {
    leakCheck(t);
    let armed = false;
    let left = 1;
    const sys = refusing(name, code, () => armed && left-- > 0);
    using listener = createServer({ host: '127.0.0.1', port: 0 }, { sys });
    const { server, port, told } = blocking(listener, sys);
    // Behind the options of the listener itself.
    listener.setTimeout(100);
    armed = true;
    const running = server.run();
    // The connection whose option could not be set is closed: that client sees an end or a reset.
    await answered(port).catch(() => undefined);
    await answered(port);
    server.stop();
    await running;
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', new RegExp(`: ${code} \\(`));
  });
}

test('blocking: a connection that the network has lost is closed, and is no silence', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const sys = refusing('recv', 'ETIMEDOUT', first(1));
  using listener = createServer({ host: '127.0.0.1', port: 0 }, { sys });
  const address = listener.getSockName();
  assert.ok(address.family !== 'UNIX');
  const ends: (string | null)[] = [];
  const server = new IterativeServer(listener, {
    mode: 'echo',
    sys,
    idleTimeoutMs: 100,
    observer: { closed: (_address, _totals, failure) => ends.push(failure?.message ?? null) },
  });
  const running = server.run();
  await answered(address.port).catch(() => undefined);
  server.stop();
  await running;
  assert.match(ends[0] ?? '', /^cannot receive from .*: ETIMEDOUT \(connection timed out\)/);
});

test('poll: another reason why accept(2) fails is told at once', { timeout }, async (t) => {
  const codes = [errno.EMFILE, errno.EMFILE, errno.ENFILE, errno.ENFILE];
  const sys = standIn(native, {
    accept4: (...values) => {
      const refusal = codes.shift();
      return refusal === undefined ? native.accept4(...values) : -refusal;
    },
  });
  const told = await serveOnLoop(t, 'poll', sys);
  assert.deepEqual(
    told.map((message) => /: (E\w+) /.exec(message)?.[1]),
    ['EMFILE', 'ENFILE'],
  );
});

test('blocking: a listener whose timeouts cannot be set at first serves later', {
  timeout,
}, async (t) => {
  leakCheck(t);
  let armed = false;
  const left = first(3);
  const sys = refusing('setsockopt', 'ENOMEM', () => armed && left());
  using listener = createServer({ host: '127.0.0.1', port: 0 }, { sys });
  const { server, port, told } = blocking(listener, sys);
  armed = true;
  const running = server.run();
  await answered(port);
  server.stop();
  await running;
  assert.equal(told.length, 3);
  assert.match(told[0] ?? '', /^cannot set SO_RCVTIMEO: ENOMEM \(/);
});

test('the kinds of errors: what is in no list is final', () => {
  assert.equal(acceptErrorKind('EBADF'), 'final');
  assert.equal(acceptErrorKind('EINVAL'), 'final');
  assert.equal(acceptErrorKind('EMFILE'), 'shortage');
  assert.equal(waitErrnoKind(native.abi, errno.EINTR), 'passing');
  assert.equal(waitErrnoKind(native.abi, errno.EBADF), 'final');
  assert.equal(waitErrnoKind(native.abi, errno.EINVAL), 'final');
  assert.ok(constants.POLLIN > 0);
});
