import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, heavyCallByCall, inEnvironment } from '../case.ts';
import { type Environment, portOf, turnOn, until } from '../environment.ts';

// Accepting: laws 1, 6, 8 and 11.

/** `count` clients that say hello, get it back and close, one after the other. */
function shortConnections(environment: Environment, count: number, atOnce: number): void {
  const listener = environment.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => connection.write(chunk) },
  });
  const port = portOf(listener);
  let started = 0;
  let answered = 0;
  let closed = 0;
  const start = (): void => {
    started += 1;
    let received = 0;
    environment.loop.connect({
      host: '127.0.0.1',
      port,
      handlers: {
        open: (connection: Connection) => connection.write(Buffer.from('hello\n')),
        data: (connection: Connection, chunk: Uint8Array) => {
          received += chunk.length;
          if (received < 6) return;
          answered += 1;
          connection.close();
        },
        close: () => {
          closed += 1;
          if (started < count) start();
        },
      },
      onError: (error) => assert.fail(String(error)),
    });
  };
  for (let i = 0; i < Math.min(atOnce, count); i++) start();
  until(environment, () => closed === count, `${count} clients have come and gone`);
  assert.equal(answered, count);
  listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

export const listenerCases: readonly Case[] = [
  {
    name: '2,000 short connections leave nothing behind',
    laws: [1, 6, 8],
    skip: (target) =>
      target.simulated
        ? 'a simulated kernel takes minutes for them; 200 are a case'
        : heavyCallByCall(target, '200 are a case'),
    run: inEnvironment((environment) => shortConnections(environment, 2000, 10)),
  },
  {
    name: '200 short connections, 20 at a time',
    laws: [1, 6, 8],
    run: inEnvironment((environment) => shortConnections(environment, 200, 20)),
  },
  {
    name: 'more clients at once than one turn accepts',
    laws: [8],
    run: inEnvironment((environment) => {
      const opened: Connection[] = [];
      const clients: Connection[] = [];
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        backlog: 256,
        handlers: { open: (connection) => opened.push(connection) },
      });
      for (let i = 0; i < 100; i++) {
        environment.loop.connect({
          host: '127.0.0.1',
          port: portOf(listener),
          handlers: { open: (connection) => clients.push(connection) },
          onError: (error) => assert.fail(String(error)),
        });
      }
      until(environment, () => opened.length === 100 && clients.length === 100, 'all are open');
      for (const connection of [...opened, ...clients]) connection.close();
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a listener that is paused leaves clients in the queue, and takes them after resume()',
    laws: [1],
    run: inEnvironment((environment) => {
      let accepted = 0;
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        handlers: { open: () => (accepted += 1) },
      });
      listener.pause();
      let connected: Connection | null = null;
      environment.loop.connect({
        host: '127.0.0.1',
        port: portOf(listener),
        handlers: { open: (connection) => (connected = connection) },
        onError: (error) => assert.fail(String(error)),
      });
      until(environment, () => connected !== null, 'the kernel has taken the connection');
      turnOn(environment);
      assert.equal(accepted, 0);
      listener.resume();
      until(environment, () => accepted === 1, 'it is accepted');
      for (const connection of [...listener]) connection.close();
      (connected as Connection | null)?.close();
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'maxConnections: the next client is accepted when one has gone',
    laws: [1],
    run: inEnvironment((environment) => {
      const opened: Connection[] = [];
      const clients: Connection[] = [];
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        maxConnections: 2,
        handlers: { open: (connection) => opened.push(connection) },
      });
      for (let i = 0; i < 3; i++) {
        environment.loop.connect({
          host: '127.0.0.1',
          port: portOf(listener),
          handlers: { open: (connection) => clients.push(connection) },
          onError: (error) => assert.fail(String(error)),
        });
      }
      until(environment, () => opened.length === 2 && clients.length === 3, 'two are accepted');
      turnOn(environment);
      assert.equal(opened.length, 2);
      opened[0]?.close();
      until(environment, () => opened.length === 3, 'the third is accepted');
      for (const connection of [...opened, ...clients]) connection.close();
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'maxConnections: it holds where the handler of open throws',
    laws: [1],
    run: inEnvironment((environment) => {
      const opened: Connection[] = [];
      const clients: Connection[] = [];
      let most = 0;
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        maxConnections: 1,
        handlers: {
          open: (connection) => {
            opened.push(connection);
            most = Math.max(most, listener.connections);
            if (opened.length === 1) throw new Error('the first');
          },
        },
      });
      for (let i = 0; i < 3; i++) {
        environment.loop.connect({
          host: '127.0.0.1',
          port: portOf(listener),
          handlers: { open: (connection) => clients.push(connection) },
          onError: (error) => assert.fail(String(error)),
        });
      }
      const first = (): void => until(environment, () => false, 'the handler throws');
      assert.throws(first, /the first/);
      until(environment, () => opened.length === 2 && clients.length === 3, 'the next comes');
      turnOn(environment);
      assert.deepEqual([opened.length, most], [2, 1]);
      for (const connection of [...opened, ...clients]) connection.close();
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a listener that is closed leaves its connections alone',
    laws: [6],
    run: inEnvironment((environment) => {
      let server: Connection | null = null;
      let client: Connection | null = null;
      let echoed = '';
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        handlers: {
          open: (connection) => (server = connection),
          data: (connection, chunk) => connection.write(chunk),
        },
      });
      environment.loop.connect({
        host: '127.0.0.1',
        port: portOf(listener),
        handlers: {
          open: (connection) => (client = connection),
          data: (_, chunk) => (echoed += Buffer.from(chunk).toString()),
        },
      });
      until(environment, () => server !== null && client !== null, 'both ends are open');
      listener.close();
      turnOn(environment);
      (client as Connection | null)?.write(Buffer.from('still here'));
      until(environment, () => echoed === 'still here', 'the echo is there');
      (client as Connection | null)?.close();
      (server as Connection | null)?.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'out of descriptors: clients are turned away or wait, nothing spins, service resumes',
    laws: [11],
    skip: (target) =>
      target.simulated
        ? null
        : 'the limit would hold for the test runner too; the tests of serve lower that of a child',
    run: (open) => {
      const environment = open({ descriptorsMax: 16 });
      try {
        const errors: unknown[] = [];
        const clients: Connection[] = [];
        let failed = 0;
        const listener = environment.loop.listen({
          host: '127.0.0.1',
          port: 0,
          handlers: { data: (connection, chunk) => connection.write(chunk) },
          onError: (error) => errors.push(error),
        });
        const port = portOf(listener);
        const connect = (): void => {
          environment.loop.connect({
            host: '127.0.0.1',
            port,
            handlers: { open: (connection) => clients.push(connection) },
            onError: () => (failed += 1),
          });
        };
        for (let i = 0; i < 12; i++) connect();
        until(environment, () => errors.length > 0, 'the listener has run out');
        const { turns } = environment.loop;
        turnOn(environment, 20);
        assert.ok(errors.length <= 1 + (environment.loop.turns - turns), 'it does not spin');
        for (const connection of clients.splice(0)) connection.close();
        turnOn(environment, 200);
        let answered = false;
        environment.loop.connect({
          host: '127.0.0.1',
          port,
          handlers: {
            open: (connection) => connection.write(Buffer.from('x')),
            data: (connection) => {
              answered = true;
              connection.close();
            },
          },
          onError: (error) => assert.fail(String(error)),
        });
        until(environment, () => answered, `service has resumed (${failed} were turned away)`);
      } finally {
        environment.close();
      }
    },
  },
];
