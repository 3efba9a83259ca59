import assert from 'node:assert/strict';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import { type Case, inWorld } from '../case.ts';
import {
  closePair,
  connectedPair,
  pattern,
  portOf,
  turnOn,
  until,
  type World,
} from '../environment.ts';

// Ends of every kind: laws 1, 2, 6 and 7.

type Handler = 'open' | 'data' | 'drain' | 'end';

/** The case of a connection that its own handler closes. */
function closeInside(handler: Handler, how: 'close' | 'reset'): Case {
  return {
    name: `${how}() inside of ${handler}() is the last that is heard but close()`,
    laws: [1, 2, 6],
    run: inWorld((world) => {
      let calls = 0;
      const handlers: ConnectionHandlers = {
        [handler]: (connection: Connection) => {
          calls += 1;
          connection[how]();
        },
      };
      const pair = connectedPair(world, handlers);
      if (handler === 'data') pair.client.write(Buffer.from('x'));
      if (handler === 'end') pair.client.end();
      if (handler === 'drain') {
        pair.client.pause();
        pair.server.write(pattern(8 * 1024 * 1024));
        turnOn(world);
        pair.client.resume();
      }
      until(world, () => pair.serverLog.events.includes('close'), 'it has closed');
      turnOn(world);
      assert.equal(calls, 1);
      assert.equal(pair.serverLog.events.at(-1), 'close');
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.client.close();
      pair.listener.close();
      until(world, () => pair.clientLog.events.includes('close'), 'the client has closed');
    }),
  };
}

/** A moment at which a peer may reset a connection. */
const MOMENTS: Readonly<Record<string, (world: World) => ReturnType<typeof connectedPair>>> = {
  'right after it was opened': (world) => connectedPair(world),
  'after bytes that were read': (world) => {
    const pair = connectedPair(world);
    pair.client.write(Buffer.from('x'));
    until(world, () => pair.serverLog.received.length === 1, 'the byte is there');
    return pair;
  },
  'behind bytes that nobody has read': (world) => {
    const pair = connectedPair(world);
    pair.client.write(pattern(10_000));
    return pair;
  },
  'while the other end has bytes queued': (world) => {
    const pair = connectedPair(world);
    pair.client.pause();
    pair.server.write(pattern(8 * 1024 * 1024));
    turnOn(world);
    return pair;
  },
  'after the other end has ended its side': (world) => {
    const pair = connectedPair(world);
    pair.server.end();
    until(world, () => pair.clientLog.events.includes('end'), 'the end has come');
    return pair;
  },
};

const resetCases: readonly Case[] = Object.entries(MOMENTS).map(([moment, prepare]) => ({
  name: `a reset ${moment} is reported once, with its errno`,
  laws: [1, 3],
  run: inWorld((world) => {
    const pair = prepare(world);
    pair.client.reset();
    until(world, () => pair.serverLog.events.includes('close'), 'the server knows');
    turnOn(world);
    assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
    assert.ok(
      ['ECONNRESET', 'EPIPE'].includes(pair.serverLog.error ?? ''),
      pair.serverLog.error ?? '',
    );
    pair.listener.close();
    until(world, () => pair.clientLog.events.includes('close'), 'the client has closed');
  }),
}));

export const closingCases: readonly Case[] = [
  closeInside('open', 'close'),
  closeInside('data', 'close'),
  closeInside('data', 'reset'),
  closeInside('drain', 'close'),
  closeInside('end', 'close'),
  ...resetCases,
  {
    name: 'write() to a peer that has gone fails once, and later ones are dropped',
    laws: [1, 3],
    run: inWorld((world) => {
      const pair = connectedPair(world);
      pair.client.close();
      until(world, () => pair.clientLog.events.includes('close'), 'the client has gone');
      let writes = 0;
      until(
        world,
        () => {
          if (writes < 50) pair.server.write(Buffer.from('is anybody there?'));
          writes += 1;
          return pair.serverLog.events.includes('close');
        },
        'the server knows',
      );
      pair.server.write(Buffer.from('late'));
      turnOn(world);
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.listener.close();
    }),
  },
  {
    name: 'close() of another connection whose event is later in the same batch',
    laws: [6, 7],
    run: inWorld((world) => {
      const one = connectedPair(world, { data: () => two.server.close() });
      const two: ReturnType<typeof connectedPair> = connectedPair(world, {
        data: () => one.server.close(),
      });
      one.client.write(Buffer.from('x'));
      two.client.write(Buffer.from('x'));
      const closed = (): boolean =>
        one.serverLog.events.includes('close') || two.serverLog.events.includes('close');
      until(world, closed, 'one has closed the other');
      turnOn(world);
      const logs = [one.serverLog, two.serverLog];
      const heard = logs.filter((log) => log.events.includes('data')).length;
      const ended = logs.filter((log) => log.events.includes('close')).length;
      assert.ok(heard >= 1 && ended >= 1);
      for (const log of logs) {
        const close = log.events.indexOf('close');
        assert.ok(close < 0 || close === log.events.length - 1, log.events.join(' '));
      }
      for (const pair of [one, two]) {
        pair.client.close();
        pair.server.close();
        pair.listener.close();
      }
      until(world, () => world.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a descriptor that is reused at once gets no event of its former owner',
    laws: [6, 7],
    run: inWorld((world) => {
      for (let round = 0; round < 20; round++) {
        const old = connectedPair(world);
        old.client.write(pattern(1000));
        old.server.close();
        const fresh = connectedPair(world);
        turnOn(world);
        assert.equal(fresh.serverLog.received.length, 0);
        assert.deepEqual(fresh.serverLog.events, ['open']);
        old.client.close();
        old.listener.close();
        closePair(world, fresh);
      }
      until(world, () => world.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'close() twice, and of what has closed already, is reported once',
    laws: [1, 6],
    run: inWorld((world) => {
      const pair = connectedPair(world);
      pair.server.close();
      pair.server.close();
      pair.server.reset();
      until(world, () => pair.serverLog.events.includes('close'), 'it has closed');
      pair.server.close();
      turnOn(world);
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.client.close();
      pair.listener.close();
      turnOn(world);
    }),
  },
  {
    name: 'a connect that is refused fails once, in a later turn',
    laws: [1, 2, 3],
    run: inWorld((world) => {
      const listener = world.loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      const port = portOf(listener);
      listener.close();
      until(world, () => world.openDescriptors() === 0, 'the port is free');
      const errors: unknown[] = [];
      let inside = true;
      world.loop.connect({
        host: '127.0.0.1',
        port,
        handlers: { open: () => assert.fail('nobody listens') },
        onError: (error) => {
          assert.equal(inside, false, 'not inside of connect()');
          errors.push(error);
        },
      });
      inside = false;
      until(world, () => errors.length > 0, 'it has failed');
      turnOn(world);
      assert.equal(errors.length, 1);
      assert.match(String(errors[0]), /ECONNREFUSED/);
    }),
  },
  {
    name: 'a connect that is cancelled reports nothing and leaves nothing',
    laws: [1, 6],
    run: inWorld((world) => {
      const listener = world.loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      const connector = world.loop.connect({
        host: '127.0.0.1',
        port: portOf(listener),
        handlers: { open: () => assert.fail('it was cancelled') },
        onError: () => assert.fail('it was cancelled'),
      });
      connector.cancel();
      turnOn(world);
      for (const connection of [...listener]) connection.close();
      listener.close();
      until(world, () => world.openDescriptors() === 0, 'everything is closed');
    }),
  },
];
