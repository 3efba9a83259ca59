import assert from 'node:assert/strict';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import { type Case, heavyCallByCall, inEnvironment } from '../case.ts';
import { closeAll, open } from '../datagram-sockets.ts';
import {
  closePair,
  connectedPair,
  type Environment,
  pattern,
  portOf,
  until,
} from '../environment.ts';

// What one turn does at most: law 8. The numbers are those of src/loop/limits.ts, written out: a
// test that reads them there would not see them change.

/** How much of `count()` each turn adds until `done`. */
function perTurn(environment: Environment, count: () => number, done: () => boolean): number[] {
  const added: number[] = [];
  until(
    {
      ...environment,
      turn: () => {
        const before = count();
        environment.turn();
        added.push(count() - before);
      },
    },
    done,
    'all is done',
  );
  return added;
}

/** Sockets that are connected to a port, or will be, and belong to nobody. */
function rawClients({ loop: { sys } }: Environment, port: number, count: number): number[] {
  const { AF_INET, SOCK_STREAM, F_SETFL, O_NONBLOCK } = sys.abi.constants;
  const address = new Uint8Array(SOCKADDR_BYTES_MAX);
  const to = { family: 'IPv4', address: '127.0.0.1', port } as const;
  const length = encodeSockaddr(sys.abi, to, address);
  return Array.from({ length: count }, () => {
    const fd = sys.socket(AF_INET, SOCK_STREAM, 0);
    assert.ok(fd >= 0);
    sys.fcntl(fd, F_SETFL, O_NONBLOCK);
    sys.connect(fd, address, length);
    return fd;
  });
}

export const budgetCases: readonly Case[] = [
  {
    name: 'a turn accepts 32 connections at most, and so many where more wait',
    laws: [8],
    skip: (target) => {
      if (target.name === 'io_uring') return 'a multishot accept brings all that wait at once';
      return heavyCallByCall(target, 'test/loop/readiness/budgets.test.ts counts the calls');
    },
    run: inEnvironment((environment) => {
      let opened = 0;
      const listener = environment.loop.listen({
        host: '127.0.0.1',
        port: 0,
        backlog: 511,
        handlers: { open: () => (opened += 1) },
      });
      const fds = rawClients(environment, portOf(listener), 400);
      const counts = perTurn(
        environment,
        () => opened,
        () => opened === fds.length,
      );
      assert.equal(Math.max(...counts), 32, `${counts}`);
      for (const fd of fds) environment.loop.sys.close(fd);
      for (const connection of [...listener, listener]) connection.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a turn receives once from a connection, whatever has come',
    laws: [8],
    skip: ({ name }) => {
      if (name.endsWith('io_uring')) return 'a multishot receive takes up to 256 KiB at a time';
      return name === 'sim completions' ? 'there completions come late, in any order' : null;
    },
    run: inEnvironment((environment) => {
      let chunks = 0;
      const pair = connectedPair(environment, {
        data: () => {
          chunks += 1;
        },
      });
      const bytes = pattern(300_000);
      pair.server.pause();
      pair.client.write(bytes);
      for (let turn = 0; turn < 50; turn += 1) environment.turn();
      assert.equal(chunks, 0);
      pair.server.resume();
      const counts = perTurn(
        environment,
        () => chunks,
        () => pair.serverLog.received.length === bytes.length,
      );
      assert.equal(Math.max(...counts), 1, `${counts}`);
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'a turn runs 1024 tasks, and those behind them in the next ones, in order',
    laws: [8],
    run: inEnvironment((environment) => {
      const ran: number[] = [];
      for (let task = 0; task < 2500; task += 1) environment.loop.defer(() => ran.push(task));
      const counts = perTurn(
        environment,
        () => ran.length,
        () => ran.length === 2500,
      );
      assert.deepEqual(counts, [1024, 1024, 452]);
      assert.deepEqual(ran, [...ran.keys()]);
    }),
  },
  {
    name: 'a turn receives datagrams four times, each time up to four times as many',
    laws: [8, 'D7'],
    skip: ({ name }) =>
      name === 'sim completions' ? 'there completions come late, in any order' : null,
    run: inEnvironment((environment) => {
      const batches: number[] = [];
      const server = open(environment, {
        receiveBufferBytes: 1 << 20,
        handlers: { datagrams: (_, batch) => void batches.push(batch.length) },
      });
      const client = open(environment);
      server.socket.pause();
      const numbers = Array.from({ length: 200 }, (_, index) => `${index}`);
      assert.equal(client.socket.sendMany(numbers, { to: server.to }), 200);
      for (let turn = 0; turn < 50; turn += 1) environment.turn();
      server.socket.resume();
      const counts = perTurn(
        environment,
        () => server.texts.length,
        () => server.texts.length === 200,
      );
      assert.deepEqual(
        counts.filter((count) => count > 0),
        [4 + 16 + 64 + 64, 52],
      );
      assert.deepEqual(batches, [4, 16, 64, 64, 52]);
      assert.deepEqual(server.texts, numbers);
      closeAll(environment, server, client);
    }),
  },
];
