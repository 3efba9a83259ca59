// Goal: a service takes sockets that listen already, and hands them over without a lost connection.
// Method: a second service in this process has the sockets, while connections come and stay.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer, nativeSys, Socket } from 'sockloop';
import {
  type ServeOnThreadsOptions,
  serveOnThreads,
  type ThreadEnd,
  type ThreadService,
} from 'sockloop/workers';
import { eventually } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { echoed, heldClients } from './clients.ts';

const timeout = 120_000;
const LOOPS = ['epoll', 'io_uring'] as const;
const module = new URL('./echo-service.js', import.meta.url);
const listen = { host: '127.0.0.1', port: 0 };

async function start(options: Partial<ServeOnThreadsOptions>) {
  const ends: ThreadEnd[] = [];
  const service = await serveOnThreads({
    module,
    listen,
    threads: 2,
    counters: ['messages'],
    onThreadEnd: (end) => ends.push(end),
    ...options,
  });
  return { service, ends };
}

for (const backend of LOOPS) {
  for (const balance of ['kernel', 'acceptor'] as const) {
    const title = `inherited sockets are served and handed over, by ${balance} (${backend})`;
    test(title, { skip: reasonWithoutLoop(backend), timeout }, async (t) => {
      leakCheck(t);
      const one = createServer({ host: '127.0.0.1', port: 0 }, { reusePort: true });
      const address = one.getSockName();
      assert.ok(address.family === 'IPv4');
      const { port } = address;
      const two = createServer({ host: '127.0.0.1', port }, { reusePort: true });
      const fds = [one.detach(), two.detach()];
      const { service, ends } = await start({ backend, listen: { fds }, balance });
      assert.deepEqual(service.fds, fds);
      // As a successor has them.
      const again = service.fds.map((fd) => nativeSys().dup(fd));
      const held = await heldClients(port, 4);
      const churn = Array.from({ length: 10 }, () => echoed(port, 5));
      await churn[0];
      const successor = await start({ backend, listen: { fds: again }, balance });
      const done = service.handOver();
      for (let round = 0; round < 20; round++) await echoed(port, 5);
      await Promise.all(churn);
      assert.deepEqual(service.fds, []);
      assert.equal(held.ended(), 0, 'what was accepted goes on');
      // The counters lag behind.
      await eventually(() => {
        assert.equal(accepted(service) + accepted(successor.service), 4 + 50 + 100);
      });
      assert.ok(accepted(successor.service) >= 50, String(accepted(successor.service)));
      held.close();
      assert.deepEqual(await done, { ended: 0, reset: 0 });
      assert.deepEqual(ends, []);
      assert.equal(service.handOver(), service.done);
      await successor.service.shutdown();
    });
  }
}

const accepted = (service: ThreadService): number =>
  service.threads.reduce((sum, thread) => sum + thread.accepted, 0);

test('a hand-over ends at its deadline, and leaves the file of a UNIX socket', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const { service } = await start({ listen: { path } });
  const [fd = -1] = service.fds.map((one) => nativeSys().dup(one));
  const held = await heldClients(path, 2);
  const { ended, reset } = await service.handOver({ deadlineMs: 100 });
  assert.equal(ended + reset, 2);
  held.close();
  assert.ok(existsSync(path));
  const { service: next } = await start({ listen: { fds: [fd] } });
  assert.equal(next.address.family, 'UNIX');
  await echoed(path, 4);
  await next.shutdown();
  await assert.rejects(async () => next.handOver({ deadlineMs: -1 }), RangeError);
});

test('sockets that a service cannot take are refused, and stay open', { timeout }, async (t) => {
  leakCheck(t);
  using tcp = createServer(listen);
  using other = createServer(listen);
  using unix = createServer({ path: `\0sockloop ${process.pid} refused` });
  using plain = new Socket('IPv4');
  const refused: readonly (readonly [object, number[], RegExp])[] = [
    [{}, [tcp.fileno(), unix.fileno()], /listens on TCP or on UNIX sockets, not on 127/],
    [{}, [plain.fileno()], /it is no listening socket/],
    [{}, [99_999], /EBADF/],
    [{ balance: 'kernel' }, [tcp.fileno()], /a socket of the same address for each thread/],
    [{ balance: 'kernel' }, [tcp.fileno(), other.fileno()], /of the same address for each/],
    [{}, [], /fds are an array of descriptors, not/],
    [{}, [-1], /a descriptor/],
  ];
  for (const [options, fds, message] of refused) {
    await assert.rejects(start({ ...options, listen: { fds } }), message);
  }
  await assert.rejects(
    start({ listen: { fds: [tcp.fileno()], backlog: 1 } }),
    /backlog is for new/,
  );
  assert.ok(tcp.getSockName().family === 'IPv4', 'it is still open');
});
