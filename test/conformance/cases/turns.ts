import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  closePair,
  connectedPair,
  type Environment,
  type Pair,
  pattern,
  portOf,
  turnOn,
  until,
} from '../environment.ts';

// A turn that ends early, by an error or by the end of the loop: laws 1, 2, 6 and 7.

/** Takes turns, and counts those that end with `error`. */
function turnsThatThrow(
  environment: Environment,
  error: Error,
  done: () => boolean,
  what: string,
): number {
  let thrown = 0;
  const turn = (): boolean => {
    try {
      environment.turn();
    } catch (caught) {
      assert.equal(caught, error);
      thrown += 1;
    }
    return done();
  };
  for (let turns = 0; turns < environment.turnsMax; turns++) if (turn()) return thrown;
  throw new Error(`waited in vain until ${what}`);
}

const boom = new Error('boom');

/** Pairs, of which every other one has a server that throws. */
function throwingPairs(environment: Environment): Pair[] {
  return [0, 1, 2, 3, 4].map((index) =>
    connectedPair(environment, {
      data: () => {
        if (throwsAt(index)) throw boom;
      },
    }),
  );
}

const throwsAt = (index: number): boolean => index % 2 === 1;

/** More than one receive takes. */
function twoChunks(environment: Environment): Buffer {
  return pattern(environment.turnsMax > 100_000 ? 20_000 : 200_000);
}

/** Turns until all bytes of the others have come, and those that threw are closed. */
function allCome(environment: Environment, pairs: readonly Pair[], bytes: Buffer): void {
  const isOver = ({ serverLog }: Pair, index: number): boolean =>
    throwsAt(index)
      ? serverLog.events.at(-1) === 'close'
      : serverLog.received.length === bytes.length;
  const come = (): boolean => pairs.every(isOver);
  assert.equal(turnsThatThrow(environment, boom, come, 'all has come'), 2);
  for (const [index, { serverLog }] of pairs.entries()) {
    if (!throwsAt(index)) assert.ok(serverLog.received.equals(bytes));
  }
  for (const pair of pairs) closePair(environment, pair);
}

const throwing: readonly Case[] = [
  {
    name: 'an error thrown by data() takes nothing from the others of its turn',
    laws: [1],
    run: inEnvironment((environment) => {
      const pairs = throwingPairs(environment);
      const bytes = twoChunks(environment);
      for (const { client } of pairs) client.write(bytes);
      allCome(environment, pairs, bytes);
    }),
  },
  {
    name: 'an error thrown behind resume() takes nothing from the others of its turn',
    laws: [1],
    run: inEnvironment((environment) => {
      const pairs = throwingPairs(environment);
      const bytes = twoChunks(environment);
      for (const { server, client } of pairs) {
        server.pause();
        client.write(bytes);
      }
      turnOn(environment);
      for (const { server } of pairs) server.resume();
      allCome(environment, pairs, bytes);
    }),
  },
  {
    name: 'an error thrown by close() of a connection takes no close() from the others',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const close = (): void => {
        throw boom;
      };
      const pairs = [1, 2, 3].map(() => connectedPair(environment, { close }));
      for (const { server } of pairs) server.close();
      const closed = (): boolean =>
        pairs.every(({ serverLog }) => serverLog.events.includes('close'));
      assert.equal(turnsThatThrow(environment, boom, closed, 'all are closed'), pairs.length);
      for (const { client, listener } of pairs) {
        client.close();
        listener.close();
      }
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'an error thrown by a timer or a task takes nothing from those behind it',
    laws: [1, 10],
    run: inEnvironment((environment) => {
      const ran: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        const run = (what: string): void => {
          ran.push(what + name);
          throw boom;
        };
        environment.loop.setTimer(1, () => run('timer '));
        environment.loop.defer(() => run('task '));
      }
      const cancelled = environment.loop.setTimer(1, () => assert.fail('it was cancelled'));
      const thrown = turnsThatThrow(
        environment,
        boom,
        () => {
          cancelled.cancel();
          return ran.length >= 6;
        },
        'all have run',
      );
      assert.equal(thrown, 6);
      const expected = ['a', 'b', 'c'].flatMap((name) => [`task ${name}`, `timer ${name}`]);
      assert.deepEqual([...ran].sort(), expected.sort());
      const order = ran.map((what) => what.at(-1)).join('');
      assert.match(order, /a.*b.*c/);
    }),
  },
];

/** Descriptors that have nothing to do with the loop. */
function pairsOf({ loop: { sys } }: Environment, count: number): number[] {
  const { AF_UNIX, SOCK_STREAM } = sys.abi.constants;
  return Array.from({ length: count }, () => {
    const pair = new Int32Array(2);
    assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    return [...pair];
  }).flat();
}

/** Closes descriptors, all of which must be open still. */
function closeAll({ loop: { sys } }: Environment, fds: readonly number[]): void {
  for (const fd of fds) assert.equal(sys.close(fd), 0, `${fd} was open`);
}

