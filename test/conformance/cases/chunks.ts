import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  closePair,
  connectedPair,
  type Environment,
  type Pair,
  turnOn,
  until,
} from '../environment.ts';

// What may be written: a borrowed chunk only while its handler runs, other bytes at any time.

/** Chunks that are views of receive memory. */
const BORROWED = { chunks: 'borrowed' } as const;

const STALE = /cannot write: the bytes are a received chunk whose handler has returned/;

/** Every way to hold on to `chunk` without copying it. */
function kept(chunk: Uint8Array): (string | ArrayBufferView)[] {
  const { buffer, byteOffset, length } = chunk;
  return [
    chunk,
    chunk.subarray(1),
    Buffer.from(buffer, byteOffset, length),
    new DataView(buffer, byteOffset + 1, length - 1),
    new Uint8Array(buffer),
  ];
}

function refusesAll(connection: Connection, views: readonly (string | ArrayBufferView)[]): void {
  for (const view of views) {
    assert.throws(() => connection.write(view), { name: 'Error', message: STALE });
    assert.throws(() => connection.end(view), { name: 'Error', message: STALE });
  }
  assert.equal(connection.write(new Uint8Array(0)), true, 'the connection goes on');
}

/** A pair whose server has kept the chunks it got, in every way. */
function keepingPair(
  environment: Environment,
): Pair & { readonly views: (string | ArrayBufferView)[] } {
  const views: (string | ArrayBufferView)[] = [];
  const data = (_: Connection, chunk: Uint8Array): unknown => views.push(...kept(chunk));
  const pair = connectedPair(environment, { data }, {}, undefined, BORROWED);
  return { ...pair, views };
}

