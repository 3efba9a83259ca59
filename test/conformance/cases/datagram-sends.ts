import assert from 'node:assert/strict';
import { type Case, inEnvironment } from '../case.ts';
import { closeAll, isClosed, open, type Recorded } from '../datagram-sockets.ts';
import { type Environment, turnOn, unixPath, until } from '../environment.ts';

// Sending datagrams: laws D2, D4 and D5. A UNIX socket is full when its peer does not receive;
// one of UDP hardly ever is on this machine.

/** A server that does not receive, and a client of it whose sends are refused. */
function refused(environment: Environment, connected: boolean) {
  const path = unixPath();
  const server = open(environment, { path });
  server.socket.pause();
  const client = open(environment, {
    ...(connected ? { connect: { path } } : { path: `${path}.client` }),
    queuedBytesMax: 65_536,
  });
  const options = connected ? {} : { to: { path } };
  let sent = 0;
  for (let turns = 0; turns < 100; turns++) {
    while (sent < 10_000 && client.socket.send(message(sent), options)) sent += 1;
    environment.turn();
    if (client.socket.stats().refused > turns) break;
  }
  assert.ok(client.socket.stats().refused > 0, 'a full queue refuses');
  return { server, client, sent, options };
}

/** A datagram of 1000 bytes that begins with a number. */
function message(number: number): string {
  return `${number} `.padEnd(1000, '.');
}

/** The numbers of the datagrams that came. */
function numbersOf({ texts }: Recorded): number[] {
  return texts.map((text) => Number.parseInt(text, 10));
}

/** 0, 1, 2, ... */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

export const datagramSendCases: readonly Case[] = [
  ...[true, false].map((connected) => ({
    name: `a refused send is followed by one drain, and none taken is lost: ${
      connected ? 'connected' : 'not connected'
    }`,
    laws: [12, 'D2', 'D4', 'D5'] as const,
    run: inEnvironment((environment) => {
      const { server, client, sent, options } = refused(environment, connected);
      assert.equal(client.socket.send(message(sent), options), false, 'it is still full');
      assert.ok(client.socket.queuedBytes > 60_000 && client.socket.queuedBytes <= 65_536);
      assert.deepEqual(client.events, [], 'no drain while it is full');
      server.socket.resume();
      until(environment, () => client.events.includes('drain'), 'the queue is empty');
      until(environment, () => server.texts.length === sent, 'all have come');
      turnOn(environment);
      assert.deepEqual(numbersOf(server), upTo(sent));
      assert.deepEqual(client.events, ['drain'], 'one for all refused');
      assert.equal(client.socket.send('again', options), true);
      until(environment, () => server.texts.at(-1) === 'again', 'one more has come');
      const { refused: count, sendErrors } = client.socket.stats();
      assert.ok(count >= 2);
      assert.deepEqual(sendErrors, {});
      closeAll(environment, server, client);
    }),
  })),
  {
    name: 'the sends of a turn are made together at its end, also those of the last one',
    laws: [2],
    run: inEnvironment((environment) => {
      const [server, client] = [open(environment), open(environment)];
      client.socket.send('one', { to: server.to });
      client.socket.send('two', { to: server.to });
      assert.equal(client.socket.queuedDatagrams, 2);
      assert.equal(client.socket.queuedBytes, 6);
      // Nothing that was sent is dropped by a close.
      client.socket.close();
      assert.equal(client.socket.send('three', { to: server.to }), false);
      until(environment, () => server.texts.length === 2, 'both have come');
      until(environment, () => isClosed(client), 'it is closed');
      turnOn(environment);
      assert.deepEqual(server.texts, ['one', 'two']);
      closeAll(environment, server);
    }),
  },
  {
    name: 'datagrams that are joined for the kernel come apart',
    laws: ['D1', 'D2'],
    run: inEnvironment((environment) => {
      const server = open(environment, { receiveBufferBytes: 1 << 20 });
      const client = open(environment);
      const lengths = [
        ...new Array<number>(100).fill(1200),
        700,
        1200,
        1200,
        1201,
        0,
        1200,
        ...new Array<number>(5).fill(20_000),
      ];
      for (const length of lengths) {
        client.socket.send(Buffer.alloc(length, 'j'), { to: server.to });
      }
      until(environment, () => server.lengths.length === lengths.length, 'all have come');
      assert.deepEqual(server.lengths, lengths);
      assert.equal(client.socket.stats().sent, lengths.length);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'bytes with a segmentSize come as datagrams of it, joined again if asked for',
    laws: ['D1', 'D2'],
    run: inEnvironment((environment) => {
      const segments: number[] = [];
      const joined = open(environment, {
        gro: true,
        receiveBufferBytes: 1 << 20,
        handlers: {
          datagrams: (_, batch) => {
            for (let index = 0; index < batch.length; index++) {
              segments.push(batch.segmentSize(index));
            }
          },
        },
      });
      const apart = open(environment, { receiveBufferBytes: 1 << 20 });
      const client = open(environment);
      const bytes = Buffer.alloc(100_000, 's');
      for (const { to } of [joined, apart]) {
        assert.equal(client.socket.send(bytes, { to, segmentSize: 1200 }), true);
      }
      assert.equal(client.socket.queuedDatagrams, 2 * 84);
      const total = (one: Recorded): number => one.lengths.reduce((sum, each) => sum + each, 0);
      until(environment, () => total(joined) === 100_000, 'the joined ones have come');
      until(environment, () => total(apart) === 100_000, 'those apart have come');
      assert.deepEqual(apart.lengths, [...new Array<number>(83).fill(1200), 400]);
      assert.equal(joined.socket.stats().received, 84);
      // Linux joins what it was given together.
      if (environment.loop.sys.abi.constants.UDP_GRO !== undefined) {
        assert.ok(joined.lengths.length < 84, `${joined.lengths.length} deliveries`);
        assert.ok(segments.includes(1200));
      }
      closeAll(environment, joined, apart, client);
    }),
  },
  {
    name: 'the queue has a bound, whatever the datagrams are like',
    laws: [12, 'D4'],
    run: inEnvironment((environment) => {
      const path = unixPath();
      const server = open(environment, { path });
      server.socket.pause();
      const client = open(environment, { connect: { path } });
      let taken = 0;
      for (let turns = 0; turns < 20; turns++) {
        for (let sends = 0; sends < 500; sends++) if (client.socket.send('')) taken += 1;
        environment.turn();
      }
      const { refused: count } = client.socket.stats();
      assert.ok(count > 0, 'empty datagrams are bounded by their number');
      assert.ok(client.socket.queuedDatagrams <= 1024);
      server.socket.resume();
      until(environment, () => server.texts.length === taken, 'all taken have come');
      until(environment, () => client.events.includes('drain'), 'the queue is empty');
      closeAll(environment, server, client);
    }),
  },
];