/** The places where a program may close its loop; each calls `close` in time. */
const PLACES: Readonly<Record<string, (environment: Environment, close: () => void) => void>> = {
  'a timer': (environment, close) => {
    environment.loop.setTimer(1, close);
    environment.loop.setTimer(1, () => assert.fail('a timer that was due with it'));
  },
  'a task': (environment, close) => {
    environment.loop.defer(close);
    environment.loop.defer(() => assert.fail('a task behind it'));
  },
  'open()': (environment, close) => {
    const listener = environment.loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: { open: close },
    });
    const to = { host: '127.0.0.1', port: portOf(listener) };
    environment.loop.connect({ ...to, handlers: {} });
  },
  'data()': (environment, close) => {
    const pairs = [
      connectedPair(environment, { data: close }),
      connectedPair(environment, { data: close }),
    ];
    for (const { client } of pairs) client.write(Buffer.from('x'));
  },
  'data() behind resume()': (environment, close) => {
    const pairs = [
      connectedPair(environment, { data: close }),
      connectedPair(environment, { data: close }),
    ];
    for (const { server, client } of pairs) {
      server.pause();
      client.write(Buffer.from('x'));
    }
    turnOn(environment);
    for (const { server } of pairs) server.resume();
  },
  'end()': (environment, close) => {
    const pairs = [
      connectedPair(environment, { end: close }),
      connectedPair(environment, { end: close }),
    ];
    for (const { client } of pairs) client.end();
  },
  'close() of a connection': (environment, close) => {
    const pairs = [connectedPair(environment, { close }), connectedPair(environment, { close })];
    for (const { server } of pairs) server.close();
  },
  'a watch': (environment, close) => {
    const { client } = connectedPair(environment);
    environment.loop.watch(client.fd, 2, close);
  },
  'a failed connect': (environment, close) => {
    const listener = environment.loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
    const to = { host: '127.0.0.1', port: portOf(listener) };
    listener.close();
    turnOn(environment, 2);
    for (let i = 0; i < 2; i++) environment.loop.connect({ ...to, handlers: {}, onError: close });
  },
};

const closings: readonly Case[] = Object.entries(PLACES).map(([place, prepare]) => ({
  name: `close() of the loop inside of ${place}: nothing is called and nothing open after it`,
  laws: [1, 2, 6],
  run: (open) => {
    const environment = open();
    try {
      const before = environment.openDescriptors();
      let closes = 0;
      let after: number[] = [];
      prepare(environment, () => {
        closes += 1;
        // They may have numbers that were just freed.
        after = pairsOf(environment, 3);
        environment.loop.close();
      });
      for (let turns = 0; turns < environment.turnsMax && closes === 0; turns++) environment.turn();
      assert.equal(closes, 1);
      assert.equal(environment.backend.active, 0);
      closeAll(environment, after);
      assert.ok(environment.openDescriptors() <= before);
      assert.throws(() => environment.turn(), /closed/);
    } finally {
      environment.close();
    }
  },
}));

export const turnCases: readonly Case[] = [
  ...throwing,
  ...closings,
  {
    name: 'run() of a loop that a timer closes ends, whatever is still open',
    laws: [1, 6],
    skip: (target) => (target.simulated ? 'run() waits in real time' : null),
    run: async (open) => {
      const environment = open();
      const pair = connectedPair(environment);
      pair.server.pause();
      pair.server.write(Buffer.from('x'));
      environment.loop.setTimer(1, () => environment.loop.close());
      environment.loop.setTimer(2, () => assert.fail('the loop is closed'));
      await environment.loop.run();
      assert.equal(pair.server.queuedBytes, 0);
      for (const end of [pair.server, pair.client, pair.listener]) end.close();
      pair.client.write(Buffer.from('too late'));
      environment.close();
    },
  },
  {
    name: 'close() and wake() of a loop that is closed touch nothing that came after it',
    laws: [6],
    run: (open) => {
      const environment = open();
      connectedPair(environment);
      environment.loop.close();
      const after = pairsOf(environment, 10);
      environment.loop.close();
      environment.backend.wake();
      const { sys } = environment.loop;
      const { MSG_DONTWAIT } = sys.abi.constants;
      const nothing = new Uint8Array(8);
      for (const fd of after) {
        assert.equal(sys.recv(fd, nothing, 0, 8, MSG_DONTWAIT), -sys.abi.errno.EAGAIN);
      }
      closeAll(environment, after);
      environment.close();
    },
  },
  {
    name: 'maxConnections: who waits is left to the queue of listen(2), and costs no descriptor',
    laws: [1],
    skip: (target) =>
      target.name === 'sim completions' ? 'there an accept is under way when it pauses' : null,
    run: inEnvironment((environment) => {
      let opened = 0;
      const clients: Connection[] = [];
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        maxConnections: 1,
        handlers: {
          open: () => {
            opened += 1;
          },
        },
      });
      for (let i = 0; i < 6; i++) {
        environment.loop.connect({
          host: '127.0.0.1',
          port: portOf(listener),
          handlers: { open: (connection) => clients.push(connection) },
        });
      }
      until(
        environment,
        () => opened === 1 && clients.length === 6,
        'all are connected, one is taken',
      );
      turnOn(environment);
      assert.equal(opened, 1);
      // The clients, the listener with its reserve, and one connection.
      assert.equal(environment.openDescriptors(), clients.length + 2 + 1);
      for (const connection of [...clients, ...listener, listener]) connection.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
];
