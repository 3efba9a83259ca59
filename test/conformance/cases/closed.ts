import assert from 'node:assert/strict';
import { type Case, inEnvironment } from '../case.ts';
import { connectedPair, portOf } from '../environment.ts';

// A closed loop, a stop() before run(), and times that are not valid.

const nothing = (): void => undefined;

export const closedCases: readonly Case[] = [
  {
    name: 'a closed loop refuses whatever would start something, and opens nothing',
    laws: [],
    run: async (open) => {
      const environment = open();
      const { loop } = environment;
      const pair = connectedPair(environment);
      const { listener, client } = pair;
      const endpoint = { host: '127.0.0.1', port: portOf(listener), handlers: {} };
      const { fd } = client;
      assert.ok(fd >= 0);
      let found: (() => void) | null = null;
      const connector = loop.connect({
        ...endpoint,
        host: 'a.name',
        lookup: (_, callback) => (found = () => callback(null, ['127.0.0.1'])),
      });
      loop.close();
      loop.close();
      assert.equal(loop.closed, true);
      const refused = { name: 'Error', message: /^cannot .+: the loop is closed$/ };
      assert.throws(() => loop.listen({ ...endpoint, port: 0 }), refused);
      assert.throws(() => loop.connect(endpoint), refused);
      assert.throws(() => loop.connect({ path: '/nowhere', handlers: {} }), refused);
      assert.throws(() => loop.watch(fd, 1, nothing), refused);
      assert.throws(() => loop.setTimer(0, nothing), refused);
      assert.throws(() => loop.defer(nothing), refused);
      assert.throws(() => loop.turn(0), refused);
      await assert.rejects(loop.run(), refused);
      loop.stop();
      // A look-up that ends late, and handles that a program still holds.
      const late = found ?? assert.fail('nobody asked for the name');
      (late as () => void)();
      connector.cancel();
      assert.equal(client.fd, -1);
      assert.equal(client.isOpen, false);
      assert.equal(client.localAddress, null);
      assert.equal(client.write('x'), false);
      client.setTimeout(1000);
      client.end();
      client.close();
      listener.pause();
      listener.resume();
      listener.close();
      assert.ok(environment.openDescriptors() <= 0, 'its own are closed as well');
      environment.close();
    },
  },
  {
    name: 'a loop that a callback closes refuses the rest of it, and run() ends',
    laws: [2],
    run: async (open) => {
      const environment = open();
      const { loop } = environment;
      let refused = 0;
      const pair = connectedPair(environment, {
        data: (connection, chunk) => {
          loop.close();
          assert.throws(() => loop.defer(nothing), /the loop is closed/);
          assert.throws(() => loop.listen({ host: null, port: 0, handlers: {} }), /closed/);
          assert.equal(connection.write(chunk), false);
          refused += 1;
        },
      });
      pair.client.write('x');
      await loop.run();
      assert.equal(refused, 1);
      assert.ok(environment.openDescriptors() <= 0, 'its own are closed as well');
      environment.close();
    },
  },
  {
    name: 'stop() before run() ends that run at its beginning, and only that one',
    laws: [],
    run: async (open) => {
      const environment = open();
      const { loop } = environment;
      try {
        let ran = 0;
        loop.setTimer(0, () => (ran += 1));
        loop.stop();
        loop.stop();
        await loop.run();
        assert.equal(ran, 0, 'the first run did nothing');
        await loop.run();
        assert.equal(ran, 1);
        loop.setTimer(0, () => {
          ran += 1;
          loop.stop();
        });
        loop.setTimer(10_000, () => (ran += 100));
        await loop.run();
        assert.equal(ran, 2);
        // Right behind the call of run(), before its first turn.
        const running = loop.run();
        loop.stop();
        await running;
        assert.equal(ran, 2);
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'times and counts that are none are refused by the call, and leave nothing',
    laws: [],
    run: inEnvironment((environment) => {
      const { loop } = environment;
      const none = [Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 31, '5', {}];
      const endpoint = { host: '127.0.0.1', port: 0, handlers: {} };
      const target = { ...endpoint, port: 1 };
      for (const value of none) {
        const timeMs = value as number;
        if (value !== 2 ** 31) assert.throws(() => loop.setTimer(timeMs, nothing), wrong(value));
        assert.throws(() => loop.listen({ ...endpoint, idleTimeoutMs: timeMs }), wrong(value));
        assert.throws(() => loop.connect({ ...target, idleTimeoutMs: timeMs }), wrong(value));
        assert.throws(() => loop.connect({ ...target, timeoutMs: timeMs }), wrong(value));
        assert.throws(() => loop.connect({ ...target, attemptDelayMs: timeMs }), wrong(value));
      }
      for (const value of [Number.NaN, 0, -1, 1.5, '5']) {
        const maxConnections = value as number;
        assert.throws(() => loop.listen({ ...endpoint, maxConnections }), wrong(value));
      }
      for (const value of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, '5']) {
        const bytes = value as number;
        assert.throws(() => loop.listen({ ...endpoint, queueBytesHigh: bytes }), wrong(value));
        assert.throws(() => loop.connect({ ...target, queueBytesMax: bytes }), wrong(value));
      }
      const five = 5 as unknown as () => void;
      assert.throws(() => loop.setTimer(0, five), TypeError);
      assert.throws(() => loop.defer(five), TypeError);
      assert.throws(() => loop.listen({ ...endpoint, handlers: { data: five } }), TypeError);
      const noHandlers = undefined as unknown as object;
      assert.throws(() => loop.connect({ ...target, handlers: noHandlers }), TypeError);
      assert.equal(loop.alive, false);
      assert.equal(environment.openDescriptors(), 0);
    }),
  },
];

/** A wrong type is a TypeError, a number out of its range a RangeError. */
function wrong(value: unknown): typeof TypeError | typeof RangeError {
  return typeof value === 'number' ? RangeError : TypeError;
}
