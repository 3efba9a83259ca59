// Goal: a socket that lives on behind the close of its descriptor, since another process has it as
// well, does not keep the loop awake, and costs epoll no new set.
// Method: a second descriptor of the socket stands for the other process; then bytes or clients
// come, for which the loop has nobody any more.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { EventLoop, Interest, type LoopName, nativeSys, Socket } from 'sockloop';
import { createConnection, createServer } from 'sockloop/socket';
import { standIn } from '#test/sys/stand-in.js';
import { overPollers } from './pollers.ts';

const WATCHED_MS = 200;

/** A loop that spins waits thousands of times. */
const WAITS_MAX = 20;

function again(t: TestContext, fd: number): void {
  const sys = nativeSys();
  const second = sys.dup(fd);
  assert.ok(second >= 0);
  t.after(() => void sys.close(second));
}

/** A loop, and how many sets of epoll it has made. */
interface Counted extends Disposable {
  readonly loop: EventLoop;
  readonly sets: number;
}

function counted(backend: LoopName): Counted {
  const native = nativeSys();
  let sets = 0;
  const create = (flags: number): number => {
    sets += 1;
    return native.epoll_create1(flags);
  };
  const sys = standIn(native, { epoll_create1: create });
  const loop = new EventLoop({ backend, sys });
  return {
    loop,
    get sets() {
      return sets;
    },
    [Symbol.dispose]: () => loop.close(),
  };
}

async function checkRest(count: Counted): Promise<void> {
  const { loop } = count;
  // What is under way may end first.
  await loop.turn(0);
  const { waits } = loop.stats();
  const { sets } = count;
  let isOver = false;
  loop.setTimer(WATCHED_MS, () => {
    isOver = true;
  });
  while (!isOver) await loop.turn(1000);
  const spent = loop.stats().waits - waits;
  assert.ok(spent <= WAITS_MAX, `${spent} waits in ${WATCHED_MS} ms`);
  assert.equal(count.sets, sets, 'the set was built anew');
}

const pairs: readonly (readonly [string, () => [Socket, Socket]])[] = [
  ['UNIX', () => Socket.pair()],
  [
    'TCP',
    () => {
      using server = createServer({ host: '127.0.0.1', port: 0 });
      const address = server.getSockName();
      assert.ok(address.family === 'IPv4');
      const peer = createConnection({ host: '127.0.0.1', port: address.port });
      return [server.accept()[0], peer];
    },
  ],
];

for (const [family, pair] of pairs) {
  overPollers(`an adopted ${family} connection, with and without a watch`, async (t, _, name) => {
    using count = counted(name);
    const { loop } = count;
    for (const isWatched of [false, true]) {
      const [one, peer] = pair();
      using __ = peer;
      const fd = one.detach();
      again(t, fd);
      let isClosed = false;
      const closed = (): void => {
        isClosed = true;
      };
      const connection = loop.adopt(fd, { handlers: { data: () => undefined, close: closed } });
      if (isWatched) loop.watch(fd, Interest.read, () => undefined);
      await loop.turn(0);
      connection.close();
      while (!isClosed) await loop.turn(1000);
      peer.sendAll('nobody reads this');
      await checkRest(count);
    }
  });
}

overPollers('a listener that was handed over, with and without a watch', async (t, _, name) => {
  using count = counted(name);
  const { loop } = count;
  for (const isWatched of [false, true]) {
    const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
    again(t, listener.fd);
    if (isWatched) loop.watch(listener.fd, Interest.read, () => undefined);
    const port = listener.port ?? 0;
    await loop.turn(0);
    let isTold = false;
    void listener.handOver().then(() => {
      isTold = true;
    });
    while (!isTold) await loop.turn(10);
    const client = connect({ host: '127.0.0.1', port });
    t.after(() => void client.destroy());
    await new Promise((resolve) => client.once('connect', resolve));
    await checkRest(count);
  }
});
