import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, heavyCallByCall, inEnvironment } from '../case.ts';
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

// Bursts, and calls in an unusual order: laws 1, 2, 5, 6, 8 and 12.

/** Connects `count` clients to a listener that echoes, and turns until all of them are open. */
function crowd(environment: Environment, count: number) {
  const clients: Connection<string>[] = [];
  const opened: Connection[] = [];
  const listener = environment.loop.listen({
    host: '127.0.0.1',
    port: 0,
    backlog: count,
    handlers: {
      open: (connection) => opened.push(connection),
      data: (connection, chunk) => connection.write(chunk),
    },
  });
  for (let i = 0; i < count; i++) {
    environment.loop.connect<string>({
      host: '127.0.0.1',
      port: portOf(listener),
      handlers: {
        open: (connection) => {
          connection.data = '';
          clients.push(connection);
        },
        data: (connection, chunk) => {
          connection.data += Buffer.from(chunk).toString();
        },
      },
      onError: (error) => assert.fail(String(error)),
    });
  }
  until(environment, () => clients.length === count && opened.length === count, 'all are open');
  return { clients, opened, listener };
}

/** Three rounds in which each of `count` clients sends its own bytes. */
function allTalk(environment: Environment, count: number): void {
  const { clients, opened, listener } = crowd(environment, count);
  for (let round = 1; round <= 3; round++) {
    for (const [index, client] of clients.entries()) client.write(Buffer.from(`${index},`));
    const echoed = (): boolean =>
      clients.every(({ data }, index) => data === `${index},`.repeat(round));
    until(environment, echoed, 'each has its own words back');
  }
  for (const connection of [...clients, ...opened]) connection.close();
  listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

/** Pieces of all sizes, below and above the limit of copying, and their concatenation. */
function pieces(): { readonly list: readonly Buffer[]; readonly whole: Buffer } {
  const sizes = [1, 10, 20_000, 3, 70_000, 16_384, 16_385, 1, 40_000, 2, 2, 9000];
  const list = sizes.map((size, index) => pattern(size, index + 1));
  return { list, whole: Buffer.concat(list) };
}

/** A pair whose server has more to send than its client takes. */
function stuckPair(environment: Environment): Pair {
  const pair = connectedPair(environment);
  pair.client.pause();
  pair.server.write(pattern(8 * 1024 * 1024));
  turnOn(environment);
  assert.ok(pair.server.queuedBytes > 0, 'it is stuck');
  return pair;
}

export const burstCases: readonly Case[] = [
  {
    name: '600 connections that all talk in one turn are all answered',
    laws: [5, 8, 12],
    skip: (target) => {
      if (target.simulated) return 'a simulated kernel takes long for them; 60 are a case';
      if (target.name === 'select') return 'it holds fewer descriptors; 60 are a case';
      return heavyCallByCall(target, '60 are a case');
    },
    run: inEnvironment((environment) => allTalk(environment, 600)),
  },
  {
    name: '60 connections that all talk in one turn are all answered',
    laws: [5, 8],
    run: inEnvironment((environment) => allTalk(environment, 60)),
  },
  {
    name: 'pieces of all sizes, written in one turn, arrive in order',
    laws: [5],
    run: inEnvironment((environment) => {
      const { list, whole } = pieces();
      const pair = connectedPair(environment);
      for (const piece of list) pair.client.write(piece);
      until(environment, () => pair.serverLog.received.length === whole.length, 'all has arrived');
      assert.ok(pair.serverLog.received.equals(whole));
      closePair(environment, pair);
    }),
  },
  {
    name: 'an answer that is part chunk, part other bytes, arrives in order',
    laws: [5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment, {
        data: (connection, chunk) => {
          connection.write(Buffer.from('<'));
          connection.write(chunk, 0, 1);
          connection.write(chunk, 1);
          connection.write(Buffer.from('|'));
          connection.write(chunk.subarray(1, 3));
          connection.write(Buffer.from('>'));
        },
      });
      pair.client.write(Buffer.from('hello'));
      const answer = '<hello|el>';
      until(
        environment,
        () => pair.clientLog.received.length >= answer.length,
        'the answer is there',
      );
      // The bytes may have come in pieces, each with its own answer.
      const { received } = pair.clientLog;
      assert.match(received.toString(), /^<h/);
      if (received.length === answer.length) assert.equal(received.toString(), answer);
      closePair(environment, pair);
    }),
  },
  {
    name: "a buffer is the caller's again when write() has returned",
    laws: [5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      const expected: Buffer[] = [];
      const bytes = Buffer.alloc(50_000);
      for (const length of [1, 100, 20_000, 5, 50_000]) {
        bytes.fill(length);
        expected.push(Buffer.from(bytes.subarray(0, length)));
        pair.client.write(bytes, 0, length);
      }
      bytes.fill(0);
      const whole = Buffer.concat(expected);
      until(environment, () => pair.serverLog.received.length === whole.length, 'all has arrived');
      assert.ok(pair.serverLog.received.equals(whole));
      closePair(environment, pair);
    }),
  },
  {
    name: 'what fits into the socket is not lost by a close() right behind write()',
    laws: [5, 6],
    skip: (target) =>
      target.name === 'sim completions' ? 'there every send completes late, and is dropped' : null,
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment, {
        data: (connection, chunk) => {
          connection.write(chunk);
          connection.close();
        },
      });
      pair.client.write(Buffer.from('x'));
      until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
      assert.equal(pair.clientLog.received.toString(), 'x');
      assert.equal(pair.serverLog.error, null);
      pair.client.close();
      pair.listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'what came while it was paused is told in order, the end behind it',
    laws: [4, 5],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? 20_000 : 300_000);
      const pair = connectedPair(environment);
      pair.server.pause();
      pair.client.write(bytes.subarray(0, 100));
      turnOn(environment);
      pair.client.write(bytes.subarray(100));
      pair.client.end();
      turnOn(environment);
      assert.deepEqual(pair.serverLog.events, ['open']);
      pair.server.resume();
      until(environment, () => pair.serverLog.events.includes('end'), 'the end has come');
      assert.deepEqual(pair.serverLog.events, ['open', 'data', 'end']);
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'pause() and resume() at every chunk lose nothing',
    laws: [5],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? 30_000 : 1_000_000);
      let chunks = 0;
      const pair = connectedPair(environment, {
        data: (connection) => {
          chunks += 1;
          connection.pause();
          if (chunks % 3 === 0) connection.resume();
          else if (chunks % 3 === 1) environment.loop.setTimer(1, () => connection.resume());
          else environment.loop.defer(() => connection.resume());
        },
      });
      pair.client.write(bytes);
      pair.client.end();
      until(environment, () => pair.serverLog.events.includes('end'), 'the end has come');
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'close() of a connection whose output is stuck is done at once',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const pair = stuckPair(environment);
      pair.server.close();
      until(environment, () => pair.serverLog.events.includes('close'), 'it has closed');
      assert.equal(pair.serverLog.error, null);
      assert.equal(pair.server.queuedBytes, 0);
      pair.client.close();
      pair.listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a loop that is closed in the middle of everything leaves no descriptor open',
    laws: [1, 6],
    run: (open) => {
      const environment = open();
      const pair = stuckPair(environment);
      const { clients, listener } = crowd(environment, 20);
      for (const client of clients) client.write(Buffer.from('x'));
      environment.loop.connect({ host: '127.0.0.1', port: portOf(listener), handlers: {} });
      pair.client.resume();
      let closed = false;
      clients[0]?.write(Buffer.from('y'));
      environment.loop.defer(() => {
        closed = true;
        environment.close();
      });
      environment.turn();
      assert.ok(closed);
      assert.ok(environment.openDescriptors() <= 0);
    },
  },
];
