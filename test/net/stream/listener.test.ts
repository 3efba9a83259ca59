// Goal: a listener accepts what it is told to and no more, survives the lack of descriptors, and
// leaves nothing behind.
// Method: many connects on one loop, over each poller; the limit on descriptors really falls.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import {
  type Connection,
  EventLoop,
  type Listener,
  type ListenerShedMessage,
  nativeSys,
  SysError,
} from 'sockloop';
import { writeInteger } from '#src/sys/struct.js';
import { openFds } from '#test/harness/leaks.js';
import { bytesOf, overPollers, run, unixPath } from './pollers.ts';

/** `count` connects to `listener`; every connection that comes to stand is added to `opened`. */
function connectMany(
  loop: EventLoop,
  listener: Listener,
  count: number,
  opened: Connection[],
): void {
  assert.ok(listener.address.family === 'IPv4');
  for (let index = 0; index < count; index++) {
    loop.connect({
      host: '127.0.0.1',
      port: listener.address.port,
      handlers: { open: (connection) => void opened.push(connection) },
    });
  }
}

/** Calls `then` in the first turn in which `condition` holds. */
function when(loop: EventLoop, condition: () => boolean, then: () => void): void {
  if (condition()) then();
  else loop.setTimer(1, () => when(loop, condition, then));
}

overPollers('maxConnections: the others wait until there is room', async (_, loop) => {
  const opened: Connection[] = [];
  let atOnceMax = 0;
  const listener: Listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 3,
    handlers: {
      open: () => {
        atOnceMax = Math.max(atOnceMax, listener.connections);
      },
      data: (connection, chunk) => connection.end(chunk),
      close: () => {
        if (listener.stats.accepted === 20) listener.close();
      },
    },
  });
  connectMany(loop, listener, 20, opened);
  when(
    loop,
    () => opened.length === 20 && listener.connections === 3,
    () => {
      // Long enough for a listener that does not pause to take them all.
      loop.setTimer(20, () => {
        assert.equal(listener.stats.accepted, 3);
        for (const connection of opened) connection.write(bytesOf('x'));
      });
    },
  );
  await run(loop);
  assert.equal(listener.stats.accepted, 20);
  assert.equal(atOnceMax, 3);
  assert.equal(listener.connections, 0);
});

overPollers('pause and resume of a listener', async (_, loop) => {
  const opened: Connection[] = [];
  const listener: Listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { open: (connection) => connection.close() },
  });
  listener.pause();
  connectMany(loop, listener, 5, opened);
  when(
    loop,
    () => opened.length === 5,
    () => {
      assert.equal(listener.stats.accepted, 0);
      listener.resume();
      when(
        loop,
        () => listener.stats.accepted === 5,
        () => listener.close(),
      );
    },
  );
  await run(loop);
  assert.equal(listener.stats.accepted, 5);
});

overPollers('closing a listener leaves its connections and its port', async (_, loop) => {
  let echoed = '';
  using listener: Listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: () => {
        listener.close();
        listener.close();
        listener.pause();
        listener.resume();
      },
      data: (connection, chunk) => void connection.write(chunk),
    },
  });
  assert.ok(listener.address.family === 'IPv4');
  const { port } = listener.address;
  loop.connect({
    host: '127.0.0.1',
    port,
    handlers: {
      open: (connection) => {
        // By then the listening socket is closed, and its address is free.
        loop.setTimer(10, () => {
          loop.listen({ host: '127.0.0.1', port, handlers: {} }).close();
          connection.end(bytesOf('still here'));
        });
      },
      data: (_connection, chunk) => {
        echoed += new TextDecoder().decode(chunk);
      },
    },
  });
  await run(loop);
  assert.equal(echoed, 'still here');
});

overPollers('an address that is taken, and two listeners with reusePort', (_, loop) => {
  const first = loop.listen({ host: '127.0.0.1', port: 0, handlers: {}, reusePort: true });
  assert.ok(first.address.family === 'IPv4');
  const { port } = first.address;
  const fds = openFds().size;
  assert.throws(
    () => loop.listen({ host: '127.0.0.1', port, handlers: {} }),
    (error) => error instanceof SysError && error.code === 'EADDRINUSE' && error.port === port,
  );
  assert.equal(openFds().size, fds, 'what could not listen is closed');
  const second = loop.listen({ host: '127.0.0.1', port, handlers: {}, reusePort: true });
  assert.deepEqual(second.address, first.address);
});

