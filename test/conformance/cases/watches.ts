import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import type { Watch } from '#src/loop/backend.js';
import type { Interest } from '#src/poller/poller.js';
import { type Case, inEnvironment } from '../case.ts';
import { closePair, connectedPair, type Environment, turnOn, until } from '../environment.ts';

// Several watches of one descriptor, and descriptors that cannot be watched: laws 1 and 6.

const READ: Interest = 1;
const WRITE: Interest = 2;
const NONE: Interest = 0;
/** With idle turns of 5 ms, a fifth as many waits. */
const SILENT_MS = 200;

/** Both ends of a UNIX pair, which do not block. */
function socketPair(environment: Environment): readonly [left: number, right: number] {
  const { sys } = environment.loop;
  const { AF_UNIX, SOCK_STREAM, F_SETFL, O_NONBLOCK } = sys.abi.constants;
  const fds = new Int32Array(2);
  assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  for (const fd of fds) assert.equal(sys.fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  const [left = -1, right = -1] = fds;
  return [left, right];
}

function send(environment: Environment, fd: number): void {
  assert.equal(environment.loop.sys.send(fd, Buffer.from('x'), 0, 1, 0), 1);
}

/** Watches `fd`, and counts the reports by interest. */
function counting(environment: Environment, fd: number, interest: Interest) {
  const seen = { reads: 0, writes: 0, others: 0 };
  const watch = environment.loop.watch(fd, interest, (ready) => {
    if ((ready & READ) !== 0) seen.reads += 1;
    if ((ready & WRITE) !== 0) seen.writes += 1;
    if ((ready & ~interest) !== 0) seen.others += 1;
  });
  return { watch, seen };
}

export const watchCases: readonly Case[] = [
  {
    name: 'two watches of one descriptor both hear of it, each of what it asked for',
    laws: [1],
    run: inEnvironment((environment) => {
      const [left, right] = socketPair(environment);
      const first = counting(environment, left, READ);
      const second = counting(environment, left, READ);
      const writer = counting(environment, left, WRITE);
      until(environment, () => writer.seen.writes > 0, 'it can be written');
      assert.equal(first.seen.reads + second.seen.reads, 0);
      send(environment, right);
      until(environment, () => first.seen.reads > 0 && second.seen.reads > 0, 'both have heard');
      first.watch.modify(WRITE);
      const reads = second.seen.reads;
      until(environment, () => second.seen.reads > reads, 'the other one hears on');
      second.watch.unwatch();
      writer.watch.unwatch();
      const before = first.seen.writes;
      until(environment, () => first.seen.writes > before, 'the first is left');
      const after = { ...second.seen };
      turnOn(environment);
      assert.deepEqual(second.seen, after, 'who has ended hears nothing');
      assert.equal(second.seen.others + writer.seen.others, 0);
      first.watch.unwatch();
      assert.equal(environment.backend.active, 0);
      environment.loop.sys.close(left);
      environment.loop.sys.close(right);
    }),
  },
  {
    name: 'a watch for writing is silent while there is no room, though its peer has ended',
    laws: [1, 8],
    run: inEnvironment((environment) => {
      const [left, right] = socketPair(environment);
      const { sys } = environment.loop;
      const block = new Uint8Array(65_536);
      while (sys.write(left, block, 0, block.length) > 0);
      const { watch, seen } = counting(environment, left, WRITE);
      turnOn(environment);
      sys.shutdown(right, sys.abi.constants.SHUT_WR);
      const { waits } = environment.backend.stats;
      const startMs = environment.nowMs();
      until(environment, () => environment.nowMs() - startMs > SILENT_MS, 'time has passed');
      assert.equal(seen.writes, 0, 'it is not writable');
      const turns = environment.backend.stats.waits - waits;
      assert.ok(turns < SILENT_MS, `${turns} waits came to nothing`);
      for (let round = 0; round < 2; round += 1) {
        while (sys.read(right, block, 0, block.length) > 0);
        const { writes } = seen;
        until(environment, () => seen.writes > writes + 1, 'it is writable, as long as it is');
        watch.modify(NONE);
        turnOn(environment);
        while (sys.write(left, block, 0, block.length) > 0);
        watch.modify(WRITE);
        const after: number = seen.writes;
        turnOn(environment);
        assert.equal(seen.writes, after, 'it is full again');
      }
      watch.unwatch();
      assert.equal(environment.backend.active, 0);
      sys.close(left);
      sys.close(right);
    }),
  },
  {
    name: 'a watch that ends another one of its descriptor, or brings one in, is heeded at once',
    laws: [1, 2],
    run: inEnvironment((environment) => {
      const [left, right] = socketPair(environment);
      let late = 0;
      let heard = 0;
      const ended = { first: false, second: false };
      let third: Watch | null = null;
      const first = environment.loop.watch(left, READ, () => {
        assert.equal(ended.first, false);
        ended.second = true;
        second.unwatch();
        first.unwatch();
        third = environment.loop.watch(left, READ, () => (late += 1));
      });
      const second = environment.loop.watch(left, READ, () => {
        assert.equal(ended.second, false);
        heard += 1;
        if (heard < 3) return;
        ended.first = true;
        first.unwatch();
      });
      send(environment, right);
      until(environment, () => late > 0 || ended.first, 'one has ended the other');
      turnOn(environment);
      for (const watch of [first, second, third as Watch | null]) watch?.unwatch();
      assert.equal(environment.backend.active, 0);
      environment.loop.sys.close(left);
      environment.loop.sys.close(right);
    }),
  },
  {
    name: 'a watch of connection.fd does not silence the connection, and ends with it',
    laws: [1, 6],
    run: async (open) => {
      const environment = open();
      try {
        for (const paused of [false, true]) {
          const pair = connectedPair(environment, { data: (one, chunk) => void one.write(chunk) });
          if (paused) pair.server.pause();
          const reader = counting(environment, pair.server.fd, READ);
          const writer = counting(environment, pair.client.fd, WRITE);
          until(environment, () => writer.seen.writes > 0, 'the client can be written');
          writer.watch.unwatch();
          pair.client.write('one');
          if (paused) {
            until(environment, () => reader.seen.reads > 2, 'the watch tells of what is not read');
            assert.equal(pair.serverLog.received.length, 0);
            pair.server.resume();
          }
          until(environment, () => pair.clientLog.received.length === 3, 'the echo is there');
          pair.client.write(Buffer.alloc(300_000));
          until(
            environment,
            () => pair.clientLog.received.length === 300_003,
            'the long one as well',
          );
          pair.listener.close();
          pair.client.end();
          pair.server.end();
          // A remaining watch keeps the loop waiting for ever.
          await environment.loop.run();
          assert.deepEqual([pair.serverLog.error, pair.clientLog.error], [null, null]);
          assert.equal(pair.clientLog.events.at(-1), 'close');
          reader.watch.modify(WRITE);
          reader.watch.unwatch();
        }
        assert.equal(environment.openDescriptors(), 0);
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'a watch that is left from a closed descriptor says nothing of the next of its number',
    laws: [7],
    run: inEnvironment((environment) => {
      const [left, right] = socketPair(environment);
      const stale = counting(environment, left, READ);
      turnOn(environment);
      environment.loop.sys.close(left);
      const pair = connectedPair(environment);
      const before = stale.seen.reads;
      pair.client.write('for the connection');
      pair.server.write('and the other');
      until(environment, () => pair.serverLog.received.length === 18, 'it has come');
      until(environment, () => pair.clientLog.received.length === 13, 'on the other end too');
      assert.equal(stale.seen.reads, before);
      stale.watch.unwatch();
      closePair(environment, pair);
      environment.loop.sys.close(right);
    }),
  },
  {
    name: 'a descriptor that is closed is refused by watch(), with the same error on every loop',
    laws: [1],
    run: inEnvironment((environment) => {
      const { loop } = environment;
      const nothing = (): void => undefined;
      const [left, right] = socketPair(environment);
      loop.sys.close(left);
      for (const fd of [left, -1]) {
        assert.throws(
          () => loop.watch(fd, READ, nothing),
          (error: NodeJS.ErrnoException) =>
            error.code === 'EBADF' &&
            error.message.startsWith(`cannot watch descriptor ${fd}: EBADF (`),
        );
      }
      for (const fd of [Number.NaN, 0.5, '1', null, undefined]) {
        assert.throws(() => loop.watch(fd as number, READ, nothing), wrongKind(fd));
      }
      for (const interest of [-1, 4, 7, 1.5, Number.NaN, 'read', undefined]) {
        assert.throws(() => loop.watch(right, interest as Interest, nothing), wrongKind(interest));
      }
      assert.throws(() => loop.watch(right, READ, undefined as unknown as () => void), TypeError);
      assert.equal(environment.backend.active, 0);
      turnOn(environment);
      loop.sys.close(right);
    }),
  },
  {
    name: 'a plain file is refused by watch(), with the same error on every loop',
    laws: [1],
    skip: ({ simulated }) => {
      if (simulated) return 'a simulated kernel has no plain files';
      return process.platform === 'linux' ? null : 'kqueue, poll and select take plain files here';
    },
    run: inEnvironment((environment) => {
      const { loop } = environment;
      for (const path of [process.execPath, '/dev/null', '/']) {
        const fd = openSync(path, 'r');
        assert.throws(() => loop.watch(fd, READ, () => undefined), {
          code: 'EPERM',
          message:
            `cannot watch descriptor ${fd}: EPERM ` +
            '(it is always ready, as a plain file is: read it)',
        });
        assert.equal(environment.backend.active, 0);
        turnOn(environment, 1);
        loop.sys.close(fd);
      }
    }),
  },
];

/** A wrong type is a TypeError, a number out of its range a RangeError. */
function wrongKind(value: unknown): typeof TypeError | typeof RangeError {
  return typeof value === 'number' ? RangeError : TypeError;
}
