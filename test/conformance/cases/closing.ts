import assert from 'node:assert/strict';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  closePair,
  connectedPair,
  type Environment,
  pattern,
  portOf,
  turnOn,
  until,
} from '../environment.ts';

// Ends of every kind: laws 1, 2, 6 and 7.

type Handler = 'open' | 'data' | 'drain' | 'end';

/** The case of a connection that its own handler closes. */
function closeInside(handler: Handler, how: 'close' | 'reset'): Case {
  return {
    name: `${how}() inside of ${handler}() is the last that is heard but close()`,
    laws: [1, 2, 6],
    run: inEnvironment((environment) => {
      let calls = 0;
      const handlers: ConnectionHandlers = {
        [handler]: (connection: Connection) => {
          calls += 1;
          connection[how]();
        },
      };
      const pair = connectedPair(environment, handlers);
      if (handler === 'data') pair.client.write(Buffer.from('x'));
      if (handler === 'end') pair.client.end();
      if (handler === 'drain') {
        pair.client.pause();
        pair.server.write(pattern(8 * 1024 * 1024));
        turnOn(environment);
        pair.client.resume();
      }
      until(environment, () => pair.serverLog.events.includes('close'), 'it has closed');
      turnOn(environment);
      assert.equal(calls, 1);
      assert.equal(pair.serverLog.events.at(-1), 'close');
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.client.close();
      pair.listener.close();
      until(environment, () => pair.clientLog.events.includes('close'), 'the client has closed');
    }),
  };
}

/** A moment at which a peer may reset a connection. */
const MOMENTS: Readonly<
  Record<string, (environment: Environment) => ReturnType<typeof connectedPair>>
> = {
  'right after it was opened': (environment) => connectedPair(environment),
  'after bytes that were read': (environment) => {
    const pair = connectedPair(environment);
    pair.client.write(Buffer.from('x'));
    until(environment, () => pair.serverLog.received.length === 1, 'the byte is there');
    return pair;
  },
  'behind bytes that nobody has read': (environment) => {
    const pair = connectedPair(environment);
    pair.client.write(pattern(10_000));
    return pair;
  },
  'while the other end has bytes queued': (environment) => {
    const pair = connectedPair(environment);
    pair.client.pause();
    pair.server.write(pattern(8 * 1024 * 1024));
    turnOn(environment);
    return pair;
  },
  'after the other end has ended its side': (environment) => {
    const pair = connectedPair(environment);
    pair.server.end();
    until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
    return pair;
  },
};

const resetCases: readonly Case[] = Object.entries(MOMENTS).map(([moment, prepare]) => ({
  name: `a reset ${moment} is reported once, with its errno`,
  laws: [1, 3],
  run: inEnvironment((environment) => {
    const pair = prepare(environment);
    pair.client.reset();
    until(environment, () => pair.serverLog.events.includes('close'), 'the server knows');
    turnOn(environment);
    assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
    assert.ok(
      ['ECONNRESET', 'EPIPE'].includes(pair.serverLog.error ?? ''),
      pair.serverLog.error ?? '',
    );
    pair.listener.close();
    until(environment, () => pair.clientLog.events.includes('close'), 'the client has closed');
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
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.client.close();
      until(environment, () => pair.clientLog.events.includes('close'), 'the client has gone');
      let writes = 0;
      until(
        environment,
        () => {
          if (writes < 50) pair.server.write(Buffer.from('is anybody there?'));
          writes += 1;
          return pair.serverLog.events.includes('close');
        },
        'the server knows',
      );
      pair.server.write(Buffer.from('late'));
      turnOn(environment);
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.listener.close();
    }),
  },
  {
    name: 'close() of another connection whose event is later in the same batch',
    laws: [6, 7],
    run: inEnvironment((environment) => {
      const one = connectedPair(environment, { data: () => two.server.close() });
      const two: ReturnType<typeof connectedPair> = connectedPair(environment, {
        data: () => one.server.close(),
      });
      one.client.write(Buffer.from('x'));
      two.client.write(Buffer.from('x'));
      const closed = (): boolean =>
        one.serverLog.events.includes('close') || two.serverLog.events.includes('close');
      until(environment, closed, 'one has closed the other');
      turnOn(environment);
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
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a descriptor that is reused at once gets no event of its former owner',
    laws: [6, 7],
    run: inEnvironment((environment) => {
      for (let round = 0; round < 20; round++) {
        const old = connectedPair(environment);
        old.client.write(pattern(1000));
        old.server.close();
        const fresh = connectedPair(environment);
        turnOn(environment);
        assert.equal(fresh.serverLog.received.length, 0);
        assert.deepEqual(fresh.serverLog.events, ['open']);
        old.client.close();
        old.listener.close();
        closePair(environment, fresh);
      }
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'close() twice, and of what has closed already, is reported once',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.close();
      pair.server.close();
      pair.server.reset();
      until(environment, () => pair.serverLog.events.includes('close'), 'it has closed');
      pair.server.close();
      turnOn(environment);
      assert.equal(pair.serverLog.events.filter((event) => event === 'close').length, 1);
      pair.client.close();
      pair.listener.close();
      turnOn(environment);
    }),
  },
  {
    name: 'a connect that is refused fails once, in a later turn',
    laws: [1, 2, 3],
    run: inEnvironment((environment) => {
      const listener = environment.loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      const port = portOf(listener);
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'the port is free');
      const errors: unknown[] = [];
      let inside = true;
      environment.loop.connect({
        host: '127.0.0.1',
        port,
        handlers: { open: () => assert.fail('nobody listens') },
        onError: (error) => {
          assert.equal(inside, false, 'not inside of connect()');
          errors.push(error);
        },
      });
      inside = false;
      until(environment, () => errors.length > 0, 'it has failed');
      turnOn(environment);
      assert.equal(errors.length, 1);
      assert.match(String(errors[0]), /ECONNREFUSED/);
    }),
  },
  {
    name: 'a connect that is cancelled reports nothing and leaves nothing',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const listener = environment.loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
      const connector = environment.loop.connect({
        host: '127.0.0.1',
        port: portOf(listener),
        handlers: { open: () => assert.fail('it was cancelled') },
        onError: () => assert.fail('it was cancelled'),
      });
      connector.cancel();
      turnOn(environment);
      for (const connection of [...listener]) connection.close();
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
];