overPollers('a UNIX listener', async (t, loop) => {
  const path = unixPath(t);
  let received = '';
  const listener: Listener = loop.listen({
    path,
    handlers: {
      open: (connection) => {
        assert.deepEqual(connection.localAddress, { family: 'UNIX', path });
        assert.deepEqual(connection.remoteAddress, { family: 'UNIX', path: '' });
        listener.close();
      },
      data: (_connection, chunk) => {
        received += new TextDecoder().decode(chunk);
      },
    },
  });
  assert.deepEqual(listener.address, { family: 'UNIX', path });
  loop.connect({
    path,
    handlers: {
      open: (connection) => {
        assert.deepEqual(connection.remoteAddress, { family: 'UNIX', path });
        connection.end(bytesOf('over a path'));
      },
    },
  });
  await run(loop);
  assert.equal(received, 'over a path');
  assert.ok(!existsSync(path), 'the file goes with its listener');
});

/** A limit under which `count` descriptors are still free: a new one takes the lowest number. */
function limitWithFree(count: number): number {
  const fds = openFds();
  let limit = 0;
  for (let free = 0; free < count; limit++) if (!fds.has(limit)) free += 1;
  return limit;
}

overPollers('out of descriptors: it sheds, pauses, does not spin, and goes on', (t, loop) => {
  const sys = nativeSys();
  const { RLIMIT_NOFILE } = sys.abi.constants;
  const { size, fields } = sys.abi.structs.rlimit;
  const before = new Uint8Array(size);
  assert.ok(sys.getrlimit(RLIMIT_NOFILE, before) >= 0);
  t.after(() => sys.setrlimit(RLIMIT_NOFILE, before));

  const opened: Connection[] = [];
  const errors: string[] = [];
  const closed: (string | null)[] = [];
  let toldOf = 0;
  const heard = (message: unknown): void => {
    toldOf += (message as ListenerShedMessage).count;
  };
  subscribe('sockloop.listener.shed', heard);
  t.after(() => unsubscribe('sockloop.listener.shed', heard));
  const listener: Listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {},
    onError: (error) => errors.push(error.message),
  });
  assert.ok(listener.address.family === 'IPv4');
  const { port } = listener.address;
  const clients = new EventLoop();
  t.after(() => clients.close());
  // All of the clients' descriptors are there before the limit falls, and two are free then.
  for (let count = 0; count < 10; count++) {
    clients.connect({
      host: '127.0.0.1',
      port,
      handlers: {
        open: (connection) => void opened.push(connection),
        close: (_connection, error) => void closed.push(error?.code ?? null),
      },
    });
  }
  while (opened.length < 10) clients.turn(10);
  const limit = new Uint8Array(before);
  writeInteger(new DataView(limit.buffer), 0, fields.rlim_cur, limitWithFree(2));
  assert.ok(sys.setrlimit(RLIMIT_NOFILE, limit) >= 0);

  const turns = loop.turns;
  const startMs = loop.nowMs;
  while (loop.nowMs < startMs + 120) loop.turn(20);
  assert.ok(loop.turns - turns < 40, `${loop.turns - turns} turns`);
  const { accepted, shed, exhausted } = listener.stats;
  assert.ok(accepted >= 2 && accepted < 10, `${accepted} accepted`);
  assert.equal(accepted + shed, 10);
  assert.equal(toldOf, shed);
  assert.ok(exhausted >= 1 && exhausted <= 4, `${exhausted} times`);
  assert.match(errors[0] ?? '', /^cannot accept a connection on 127\.0\.0\.1:\d+: EMFILE \(/);
  while (closed.length < shed) clients.turn(10);

  // With descriptors again, it serves again.
  assert.ok(sys.setrlimit(RLIMIT_NOFILE, before) >= 0);
  clients.connect({ host: '127.0.0.1', port, handlers: {} });
  while (listener.stats.accepted === accepted) {
    clients.turn(1);
    loop.turn(10);
  }
  listener.close();
});
