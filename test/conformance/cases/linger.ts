import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  connectedPair,
  type Environment,
  type Pair,
  pattern,
  turnOn,
  unixPath,
  until,
} from '../environment.ts';

// A close after which the peer gets all bytes: laws 1, 2, 5 and 6.

function bytesFor(environment: Environment): Buffer {
  return pattern(environment.turnsMax > 100_000 ? 300_000 : 6_000_000);
}

function closeRest(environment: Environment, pair: Pair): void {
  pair.client.close();
  pair.listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

/** Both ends close without an error, and the client has every byte. */
function untilAllTaken(environment: Environment, pair: Pair): void {
  until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
  until(environment, () => pair.clientLog.events.includes('close'), 'the client has closed');
  assert.ok(pair.clientLog.received.equals(bytesFor(environment)));
  assert.deepEqual([pair.clientLog.error, pair.serverLog.error], [null, null]);
  assert.deepEqual(pair.serverLog.events, ['close']);
  assert.equal(pair.server.bytesSent, bytesFor(environment).length);
}

/** A server with a long answer queued and input unread, which closes with `lingerMs`. */
function lingering(
  environment: Environment,
  lingerMs: number,
  paused: boolean,
  path?: string,
): Pair {
  const bytes = bytesFor(environment);
  const ending = { end: (connection: Connection) => connection.end() };
  const place = path === undefined ? undefined : { path };
  const pair = connectedPair(environment, {}, ending, place);
  pair.client.pause();
  pair.server.write(bytes);
  if (paused) pair.server.pause();
  pair.client.write(pattern(50_000));
  turnOn(environment);
  pair.serverLog.events.length = 0;
  pair.server.close({ lingerMs });
  assert.equal(pair.server.isOpen, false);
  assert.equal(pair.server.write(Buffer.from('late')), false);
  return pair;
}

// A UNIX socket that is closed over unread input resets its peer as well, and has no SIOCOUTQ.
const overUnixSockets: readonly Case[] = [
  {
    name: 'close({ lingerMs }) over a UNIX socket: a slow peer gets it all',
    laws: [5, 6],
    run: inEnvironment((environment) => {
      for (const paused of [true, false]) {
        const pair = lingering(environment, 60_000, paused, unixPath());
        turnOn(environment);
        pair.client.write(pattern(50_000));
        turnOn(environment);
        pair.client.resume();
        untilAllTaken(environment, pair);
        closeRest(environment, pair);
      }
    }),
  },
  {
    name: 'close({ lingerMs }) over a UNIX socket that nobody reads ends in time, with ETIMEDOUT',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const startMs = environment.nowMs();
      const pair = lingering(environment, 100, false, unixPath());
      until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.ok(environment.nowMs() - startMs >= 100);
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.equal(pair.serverLog.error, 'ETIMEDOUT');
      pair.client.close();
      closeRest(environment, pair);
    }),
  },
];

export const lingerCases: readonly Case[] = [
  ...overUnixSockets,
  ...[true, false].map((paused) => ({
    name: `close({ lingerMs }) of a ${paused ? 'paused' : 'reading'} end: a slow peer gets it all`,
    laws: [5, 6],
    run: inEnvironment((environment: Environment) => {
      const pair = lingering(environment, 60_000, paused);
      turnOn(environment);
      pair.client.write(pattern(50_000));
      pair.server.close({ lingerMs: 1 });
      turnOn(environment);
      pair.client.resume();
      untilAllTaken(environment, pair);
      assert.equal(pair.server.unacknowledgedBytes, 0);
      closeRest(environment, pair);
    }),
  })),
  {
    name: 'close({ lingerMs }) over a queue that nobody takes ends in time, with ETIMEDOUT',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const startMs = environment.nowMs();
      const pair = lingering(environment, 100, false);
      until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.ok(environment.nowMs() - startMs >= 100);
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.equal(pair.serverLog.error, 'ETIMEDOUT');
      assert.ok((pair.server.unacknowledgedBytes ?? 0) > 0);
      pair.client.resume();
      until(environment, () => pair.clientLog.events.includes('close'), 'the client knows');
      assert.equal(pair.clientLog.events.includes('end'), false, 'cut short, and no end');
      closeRest(environment, pair);
    }),
  },
  {
    name: 'close({ lingerMs }) of a peer that has all and stays ends in time, without an error',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.write(Buffer.from('answer'));
      pair.server.close({ lingerMs: 100 });
      until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
      assert.equal(pair.serverLog.events.includes('close'), false, 'it waits for its peer');
      pair.client.write(Buffer.from('more'));
      until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.deepEqual(pair.serverLog.events, ['open', 'close']);
      assert.equal(pair.serverLog.error, null);
      assert.equal(pair.clientLog.received.toString(), 'answer');
      closeRest(environment, pair);
    }),
  },
  {
    name: 'close() and reset() end a lingering close at once; 0 lingers not at all',
    laws: [1, 6],
    run: inEnvironment((environment) => {
      for (const how of ['close', 'reset', 'at once'] as const) {
        const pair = connectedPair(environment);
        if (how === 'at once') {
          pair.server.close({ lingerMs: 0 });
        } else {
          pair.server.close({ lingerMs: 60_000 });
          turnOn(environment);
          assert.equal(pair.serverLog.events.includes('close'), false);
          pair.server[how]();
        }
        assert.throws(() => pair.server.close({ lingerMs: -1 }), RangeError);
        until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
        assert.equal(pair.serverLog.error, null);
        closeRest(environment, pair);
      }
    }),
  },
  {
    name: 'a reset ends a lingering close with its error',
    laws: [1, 4],
    run: inEnvironment((environment) => {
      const pair = lingering(environment, 60_000, false);
      turnOn(environment);
      pair.client.reset();
      until(environment, () => pair.serverLog.events.includes('close'), 'the server knows');
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.ok(['ECONNRESET', 'EPIPE'].includes(pair.serverLog.error ?? ''));
      closeRest(environment, pair);
    }),
  },
  {
    name: 'unacknowledgedBytes is what the peer has not got, and 0 once it has all',
    laws: [],
    run: inEnvironment((environment) => {
      const bytes = bytesFor(environment);
      const pair = connectedPair(environment, {}, { end: () => undefined });
      assert.equal(pair.server.unacknowledgedBytes, 0);
      pair.client.pause();
      pair.server.end(bytes);
      until(environment, () => pair.server.unacknowledgedBytes !== 0, 'some of it is under way');
      const before = pair.server.unacknowledgedBytes ?? -1;
      assert.ok(before > 0 && before <= pair.server.bytesSent, String(before));
      pair.client.resume();
      until(
        environment,
        () => pair.clientLog.received.length === bytes.length,
        'the client has it all',
      );
      until(environment, () => pair.server.unacknowledgedBytes === 0, 'and has acknowledged it');
      pair.server.close();
      closeRest(environment, pair);
    }),
  },
];
