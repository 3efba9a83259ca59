import assert from 'node:assert/strict';
import { type Case, heavyCallByCall, inEnvironment } from '../case.ts';
import { closePair, connectedPair, pattern, turnOn, until } from '../environment.ts';

// Bytes: laws 3, 4, 5, 8 and 12.

/** More than any socket buffer holds, so that sends fall short. */
const LONG_BYTES = 2 * 1024 * 1024;

/** The bytes that a simulated kernel moves in reasonable time. */
const LONG_SIMULATED_BYTES = 64 * 1024;

/** Behind a reader that does not read. */
const QUEUED_BYTES = 64 * 1024 * 1024;

export const streamCases: readonly Case[] = [
  {
    name: 'a message goes out and its echo comes back',
    laws: [1, 5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment, {
        data: (connection, chunk) => connection.write(chunk),
      });
      pair.client.write(Buffer.from('hello\n'));
      until(environment, () => pair.clientLog.received.length === 6, 'the echo is there');
      assert.equal(pair.clientLog.received.toString(), 'hello\n');
      closePair(environment, pair);
    }),
  },
  {
    name: 'bytes arrive in order, none twice, none lost, both ways at once',
    laws: [4, 5, 12],
    run: inEnvironment((environment) => {
      const bytes = environment.turnsMax > 100_000 ? LONG_SIMULATED_BYTES : LONG_BYTES;
      const [out, back] = [pattern(bytes, 1), pattern(bytes, 2)];
      const pair = connectedPair(environment);
      pair.client.write(out);
      pair.server.write(back);
      const { serverLog, clientLog } = pair;
      until(
        environment,
        () => serverLog.received.length === bytes && clientLog.received.length === bytes,
        'all has arrived',
      );
      assert.ok(serverLog.received.equals(out), 'what the server got is what was sent');
      assert.ok(clientLog.received.equals(back), 'what the client got is what was sent');
      closePair(environment, pair);
    }),
  },
  {
    name: 'a chunk has at least one byte, and is borrowed until the handler returns',
    laws: [4],
    run: inEnvironment((environment) => {
      let smallest = Number.POSITIVE_INFINITY;
      const pair = connectedPair(environment, {
        data: (_, chunk) => {
          smallest = Math.min(smallest, chunk.length);
        },
      });
      const bytes = pattern(10_000);
      pair.client.write(bytes);
      until(environment, () => pair.serverLog.received.length === bytes.length, 'all has arrived');
      assert.ok(smallest >= 1);
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'what is queued before end() is sent before the FIN',
    laws: [5],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? LONG_SIMULATED_BYTES : LONG_BYTES);
      const pair = connectedPair(environment);
      pair.client.write(bytes);
      pair.client.end();
      until(environment, () => pair.serverLog.events.includes('end'), 'the end has come');
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'the end of a stream is delivered once',
    laws: [1, 4],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.client.end();
      until(environment, () => pair.serverLog.events.includes('end'), 'the end has come');
      turnOn(environment);
      assert.deepEqual(pair.serverLog.events, ['open', 'end']);
      closePair(environment, pair);
    }),
  },
  {
    name: 'half-close: the client ends first, the server still sends',
    laws: [4, 5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.client.write(Buffer.from('question'));
      pair.client.end();
      until(environment, () => pair.serverLog.events.includes('end'), 'the server knows');
      pair.server.write(Buffer.from('answer'));
      until(environment, () => pair.clientLog.received.length === 6, 'the answer is there');
      pair.server.end();
      const closed = (): boolean =>
        pair.clientLog.events.includes('close') && pair.serverLog.events.includes('close');
      until(environment, closed, 'both have closed by themselves');
      assert.deepEqual(pair.serverLog.events, ['open', 'data', 'end', 'close']);
      assert.deepEqual(pair.clientLog.events, ['open', 'data', 'end', 'close']);
      assert.equal(pair.clientLog.error, null);
      pair.listener.close();
    }),
  },
  {
    name: 'half-close: the server ends first, the client still sends',
    laws: [4, 5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.end();
      until(environment, () => pair.clientLog.events.includes('end'), 'the client knows');
      pair.client.write(Buffer.from('late'));
      pair.client.end();
      until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.equal(pair.serverLog.received.toString(), 'late');
      until(environment, () => pair.clientLog.events.includes('close'), 'the client has closed');
      assert.equal(pair.serverLog.error, null);
      pair.listener.close();
    }),
  },
  {
    name: 'half-close: both end at once',
    laws: [4],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.end(Buffer.from('one'));
      pair.client.end(Buffer.from('two'));
      const closed = (): boolean =>
        pair.clientLog.events.includes('close') && pair.serverLog.events.includes('close');
      until(environment, closed, 'both have closed');
      assert.equal(pair.clientLog.received.toString(), 'one');
      assert.equal(pair.serverLog.received.toString(), 'two');
      pair.listener.close();
    }),
  },
  {
    name: 'a paused connection delivers nothing, and all of it after resume()',
    laws: [5, 8],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.pause();
      const bytes = pattern(20_000);
      pair.client.write(bytes);
      turnOn(environment);
      assert.equal(pair.serverLog.received.length, 0);
      pair.server.resume();
      until(environment, () => pair.serverLog.received.length === bytes.length, 'all has arrived');
      assert.ok(pair.serverLog.received.equals(bytes));
      closePair(environment, pair);
    }),
  },
  {
    name: 'pause() inside of data() holds back what follows',
    laws: [2, 4],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment, { data: (connection) => connection.pause() });
      pair.client.write(Buffer.from('first'));
      until(environment, () => pair.serverLog.received.length > 0, 'the first piece is there');
      const had = pair.serverLog.received.length;
      pair.client.write(Buffer.from('second'));
      turnOn(environment);
      assert.equal(pair.serverLog.received.length, had);
      for (let resumed = 0; resumed < 20 && pair.serverLog.received.length < 11; resumed++) {
        pair.server.resume();
        turnOn(environment);
      }
      assert.equal(pair.serverLog.received.toString(), 'firstsecond');
      closePair(environment, pair);
    }),
  },
  {
    name: 'a slow reader: 64 MiB queued, drain() told once, every byte in order',
    laws: [5, 8, 12],
    skip: (target) =>
      target.simulated
        ? 'a simulated kernel takes minutes for 64 MiB; 64 KiB is a case'
        : heavyCallByCall(target, '64 KiB is a case'),
    run: inEnvironment((environment) => {
      const bytes = pattern(1024 * 1024);
      const pair = connectedPair(environment);
      pair.server.pause();
      let more = true;
      for (let sent = 0; sent < QUEUED_BYTES; sent += bytes.length) more = pair.client.write(bytes);
      assert.equal(more, false, 'write() says when to wait');
      assert.ok(pair.client.queuedBytes > QUEUED_BYTES / 2);
      pair.server.resume();
      let received = 0;
      let wrong = 0;
      const { serverLog } = pair;
      const take = (): void => {
        const chunk = serverLog.received;
        for (let i = 0; i < chunk.length; i += 997) {
          if (chunk[i] !== bytes[(received + i) % bytes.length]) wrong += 1;
        }
        received += chunk.length;
        serverLog.clear();
      };
      const all = (): boolean => {
        take();
        return received === QUEUED_BYTES;
      };
      until(environment, all, 'all has arrived');
      assert.equal(wrong, 0);
      assert.equal(pair.client.queuedBytes, 0);
      until(environment, () => pair.clientLog.events.includes('drain'), 'the writer is told');
      assert.equal(pair.clientLog.events.filter((event) => event === 'drain').length, 1);
      closePair(environment, pair);
    }),
  },
  {
    name: 'a busy connection does not starve a quiet one',
    laws: [8],
    run: inEnvironment((environment) => {
      const flood = connectedPair(environment, {
        data: (connection, chunk) => connection.write(chunk),
      });
      const quiet = connectedPair(environment, {
        data: (connection, chunk) => connection.write(chunk),
      });
      const piece = pattern(32 * 1024);
      const keepBusy = (): void => {
        if (flood.client.queuedBytes === 0) flood.client.write(piece);
        flood.serverLog.clear();
        flood.clientLog.clear();
      };
      keepBusy();
      turnOn(environment);
      quiet.client.write(Buffer.from('ping'));
      let turns = 0;
      until(
        environment,
        () => {
          keepBusy();
          turns += 1;
          return quiet.clientLog.received.length === 4;
        },
        'the quiet one has its echo',
      );
      assert.ok(turns < 1000, `it took ${turns} turns`);
      closePair(environment, flood);
      closePair(environment, quiet);
    }),
  },
  {
    name: 'no callback runs inside of write(), end(), pause(), close() or reset()',
    laws: [2],
    run: inEnvironment((environment) => {
      let inside = false;
      let nested = 0;
      const note = (): void => {
        if (inside) nested += 1;
      };
      const handlers = { data: note, drain: note, end: note, close: note };
      const pair = connectedPair(environment, handlers, handlers);
      const calls: (() => void)[] = [
        () => pair.client.write(pattern(300_000)),
        () => pair.server.write(Buffer.from('x')),
        () => pair.server.pause(),
        () => pair.server.resume(),
        () => pair.client.end(),
        () => pair.server.reset(),
        () => pair.client.close(),
      ];
      for (const call of calls) {
        inside = true;
        call();
        inside = false;
        turnOn(environment, 2);
      }
      until(environment, () => pair.serverLog.events.includes('close'), 'the server has closed');
      assert.equal(nested, 0);
      pair.listener.close();
      turnOn(environment);
    }),
  },
];
