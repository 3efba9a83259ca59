import assert from 'node:assert/strict';
import type { Stream, StreamSink } from '#src/loop/backend.js';
import type { Connection } from '#src/net/stream/connection.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  closePair,
  connectedPair,
  type Environment,
  type Pair,
  pattern,
  turnOn,
  until,
} from '../environment.ts';

// Sends, and their outcome: laws 2, 5, 6 and 12.

/** More than a socket takes at once, on any kernel. */
function moreThanFits(environment: Environment): Buffer {
  return pattern(environment.turnsMax > 100_000 ? 300_000 : 8 * 1024 * 1024);
}

/** A stream of the backend whose peer is a bare descriptor, so that only one end takes turns. */
function bareEnd(environment: Environment): { readonly stream: Stream; readonly peer: number } {
  const { sys } = environment.loop;
  const { AF_UNIX, SOCK_STREAM, F_SETFL, O_NONBLOCK } = sys.abi.constants;
  const pair = new Int32Array(2);
  assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const [own = -1, peer = -1] = pair;
  for (const fd of pair) assert.equal(sys.fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  return { stream: environment.backend.open(own, silent), peer };
}

const silent: StreamSink = {
  received: () => undefined,
  ended: () => undefined,
  failed: (errno) => assert.fail(`errno ${errno}`),
  drained: () => undefined,
  closed: () => undefined,
};

/** All bytes that a bare socket holds. */
function drain(environment: Environment, fd: number): Buffer {
  const buffer = new Uint8Array(65536);
  const pieces: Buffer[] = [];
  for (;;) {
    const length = environment.loop.sys.recv(fd, buffer, 0, buffer.length, 0);
    if (length <= 0) return Buffer.concat(pieces);
    pieces.push(Buffer.from(buffer.subarray(0, length)));
  }
}

/** An action of one end in the handler of its first chunk, and the bytes that the client got. */
function answered(environment: Environment, answer: (connection: Connection) => void): Pair {
  let done = false;
  const pair = connectedPair(environment, {
    data: (connection) => {
      if (!done) answer(connection);
      done = true;
    },
  });
  pair.client.write(Buffer.from('question'));
  until(environment, () => done, 'the server has answered');
  return pair;
}

/** If a send is an operation, a close() right behind it cancels it. */
const skipWhereDropped: Case['skip'] = ({ name }) =>
  name === 'sim completions' ? 'there every send completes late, and is dropped' : null;

function closeRest(environment: Environment, pair: Pair): void {
  for (const end of [pair.client, pair.server, pair.listener]) end.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

const endings: readonly Case[] = [
  {
    name: 'write() of too much, then close(): a beginning of it arrives, and nothing else',
    laws: [5, 6],
    skip: skipWhereDropped,
    run: inEnvironment((environment) => {
      const bytes = moreThanFits(environment);
      const pair = answered(environment, (connection) => {
        connection.write(bytes);
        connection.close();
      });
      until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
      const { received } = pair.clientLog;
      assert.ok(received.length > 0 && received.length < bytes.length);
      assert.ok(received.equals(bytes.subarray(0, received.length)));
      closeRest(environment, pair);
    }),
  },
  {
    name: 'write(), end(), close() in one handler: what is short arrives, and the end',
    laws: [5, 6],
    skip: skipWhereDropped,
    run: inEnvironment((environment) => {
      const pair = answered(environment, (connection) => {
        connection.write(Buffer.from('an '));
        connection.end(Buffer.from('answer'));
        connection.close();
      });
      until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
      assert.equal(pair.clientLog.received.toString(), 'an answer');
      assert.equal(pair.serverLog.error, null);
      closeRest(environment, pair);
    }),
  },
  {
    name: 'end() behind a short write: all of it arrives before the end',
    laws: [5, 12],
    run: inEnvironment((environment) => {
      const bytes = moreThanFits(environment);
      const pair = answered(environment, (connection) => {
        connection.write(bytes.subarray(0, 10));
        connection.write(bytes.subarray(10));
        connection.end();
      });
      until(environment, () => pair.clientLog.events.includes('end'), 'the end has come');
      assert.ok(pair.clientLog.received.equals(bytes));
      closeRest(environment, pair);
    }),
  },
  {
    name: 'what was written has gone out when the loop is closed right behind it',
    laws: [5],
    skip: (target) => (target.simulated ? 'its bytes are under way for a while' : null),
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      const { stream, peer } = bareEnd(environment);
      stream.pause();
      turnOn(environment, 2);
      assert.equal(stream.send(Buffer.from('farewell'), 0, 8), 0);
      environment.loop.close();
      assert.equal(drain(environment, peer).toString(), 'farewell');
      sys.close(peer);
    }),
  },
  {
    name: 'what was written has gone out when run() has ended by stop()',
    laws: [5],
    skip: (target) => (target.simulated ? 'run() waits in real time' : null),
    run: async (open) => {
      const environment = open();
      const { sys } = environment.loop;
      const { stream, peer } = bareEnd(environment);
      environment.loop.setTimer(0, () => {
        environment.loop.defer(() => {
          assert.equal(stream.send(Buffer.from('farewell'), 0, 8), 0);
          environment.loop.stop();
        });
      });
      await environment.loop.run();
      assert.equal(drain(environment, peer).toString(), 'farewell');
      environment.close();
      sys.close(peer);
    },
  },
];

