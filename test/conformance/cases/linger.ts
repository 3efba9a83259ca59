import assert from 'node:assert/strict';
import { type Case, inWorld } from '../case.ts';
import { connectedPair, type Pair, pattern, turnOn, until, type World } from '../environment.ts';

// The close that lets the peer have everything: laws 1, 2, 5 and 6.

function bytesFor(world: World): Buffer {
  return pattern(world.turnsMax > 100_000 ? 300_000 : 6_000_000);
}

function closeRest(world: World, pair: Pair): void {
  pair.client.close();
  pair.listener.close();
  until(world, () => world.openDescriptors() === 0, 'everything is closed');
}

/** A server with a long answer queued and input unread, which closes with `lingerMs`. */
function lingering(world: World, lingerMs: number, paused: boolean): Pair {
  const bytes = bytesFor(world);
  const pair = connectedPair(world, {}, { end: (connection) => connection.end() });
  pair.client.pause();
  pair.server.write(bytes);
  if (paused) pair.server.pause();
  pair.client.write(pattern(50_000));
  turnOn(world);
  pair.serverLog.events.length = 0;
  pair.server.close({ lingerMs });
  assert.equal(pair.server.isOpen, false);
  assert.equal(pair.server.write(Buffer.from('late')), false);
  return pair;
}

export const lingerCases: readonly Case[] = [
  ...[true, false].map((paused) => ({
    name: `close({ lingerMs }) of a ${paused ? 'paused' : 'reading'} end: a slow peer gets it all`,
    laws: [5, 6],
    run: inWorld((world: World) => {
      const pair = lingering(world, 60_000, paused);
      turnOn(world);
      pair.client.write(pattern(50_000));
      pair.server.close({ lingerMs: 1 });
      turnOn(world);
      pair.client.resume();
      until(world, () => pair.serverLog.events.includes('close'), 'the server has closed');
      until(world, () => pair.clientLog.events.includes('close'), 'the client has closed');
      assert.ok(pair.clientLog.received.equals(bytesFor(world)));
      assert.deepEqual([pair.clientLog.error, pair.serverLog.error], [null, null]);
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.equal(pair.server.bytesSent, bytesFor(world).length);
      assert.equal(pair.server.unacknowledgedBytes, 0);
      closeRest(world, pair);
    }),
  })),
  {
    name: 'close({ lingerMs }) over a queue that nobody takes ends in time, with ETIMEDOUT',
    laws: [1, 6],
    run: inWorld((world) => {
      const startMs = world.nowMs();
      const pair = lingering(world, 100, false);
      until(world, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.ok(world.nowMs() - startMs >= 100);
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.equal(pair.serverLog.error, 'ETIMEDOUT');
      assert.ok((pair.server.unacknowledgedBytes ?? 0) > 0);
      pair.client.resume();
      until(world, () => pair.clientLog.events.includes('close'), 'the client knows');
      assert.equal(pair.clientLog.events.includes('end'), false, 'cut short, and no end');
      closeRest(world, pair);
    }),
  },
  {
    name: 'close({ lingerMs }) of a peer that has all and stays ends in time, without an error',
    laws: [1, 6],
    run: inWorld((world) => {
      const pair = connectedPair(world);
      pair.server.write(Buffer.from('answer'));
      pair.server.close({ lingerMs: 100 });
      until(world, () => pair.clientLog.events.includes('end'), 'the end has come');
      assert.equal(pair.serverLog.events.includes('close'), false, 'it waits for its peer');
      pair.client.write(Buffer.from('more'));
      until(world, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.deepEqual(pair.serverLog.events, ['open', 'close']);
      assert.equal(pair.serverLog.error, null);
      assert.equal(pair.clientLog.received.toString(), 'answer');
      closeRest(world, pair);
    }),
  },
  {
    name: 'close() and reset() end a lingering close at once; 0 lingers not at all',
    laws: [1, 6],
    run: inWorld((world) => {
      for (const how of ['close', 'reset', 'at once'] as const) {
        const pair = connectedPair(world);
        if (how === 'at once') {
          pair.server.close({ lingerMs: 0 });
        } else {
          pair.server.close({ lingerMs: 60_000 });
          turnOn(world);
          assert.equal(pair.serverLog.events.includes('close'), false);
          pair.server[how]();
        }
        assert.throws(() => pair.server.close({ lingerMs: -1 }), RangeError);
        until(world, () => pair.serverLog.events.includes('close'), 'the server has closed');
        assert.equal(pair.serverLog.error, null);
        closeRest(world, pair);
      }
    }),
  },
  {
    name: 'a reset ends a lingering close with its error',
    laws: [1, 4],
    run: inWorld((world) => {
      const pair = lingering(world, 60_000, false);
      turnOn(world);
      pair.client.reset();
      until(world, () => pair.serverLog.events.includes('close'), 'the server knows');
      assert.deepEqual(pair.serverLog.events, ['close']);
      assert.ok(['ECONNRESET', 'EPIPE'].includes(pair.serverLog.error ?? ''));
      closeRest(world, pair);
    }),
  },
  {
    name: 'unacknowledgedBytes is what the peer has not got, and 0 once it has all',
    laws: [],
    run: inWorld((world) => {
      const bytes = bytesFor(world);
      const pair = connectedPair(world, {}, { end: () => undefined });
      assert.equal(pair.server.unacknowledgedBytes, 0);
      pair.client.pause();
      pair.server.end(bytes);
      until(world, () => pair.server.unacknowledgedBytes !== 0, 'some of it is under way');
      const before = pair.server.unacknowledgedBytes ?? -1;
      assert.ok(before > 0 && before <= pair.server.bytesSent, String(before));
      pair.client.resume();
      until(world, () => pair.clientLog.received.length === bytes.length, 'the client has it all');
      until(world, () => pair.server.unacknowledgedBytes === 0, 'and has acknowledged it');
      pair.server.close();
      closeRest(world, pair);
    }),
  },
];