export const chunkCases: readonly Case[] = [
  {
    name: 'a borrowed chunk is refused by write() and end() once its handler has returned',
    laws: [4],
    run: inEnvironment((environment) => {
      for (const length of [2, 60, 200]) {
        const pair = keepingPair(environment);
        pair.client.write(new Uint8Array(length).fill(7));
        until(environment, () => pair.views.length > 0, 'it has come');
        refusesAll(pair.server, pair.views);
        let refused = 0;
        environment.loop.setTimer(0, () => {
          refusesAll(pair.server, pair.views);
          refused += 1;
        });
        environment.loop.defer(() => {
          refusesAll(pair.client, pair.views);
          refused += 1;
        });
        until(environment, () => refused === 2, 'a timer and a task have run');
        turnOn(environment);
        assert.equal(pair.clientLog.received.length, 0, 'nothing of it was sent');
        closePair(environment, pair);
      }
    }),
  },
  {
    name: 'a borrowed chunk is refused in the rest of an async handler, for every client',
    laws: [4],
    run: async (open) => {
      const environment = open();
      try {
        const refusals: string[] = [];
        const listener = environment.loop.listen({
          host: '127.0.0.1',
          port: 0,
          ...BORROWED,
          handlers: {
            data: async (connection, chunk) => {
              await null;
              try {
                connection.write(chunk);
              } catch (error) {
                refusals.push(error instanceof Error ? error.message : String(error));
              }
              connection.close();
              if (refusals.length === 4) listener.close();
            },
          },
        });
        assert.ok(listener.address.family === 'IPv4');
        const { port } = listener.address;
        let received = 0;
        for (const text of ['aaaa', 'bbbb', 'cccc', 'dddd']) {
          environment.loop.connect({
            host: '127.0.0.1',
            port,
            handlers: {
              open: (connection) => connection.write(text),
              data: (_, chunk) => (received += chunk.length),
            },
          });
        }
        await environment.loop.run();
        assert.equal(refusals.length, 4);
        for (const message of refusals) assert.match(message, STALE);
        assert.equal(received, 0, 'nobody got the bytes of another one');
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'a borrowed chunk that was held during a pause is refused later as well',
    laws: [4],
    run: inEnvironment((environment) => {
      const pair = keepingPair(environment);
      pair.server.pause();
      turnOn(environment);
      pair.client.write('while it was paused');
      turnOn(environment, 20);
      assert.deepEqual(pair.views, []);
      pair.server.resume();
      until(environment, () => pair.views.length > 0, 'it has come');
      turnOn(environment);
      refusesAll(pair.server, pair.views);
      closePair(environment, pair);
    }),
  },
  {
    name: 'an old borrowed chunk is refused in a later handler unless it lies in the new chunk',
    laws: [4],
    run: inEnvironment((environment) => {
      const old: Uint8Array[] = [];
      let refused = 0;
      const data = (connection: Connection, chunk: Uint8Array): void => {
        const [first] = old;
        old.push(chunk);
        if (first === undefined || chunk.length >= first.length) return;
        assert.throws(() => connection.write(first), { message: STALE });
        refused += 1;
      };
      const pair = connectedPair(environment, { data }, {}, undefined, BORROWED);
      const gotBytes = (): number => old.reduce((sum, chunk) => sum + chunk.length, 0);
      pair.client.write(new Uint8Array(300));
      until(environment, () => gotBytes() === 300, 'the first have come');
      // Only a chunk shorter than the first one shows it; a simulated kernel cuts at random.
      for (let i = 0; i < 20 && refused === 0; i++) {
        const before = gotBytes();
        pair.client.write(new Uint8Array(1));
        until(environment, () => gotBytes() > before, 'the next one has come');
        if ((old[0]?.length ?? 0) === 1) break;
      }
      assert.ok(refused > 0 || old[0]?.length === 1);
      closePair(environment, pair);
    }),
  },
  {
    name: 'within its handler a borrowed chunk and every part of it can be written anywhere',
    laws: [4],
    run: inEnvironment((environment) => {
      let other: Connection | null = null;
      const out = connectedPair(environment, { open: (connection) => (other = connection) });
      const data = (connection: Connection, chunk: Uint8Array): void => {
        connection.write(chunk);
        for (const at of chunk.keys()) {
          other?.write(chunk.subarray(at, at + 1));
          other?.write(chunk, at, 1);
          other?.write(new Uint8Array(chunk.buffer), chunk.byteOffset + at, 1);
          other?.write(new DataView(chunk.buffer, chunk.byteOffset + at, 1));
        }
      };
      const pair = connectedPair(environment, { data }, {}, undefined, BORROWED);
      pair.client.write('echo');
      until(environment, () => pair.clientLog.received.length === 4, 'the echo is there');
      until(environment, () => out.clientLog.received.length === 16, 'the copies are there');
      assert.equal(pair.clientLog.received.toString(), 'echo');
      assert.equal(out.clientLog.received.toString(), 'eeeecccchhhhoooo');
      closePair(environment, pair);
      closePair(environment, out);
    }),
  },
  {
    name: 'write() and end() take strings as UTF-8 and every view as the bytes that it covers',
    laws: [5],
    run: inEnvironment((environment) => {
      const memory = new ArrayBuffer(16);
      new Uint8Array(memory).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
      const shared = new Uint8Array(new SharedArrayBuffer(4));
      shared.set([21, 22, 23, 24]);
      const pair = connectedPair(environment);
      const { client } = pair;
      client.write('h\u00e9llo \u{1f600}\n');
      client.write('');
      client.write('abcdef', 2, 3);
      client.write('\u00e9', 1);
      client.write(new Uint16Array(memory, 0, 3));
      client.write(new Uint16Array(memory, 2, 3), 1, 4);
      client.write(new DataView(memory, 4, 5));
      client.write(new Float64Array(memory, 8, 1));
      client.write(shared);
      client.end(new Uint32Array(memory, 12, 1));
      const wanted = Buffer.concat([
        Buffer.from('h\u00e9llo \u{1f600}\ncde'),
        Buffer.from([0xa9]),
        Buffer.from([1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 5, 6, 7, 8, 9]),
        Buffer.from([9, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 13, 14, 15, 16]),
      ]);
      until(environment, () => pair.serverLog.events.includes('end'), 'all of it has come');
      assert.deepEqual(pair.serverLog.received, wanted);
      assert.equal(client.bytesSent, wanted.length);
      closePair(environment, pair);
    }),
  },
  {
    name: 'write() and end() refuse what is no bytes and ranges that are none, and take nothing',
    laws: [5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      const { client } = pair;
      const none = [undefined, null, 5, 5n, true, {}, [1, 2], new ArrayBuffer(4), () => 'x'];
      for (const value of [...none, new SharedArrayBuffer(4), { length: 3 }, new Date()]) {
        const data = value as string;
        assert.throws(() => client.write(data), { name: 'TypeError', message: /^bytes are a/ });
        if (data !== undefined) assert.throws(() => client.end(data), TypeError);
      }
      const ranges: readonly (readonly [unknown, unknown?])[] = [
        [-1],
        [5],
        [0.5],
        [Number.NaN],
        [Number.POSITIVE_INFINITY],
        ['1'],
        [null],
        [0, 5],
        [1, 4],
        [0, -1],
        [0, 1.5],
        [0, Number.NaN],
        [0, '2'],
        [0, null],
      ];
      for (const [offset, length] of ranges) {
        const range = [offset, length] as [number, number];
        assert.throws(() => client.write('four', ...range), RangeError);
        assert.throws(() => client.write(new Uint16Array(2), ...range), RangeError);
      }
      client.end('done');
      until(environment, () => pair.serverLog.events.includes('end'), 'the rest has come');
      assert.equal(pair.serverLog.received.toString(), 'done');
      assert.equal(client.bytesSent, 4);
      closePair(environment, pair);
    }),
  },
];
