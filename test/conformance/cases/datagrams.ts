import assert from 'node:assert/strict';
import type { DatagramBatch } from '#src/net/datagram/batch.js';
import { type Case, inEnvironment } from '../case.ts';
import { closeAll, isClosed, open } from '../datagram-sockets.ts';
import { turnOn, until } from '../environment.ts';

// Receiving datagrams: laws D1 to D3 and D7, and 1, 2, 6 and 7 for their sockets.

/** Numbers as texts of some length. */
function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `datagram ${index}`);
}

/** With idle turns of 5 ms, a fifth as many waits. */
const SILENT_MS = 200;

export const datagramCases: readonly Case[] = [
  {
    name: 'datagrams are whole, of 0 bytes to 65507',
    laws: ['D1'],
    run: inEnvironment((environment) => {
      const [server, client] = [open(environment), open(environment)];
      const lengths = [0, 1, 2, 1472, 1473, 9000, 65_506, 65_507];
      for (const length of lengths) {
        assert.equal(client.socket.send(Buffer.alloc(length, 'x'), { to: server.to }), true);
      }
      until(environment, () => server.lengths.length === lengths.length, 'all have come');
      assert.deepEqual(server.lengths, lengths);
      assert.equal(server.socket.stats().truncated, 0);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'a datagram longer than its room is delivered cut off, and counted',
    laws: ['D1'],
    run: inEnvironment((environment) => {
      const server = open(environment, { bytesMax: 1000 });
      const client = open(environment);
      for (const length of [999, 1001, 65_507, 1000]) {
        client.socket.send(Buffer.alloc(length, 'x'), { to: server.to });
      }
      until(environment, () => server.lengths.length === 4, 'all have come');
      assert.deepEqual(server.lengths, [999, 1000, 1000, 1000]);
      assert.deepEqual(server.truncated, [false, true, true, false]);
      assert.equal(server.socket.stats().truncated, 2);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'datagrams of one sender keep their order, and none comes twice',
    laws: ['D2'],
    run: inEnvironment((environment) => {
      const server = open(environment, { receiveBufferBytes: 1 << 20 });
      const client = open(environment);
      const texts = numbered(150);
      assert.equal(client.socket.sendMany(texts, { to: server.to }), texts.length);
      until(environment, () => server.texts.length >= texts.length, 'all have come');
      turnOn(environment);
      assert.deepEqual(server.texts, texts);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'what the kernel drops at a handler that does not receive is counted',
    laws: ['D3'],
    run: inEnvironment((environment) => {
      if (environment.loop.sys.abi.constants.SO_RXQ_OVFL === undefined) return;
      const server = open(environment, { receiveBufferBytes: 8192 });
      const client = open(environment, { gso: false });
      server.socket.pause();
      let sent = 0;
      for (let round = 0; round < 20; round++) {
        sent += client.socket.sendMany(numbered(50), { to: server.to });
        environment.turn();
      }
      assert.equal(sent, 1000, 'a flood at a socket is not held back');
      server.socket.resume();
      turnOn(environment, 10);
      // The count comes with the next datagram that is not dropped.
      client.socket.send('the last', { to: server.to });
      until(environment, () => server.texts.at(-1) === 'the last', 'the last has come');
      const { received, droppedByKernel } = server.socket.stats();
      assert.ok(droppedByKernel > 0 && received < 1000, `${received} came, ${droppedByKernel} not`);
      assert.equal(received + droppedByKernel, sent + 1);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'a batch has at most 64 datagrams, and a turn a few batches',
    laws: [8, 'D7'],
    run: inEnvironment((environment) => {
      const batches: number[] = [];
      const server = open(environment, {
        receiveBufferBytes: 1 << 20,
        handlers: { datagrams: (_, batch) => void batches.push(batch.length) },
      });
      const client = open(environment);
      server.socket.pause();
      const count = client.socket.sendMany(numbered(200), { to: server.to });
      turnOn(environment);
      server.socket.resume();
      until(environment, () => server.texts.length === count, 'all have come');
      assert.ok(Math.max(...batches) <= 64, `batches of ${batches}`);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'datagrams come in turns only, and none after pause or close',
    laws: [2, 6, 7],
    run: inEnvironment((environment) => {
      let inside = false;
      const server = open(environment, {
        handlers: {
          datagrams: (socket) => {
            assert.equal(inside, false, 'a callback ran inside of a call');
            if (server.texts.length === 1) socket.pause();
            else socket.close();
          },
        },
      });
      const client = open(environment);
      inside = true;
      client.socket.send('one', { to: server.to });
      inside = false;
      until(environment, () => server.texts.length === 1, 'the first has come');
      client.socket.send('two', { to: server.to });
      turnOn(environment);
      assert.equal(server.texts.length, 1, 'none comes to a paused socket');
      client.socket.send('three', { to: server.to });
      server.socket.resume();
      until(environment, () => isClosed(server), 'the socket has closed itself');
      const came = server.texts.length;
      client.socket.send('four', { to: server.to });
      turnOn(environment);
      assert.equal(server.texts.length, came);
      assert.deepEqual(server.events, ['close null']);
      closeAll(environment, client);
    }),
  },
  {
    name: 'a socket of datagrams ends once, and its number may be used again at once',
    laws: [1, 6, 7],
    run: inEnvironment((environment) => {
      const before = environment.openDescriptors();
      for (let round = 0; round < 5; round++) {
        const [server, client] = [open(environment), open(environment)];
        client.socket.send('to one that closes', { to: server.to });
        server.socket.close();
        server.socket.close();
        closeAll(environment, server, client);
        assert.deepEqual(server.events, ['close null']);
      }
      assert.equal(environment.openDescriptors(), before);
    }),
  },
  {
    name: 'a handler that throws closes its socket, and a batch ends with its handler',
    laws: [],
    run: (create) => {
      const heard: string[] = [];
      const environment = create({
        onHandlerError: (error) => void heard.push((error as Error).message),
      });
      let kept: DatagramBatch | null = null;
      const server = open(environment, {
        handlers: {
          datagrams: (_, batch) => {
            kept = batch;
            throw new Error('out of paper');
          },
        },
      });
      const client = open(environment);
      client.socket.send('x', { to: server.to });
      until(environment, () => isClosed(server), 'the socket is closed');
      assert.deepEqual(heard, ['out of paper']);
      assert.equal((kept as DatagramBatch | null)?.length, 0);
      closeAll(environment, client);
      environment.close();
    },
  },
  {
    name: 'records of SOCK_SEQPACKET, and the end of their connection once, behind them',
    laws: [1, 4, 'D1'],
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      if (!sys.abi.behaviours.unixSeqpacket) return;
      const { AF_UNIX, SOCK_SEQPACKET } = sys.abi.constants;
      const pair = new Int32Array(2);
      assert.equal(sys.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
      const one = open(environment, { fd: pair[0] ?? -1 });
      const other = open(environment, { fd: pair[1] ?? -1 });
      one.socket.sendMany(numbered(10));
      one.socket.close();
      until(environment, () => other.events.includes('end'), 'the end has come');
      turnOn(environment);
      assert.deepEqual(other.texts, numbered(10));
      assert.deepEqual(other.events, ['end']);
      closeAll(environment, one, other);
    }),
  },
  {
    name: 'records wait for room in silence, though the peer has ended its side',
    laws: [8, 'D4', 'D5'],
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      if (!sys.abi.behaviours.unixSeqpacket) return;
      const { AF_UNIX, SOCK_SEQPACKET, F_SETFL, O_NONBLOCK, SHUT_WR } = sys.abi.constants;
      const pair = new Int32Array(2);
      assert.equal(sys.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
      const [own = -1, peer = -1] = pair;
      sys.fcntl(peer, F_SETFL, O_NONBLOCK);
      const one = open(environment, { fd: own, queuedBytesMax: 65_536 });
      while (one.socket.send(new Uint8Array(1000)));
      sys.shutdown(peer, SHUT_WR);
      until(environment, () => one.events.includes('end'), 'the end has come');
      const { waits } = environment.backend.stats;
      const startMs = environment.nowMs();
      until(environment, () => environment.nowMs() - startMs > SILENT_MS, 'time has passed');
      const turns = environment.backend.stats.waits - waits;
      assert.ok(turns < SILENT_MS, `${turns} waits came to nothing`);
      const block = new Uint8Array(1000);
      const taken = (): boolean => {
        while (sys.read(peer, block, 0, block.length) > 0);
        return one.socket.queuedBytes === 0;
      };
      until(environment, taken, 'all have gone out');
      closeAll(environment, one);
      sys.close(peer);
    }),
  },
];
