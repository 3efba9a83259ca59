// Goal: a listener lets go of its socket, which another one has as well, and no connection is lost.
// Method: two loops in one process share a listening socket, while connections come and go.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { EventLoop, type Listener, nativeSys } from 'sockloop';
import { createConnection } from 'sockloop/socket';
import { ACCEPTS_PER_TURN } from '#src/loop/limits.js';
import { overPollers, unixPath } from './pollers.ts';

/** A second descriptor, as a successor has one. */
function again(listener: { readonly fd: number }): number {
  const fd = nativeSys().dup(listener.fd);
  assert.ok(fd >= 0);
  return fd;
}

const echo = (served: { count: number }) => ({
  open: () => {
    served.count += 1;
  },
  data: (connection: { write(chunk: Uint8Array): boolean }, chunk: Uint8Array) =>
    void connection.write(chunk),
});

/** One message and its echo. Rejects if the connection is refused, reset or ended before. */
function exchange(place: { port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', ...place });
    socket.once('connect', () => socket.write('hello'));
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an echo')));
  });
}

for (const maxConnections of [undefined, 2]) {
  const limit = maxConnections === undefined ? '' : ', with room for two';
  overPollers(`a listener is handed over under churn${limit}`, async (_, loop, name) => {
    using other = new EventLoop({ backend: name });
    const [before, after] = [{ count: 0 }, { count: 0 }];
    const limits = maxConnections === undefined ? {} : { maxConnections };
    const where = { host: '127.0.0.1', port: 0, ...limits };
    const first: Listener = loop.listen({ ...where, handlers: echo(before) });
    const port = first.port ?? 0;
    loop.attach();
    other.attach();
    const clients: Promise<void>[] = [];
    let told = false;
    for (let round = 0; round < 30; round++) {
      for (let client = 0; client < 10; client++) clients.push(exchange({ port }));
      if (round === 14) {
        other.listen({ fd: again(first), handlers: echo(after) });
        void first.handOver().then(() => {
          told = true;
        });
      }
      await Promise.race(clients.slice(-10));
    }
    await Promise.all(clients);
    assert.ok(told, 'it says when it has let go');
    assert.equal(before.count + after.count, 300);
    assert.ok(before.count > 100 && after.count > 20, `${before.count} and ${after.count}`);
    await assert.doesNotReject(first.handOver(), 'a second time');
  });
}

overPollers('what was accepted before goes on, the file stays', async (t, loop, name) => {
  using other = new EventLoop({ backend: name });
  const path = unixPath(t);
  const served = { count: 0 };
  const first: Listener = loop.listen({ path, handlers: echo(served) });
  loop.attach();
  other.attach();
  const long = connect({ path });
  await new Promise((resolve) => long.once('connect', resolve));
  long.write('one');
  await new Promise((resolve) => long.once('data', resolve));
  const second = other.listen({ fd: again(first), handlers: echo({ count: 0 }) });
  await first.handOver();
  assert.equal(served.count, 1);
  assert.equal(first.connections, 1);
  long.write('two');
  await new Promise((resolve) => long.once('data', resolve));
  first.close();
  assert.ok(existsSync(path));
  await exchange({ path });
  const counts = first.shutdown({ deadlineMs: 5000 });
  await new Promise((resolve) => long.once('close', resolve).once('end', () => long.end()));
  assert.deepEqual(await counts, { ended: 1, reset: 0 });
  second.close();
});

overPollers('iterators get what was accepted, and end', async (_, loop) => {
  const listener = loop.listen({ host: '127.0.0.1', port: 0 });
  const spare = again(listener);
  loop.attach();
  const clients = [1, 2, 3].map(() => connect({ host: '127.0.0.1', port: listener.port ?? 0 }));
  let count = 0;
  for await (const connection of listener) {
    count += 1;
    if (count === 1) void listener.handOver();
    await connection.close();
  }
  assert.ok(count >= 1);
  for (const client of clients) client.destroy();
  nativeSys().close(spare);
  await listener.handOver();
});

overPollers(
  'close() in a hand-over, and behind it, leaves the file to the other process',
  async (t, loop) => {
    for (const waits of [false, true]) {
      const path = unixPath(t);
      const listener = loop.listen({ path, handlers: {} });
      const fd = again(listener);
      loop.attach();
      const over = listener.handOver();
      if (waits) await over;
      listener.close();
      await over;
      loop.detach();
      assert.ok(existsSync(path), waits ? 'behind it' : 'in it');
      // Its last owner removes it.
      const heir = loop.listen({ fd, handlers: {} });
      heir.close();
      await loop.turn(0);
    }
  },
);

overPollers('a loop that is closed ends the hand-over', async (_, loop) => {
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  const over = listener.handOver();
  loop.close();
  await over;
  await listener.handOver();
});

const QUEUED = 100;

overPollers('what waits in the queue is accepted a part in each turn', async (t, loop) => {
  const accepted = { count: 0 };
  // One at a time, so that the others wait in the queue.
  const where = { host: '127.0.0.1', port: 0, maxConnections: 1 };
  const listener: Listener = loop.listen({ ...where, handlers: echo(accepted) });
  const sys = nativeSys();
  const fd = again(listener);
  t.after(() => void sys.close(fd));
  const port = listener.port ?? 0;
  const clients = Array.from({ length: QUEUED }, () =>
    createConnection({ host: '127.0.0.1', port }),
  );
  t.after(() => {
    for (const client of clients) client.close();
  });
  await loop.turn(0);
  let isTold = false;
  const told = listener.handOver().then(() => {
    isTold = true;
  });
  let most = 0;
  while (!isTold) {
    const before = accepted.count;
    await loop.turn(10);
    most = Math.max(most, accepted.count - before);
  }
  await told;
  assert.ok(most <= 2 * ACCEPTS_PER_TURN, `${most} connections in a turn`);
});
