import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
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

// Chunks that are the program's own: the default.

/** Lengths around the limits of the slabs, of what is copied to be sent, and of a buffer. */
const LENGTHS = [1, 64, 65, 1024, 1025, 4096, 4097, 16_384, 16_385, 65_536, 150_000];

const flipLast = (bytes: Uint8Array, end = bytes.length): void => {
  bytes[end - 1] = (bytes[end - 1] ?? 0) ^ 0x55;
};

/** Of the chunks: right, in order, and nothing after them. */
function assertCame(chunks: readonly Uint8Array[], sent: Uint8Array): void {
  assert.ok(Buffer.concat(chunks).equals(sent), `${sent.length} bytes as they were sent`);
}

/** A server that keeps its chunks, and a client that has sent `bytes`. */
function keptFrom(environment: Environment, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const pair = connectedPair(environment, { data: (_, chunk) => void chunks.push(chunk) });
  pair.client.write(bytes);
  until(environment, () => pair.server.bytesReceived === bytes.length, 'all of it has come');
  closePair(environment, pair);
  return chunks;
}

export const ownedChunkCases: readonly Case[] = [
  {
    name: 'a chunk is the program\u2019s own: kept, it is never written to again',
    laws: [5],
    run: inEnvironment((environment) => {
      const kept = LENGTHS.map((length) => {
        const bytes = pattern(length, length);
        return { bytes, chunks: keptFrom(environment, bytes) };
      });
      // Each of them was received into the memory of those before it.
      for (const { bytes, chunks } of kept) assertCame(chunks, bytes);
      const all = kept.flatMap(({ chunks }) => chunks);
      for (const chunk of all) chunk.fill(0xff);
      for (const [index, chunk] of all.entries()) {
        chunk.fill(index & 0xff);
        const next = all[index + 1];
        if (next !== undefined)
          assert.ok(
            next.every((byte) => byte === 0xff),
            'no two overlap',
          );
      }
    }),
  },
  {
    name: 'an async handler has its chunk behind every await, and can write it then',
    laws: [5],
    run: async (open) => {
      const environment = open();
      try {
        const { loop } = environment;
        let clients = 4;
        // By connection: chunks that are not written yet. Beyond them nothing is to be awaited.
        const awaited = new Map<object, Promise<void>>();
        const listener = loop.listen({
          host: '127.0.0.1',
          port: 0,
          handlers: {
            data: (connection, chunk) => {
              const handled = (async () => {
                await null;
                await new Promise<void>((resolve) => void loop.setTimer(2, resolve));
                connection.write(chunk);
              })();
              const earlier = awaited.get(connection);
              awaited.set(
                connection,
                earlier === undefined ? handled : earlier.then(() => handled),
              );
              return handled;
            },
            end: async (connection) => {
              await awaited.get(connection);
              connection.end();
            },
            close: () => {
              clients -= 1;
              if (clients === 0) listener.close();
            },
          },
        });
        const echoed = ['', '', '', ''];
        for (const client of echoed.keys()) {
          loop.connect({
            host: '127.0.0.1',
            port: portOf(listener),
            handlers: {
              open: (connection) => connection.end(String(client).repeat(500)),
              data: (_, chunk) => {
                echoed[client] += Buffer.from(chunk).toString();
              },
            },
          });
        }
        await loop.run();
        assert.deepEqual(
          echoed,
          echoed.map((_, client) => String(client).repeat(500)),
        );
      } finally {
        environment.close();
      }
    },
  },
  {
    name: 'a chunk that was held during a pause is the program\u2019s own as well',
    laws: [5],
    run: inEnvironment((environment) => {
      const chunks: Uint8Array[] = [];
      const pair = connectedPair(environment, { data: (_, chunk) => void chunks.push(chunk) });
      const bytes = pattern(5000);
      pair.client.write(bytes.subarray(0, 1000));
      // Paused with a receive under way, or with bytes in the socket.
      environment.turn();
      pair.server.pause();
      turnOn(environment, 20);
      pair.client.write(bytes.subarray(1000));
      turnOn(environment, 20);
      pair.server.resume();
      until(environment, () => pair.server.bytesReceived === bytes.length, 'all of it has come');
      pair.client.write(pattern(5000, 2));
      until(environment, () => pair.server.bytesReceived === 10_000, 'and more');
      assertCame(chunks, Buffer.concat([bytes, pattern(5000, 2)]));
      closePair(environment, pair);
    }),
  },
  {
    name: 'a chunk is sent as it is when it is written: echoed, changed before, changed after',
    laws: [5],
    run: inEnvironment((environment) => {
      const change: Readonly<Record<string, (connection: Connection, chunk: Uint8Array) => void>> =
        {
          echoed: (connection, chunk) => connection.write(chunk),
          'changed before': (connection, chunk) => {
            flipLast(chunk);
            connection.write(chunk);
            flipLast(chunk);
          },
          'changed after': (connection, chunk) => {
            connection.write(chunk);
            chunk.fill(0);
          },
          'changed in between': (connection, chunk) => {
            const half = chunk.length >> 1;
            connection.write(chunk, 0, half);
            chunk.fill(0, 0, half);
            connection.write(chunk, half);
            chunk.fill(0);
          },
        };
      for (const [way, data] of Object.entries(change)) {
        for (const length of LENGTHS) {
          const bytes = pattern(length, 7);
          const seen: number[] = [];
          const pair = connectedPair(environment, {
            data: (connection, chunk) => {
              seen.push(chunk.length);
              data(connection, chunk);
            },
          });
          pair.client.write(bytes);
          const echoed = (): boolean => pair.clientLog.received.length === length;
          until(environment, echoed, `it is ${way}`);
          const wanted = Buffer.from(bytes);
          let at = 0;
          for (const size of way === 'changed before' ? seen : []) {
            at += size;
            flipLast(wanted, at);
          }
          assert.ok(pair.clientLog.received.equals(wanted), `${length} bytes, ${way}`);
          closePair(environment, pair);
        }
      }
    }),
  },
];
