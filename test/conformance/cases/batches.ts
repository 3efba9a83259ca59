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

// Connections that are ready in the same turn, whose calls are made together: what the handler of
// one does to the others holds, though their bytes may have been received already.

/** Pairs whose clients have all written `bytes`; the first server that hears of it calls `act`. */
function firstActs(
  environment: Environment,
  bytes: Buffer,
  act: (servers: readonly Connection[]) => void,
): readonly Pair[] {
  let acted = false;
  const data = (): void => {
    if (acted) return;
    acted = true;
    act(pairs.map(({ server }) => server));
  };
  const pairs: readonly Pair[] = Array.from({ length: 12 }, () =>
    connectedPair(environment, { data }),
  );
  for (const { client } of pairs) client.write(bytes);
  until(environment, () => acted, 'one was heard');
  turnOn(environment, 10);
  return pairs;
}

const heard = ({ serverLog }: Pair): boolean => serverLog.events.includes('data');

/** Closes what is left, and turns until nothing is open. */
function closeAll(environment: Environment, pairs: readonly Pair[]): void {
  for (const { client, server, listener } of pairs) {
    client.close();
    server.close();
    listener.close();
  }
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

function endsAll(name: 'close' | 'reset'): Case {
  return {
    name: `${name}() of all that are ready in a turn, by the first of them`,
    laws: [1, 6, 7],
    run: inEnvironment((environment) => {
      const pairs = firstActs(environment, Buffer.from('x'), (servers) => {
        for (const server of servers) server[name]();
      });
      assert.equal(pairs.filter(heard).length, 1, 'no other is heard any more');
      for (const { serverLog } of pairs) {
        assert.deepEqual(
          serverLog.events.filter((event) => event !== 'data'),
          ['open', 'close'],
        );
        assert.equal(serverLog.error, null);
      }
      const told = ({ clientLog }: Pair): boolean =>
        clientLog.events.includes('end') || clientLog.events.includes('close');
      until(environment, () => pairs.every(told), 'the clients know');
      closeAll(environment, pairs);
    }),
  };
}

/** Sends `bytes` on every connection while the servers are paused, and resumes them all. */
function resumedTogether(environment: Environment, count: number, bytes: Buffer) {
  const heardBytes: number[] = new Array(count).fill(0);
  const times: number[] = new Array(count).fill(0);
  let busiest = 0;
  const pairs = Array.from({ length: count }, (_, index) =>
    connectedPair(environment, {
      data: (_connection, chunk) => {
        heardBytes[index] = (heardBytes[index] ?? 0) + chunk.length;
        times[index] = (times[index] ?? 0) + 1;
        // How often another was heard before this one was heard for the first time.
        if (times[index] === 1) busiest = Math.max(busiest, ...times);
      },
    }),
  );
  for (const { server } of pairs) server.pause();
  for (const { client } of pairs) client.write(bytes);
  turnOn(environment, 50);
  assert.equal(busiest, 0);
  for (const { server } of pairs) server.resume();
  until(environment, () => heardBytes.every((sum) => sum === bytes.length), 'all are heard');
  return { pairs, busiest };
}

export const batchCases: readonly Case[] = [
  endsAll('close'),
  endsAll('reset'),
  {
    name: 'pause() of all that are ready in a turn, by the first of them',
    laws: [2, 5],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? 5000 : 100_000);
      const pairs = firstActs(environment, bytes, (servers) => {
        for (const server of servers) server.pause();
      });
      assert.equal(pairs.filter(heard).length, 1, 'no other is heard');
      for (const { server } of pairs) server.resume();
      const come = ({ serverLog }: Pair): boolean => serverLog.received.length === bytes.length;
      until(environment, () => pairs.every(come), 'all has come');
      for (const { serverLog } of pairs) assert.ok(serverLog.received.equals(bytes));
      for (const pair of pairs) closePair(environment, pair);
    }),
  },
  {
    name: 'more ready at once than one call receives from: each is heard before one is thrice',
    laws: [8],
    skip: ({ name }) => {
      if (name === 'io_uring') return 'a multishot receive takes up to 256 KiB of each at a time';
      return name === 'sim completions' ? 'there completions come late, in any order' : null;
    },
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? 2000 : 150_000);
      const { pairs, busiest } = resumedTogether(environment, 80, bytes);
      assert.ok(busiest <= 2, `one was heard ${busiest} times before another at all`);
      closeAll(environment, pairs);
    }),
  },
  {
    name: 'out of descriptors in the middle of a burst of accepts: those before it are served',
    laws: [1, 11],
    skip: (target) =>
      target.simulated
        ? null
        : 'the limit would hold for the test runner too; the tests of lists lower it for a call',
    run: (open) => {
      const environment = open({ descriptorsMax: 70 });
      try {
        const errors: unknown[] = [];
        const clients: Connection[] = [];
        let [accepted, answered] = [0, 0];
        const listener = environment.loop.listen({
          host: '127.0.0.1',
          port: 0,
          backlog: 100,
          handlers: {
            open: () => (accepted += 1),
            data: (connection, chunk) => connection.write(chunk),
          },
          onError: (error) => errors.push(error),
        });
        const connect = (): void => {
          environment.loop.connect({
            host: '127.0.0.1',
            port: portOf(listener),
            handlers: {
              open: (connection) => {
                clients.push(connection);
                connection.write(Buffer.from('x'));
              },
              data: () => (answered += 1),
            },
            onError: () => undefined,
          });
        };
        for (let client = 0; client < 45; client++) connect();
        until(environment, () => errors.length > 0, 'the listener has run out');
        assert.ok(accepted > 10, `${accepted} were accepted`);
        until(environment, () => answered === accepted, 'all that were accepted are served');
        for (const connection of clients.splice(0)) connection.close();
        turnOn(environment, 500);
        const before = answered;
        connect();
        until(environment, () => answered > before, 'service has resumed');
      } finally {
        environment.close();
      }
    },
  },
];