export const sendCases: readonly Case[] = [
  ...endings,
  {
    name: 'queuedBytes is what the kernel has not taken, also right behind the write()',
    laws: [12],
    skip: (target) => (target.simulated ? 'its bytes are under way for a while' : null),
    run: inEnvironment((environment) => {
      for (const size of [1000, 16_384, 40_000, 1_000_000]) {
        const { sys } = environment.loop;
        const { stream, peer } = bareEnd(environment);
        const bytes = pattern(size);
        let written = 0;
        while (stream.queuedBytes === 0 && written < 10_000_000) {
          stream.send(bytes, 0, size);
          written += size;
        }
        const queued = stream.queuedBytes;
        assert.ok(queued > 0 && queued <= size, `${queued} of ${size}`);
        assert.equal(drain(environment, peer).length, written - queued);
        stream.send(bytes, 0, size);
        assert.equal(stream.queuedBytes, queued + size, 'behind what waits');
        stream.close();
        turnOn(environment, 2);
        sys.close(peer);
      }
    }),
  },
  {
    name: 'writes from a timer, a task and a handler of another connection arrive',
    laws: [5],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      const other = connectedPair(environment, {
        data: () => pair.server.write(Buffer.from('handler ')),
        close: () => pair.server.write(Buffer.from('close ')),
      });
      const words = (): string => pair.clientLog.received.toString();
      const arrive = (word: string): void => {
        until(environment, () => words().endsWith(word), `${word} has arrived`);
      };
      environment.loop.setTimer(1, () => pair.server.write(Buffer.from('timer ')));
      arrive('timer ');
      environment.loop.defer(() => pair.server.write(Buffer.from('task ')));
      arrive('task ');
      other.client.write(Buffer.from('x'));
      arrive('handler ');
      other.server.close();
      arrive('close ');
      pair.server.write(Buffer.from('nothing '));
      arrive('nothing ');
      assert.equal(words(), 'timer task handler close nothing ');
      closePair(environment, pair);
      closeRest(environment, other);
    }),
  },
  {
    name: 'a chunk that is written to three connections arrives at each, however slow',
    laws: [5, 12],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 100_000 ? 60_000 : 3_000_000);
      const readers = [
        connectedPair(environment),
        connectedPair(environment),
        connectedPair(environment),
      ];
      const source = connectedPair(environment, {
        data: (_, chunk) => {
          const middle = chunk.length >> 1;
          readers[0]?.server.write(chunk);
          readers[1]?.server.write(chunk.subarray(0, middle));
          readers[1]?.server.write(chunk, middle);
          readers[2]?.server.write(chunk, 0, middle);
          readers[2]?.server.write(Buffer.from(chunk.subarray(middle)));
        },
      });
      readers[1]?.client.pause();
      source.client.write(bytes);
      const arrived = (which: number): boolean =>
        (readers[which]?.clientLog.received.length ?? 0) >= bytes.length;
      until(environment, () => arrived(0) && arrived(2), 'two of them have it all');
      assert.equal(readers[1]?.clientLog.received.length, 0);
      readers[1]?.client.resume();
      until(environment, () => arrived(1), 'the third has it all');
      for (const { clientLog } of readers) assert.ok(clientLog.received.equals(bytes));
      for (const pair of [...readers, source]) closePair(environment, pair);
    }),
  },
];
